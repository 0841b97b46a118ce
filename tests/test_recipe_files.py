"""Recipes by name: settings kept in a file, that options go before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clearprop.cli import main
from clearprop.data import Dataset
from clearprop.training.recipe_files import built_in_recipes, load_recipe
from clearprop.training.settings import decide
from clearprop.utils.errors import InvalidArgument


@pytest.mark.parametrize("name", built_in_recipes())
def test_every_built_in_recipe_is_valid_and_has_a_description(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.description
    decided = decide(recipe.given(), 784, 10, seed=3)
    assert decided.recipe.seed == 3
    assert decided.network.layer_sizes[0] == 784


def test_the_fast_recipe_reaches_98_percent_on_mnist(mnist: Dataset, tmp_path: Path) -> None:
    import clearprop as cp

    decided = decide(load_recipe("fast").given(), 784, 10, seed=0)
    parts = mnist.split(validation=decided.validation)
    run = cp.train(decided.network, decided.recipe, parts.train, progress=False)
    assert parts.test is not None
    assert cp.evaluate(run.model, parts.test).accuracy >= 0.98


def test_an_option_goes_before_the_recipe_and_the_recipe_before_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('hidden = [12]\nactivation = "tanh"\nepochs = 1\nvalidation = 100\n')
    out = tmp_path / "run"
    arguments = ["--recipe", str(path), "--out", str(out), "--activation", "sigmoid", "--quiet"]
    assert main(["train", *arguments]) == 0
    config = json.loads((out / "config.json").read_text())
    assert config["network"]["layer_sizes"] == [784, 12, 10]
    assert config["network"]["activation"] == "sigmoid"
    assert config["recipe"]["epochs"] == 1
    assert config["validation"] == 100


def test_without_a_folder_the_run_goes_to_the_next_free_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        assert main(["train", "--hidden", "", "--epochs", "1", "--quiet"]) == 0
        last = capsys.readouterr().out.splitlines()[-1]
        assert last == str(Path("runs") / f"digits-{number}" / "parameters.safetensors")
        assert (tmp_path / last).exists()


def test_the_coefficients_of_the_optimizer_are_settings_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("l2_penalty = 1e-4\nmomentum = 0.5\nbeta_1 = 0.8\nbeta_2 = 0.99\nepsilon = 1e-7\n")
    recipe = decide(load_recipe(str(path)).given(), 784, 10, seed=0).recipe
    of_optimizer = (recipe.momentum, recipe.beta_1, recipe.beta_2, recipe.epsilon)
    assert (recipe.l2_penalty, *of_optimizer) == (1e-4, 0.5, 0.8, 0.99, 1e-7)


def test_an_unknown_recipe_suggests_the_nearest() -> None:
    with pytest.raises(InvalidArgument, match=r"There is no recipe 'fats'.*Did you mean .fast."):
        load_recipe("fats")


def test_an_unknown_key_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("hidden = [12]\nepoch = 1\n")
    with pytest.raises(InvalidArgument, match=r"line 2: unknown key 'epoch'.*Did you mean .epochs."):
        load_recipe(str(path))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_recipe_with_a_byte_order_mark_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('# é\r\nhidden = [12]\r\nactivation = "tanh"\r\n', encoding, newline="")
    assert load_recipe(str(path)).given() == {"hidden": [12], "activation": "tanh"}


def test_the_line_of_a_mistake_is_counted_after_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("hidden = [12]\nepoch = 1\n", "utf-8-sig")
    with pytest.raises(InvalidArgument, match=r"line 2: unknown key 'epoch'"):
        load_recipe(str(path))


def test_a_recipe_in_latin_1_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes("description = 'caf\xe9'\n".encode("latin-1"))
    with pytest.raises(InvalidArgument, match="is not UTF-8 text; save it as UTF-8"):
        load_recipe(str(path))


@pytest.mark.parametrize("epochs", ["1000001", "1" + "0" * 30])
def test_epochs_have_an_upper_bound(epochs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("train", "study"):
        assert main([verb, "--epochs", epochs, "--out", str(tmp_path / "out")]) == 2
        assert "at most 1,000,000" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
