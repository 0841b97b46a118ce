"""Studies: the TOML file, the runs and their files, and which runs are skipped or repeated."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import clearprop as cp
from clearprop import engines
from clearprop.data import Dataset
from clearprop.study.definitions import Study, built_in_studies, load_study, plan
from clearprop.study.results import StudyResults, read_results, spread
from clearprop.study.runner import run_study
from clearprop.training.callbacks import Callback, TrainingState
from clearprop.utils.errors import EngineUnavailable, InvalidArgument, OutputError, StudyError

SMALL = """
name = "small"
title = "A small study"
seeds = 2

[defaults]
hidden = [8]
epochs = 1
validation = 0.2

[[experiments]]
name = "first"
activation = "tanh"

[[experiments]]
name = "second"
optimizer = "adam"
learning_rate = 0.003
"""


class Interrupt(Callback):
    """Ctrl-C in the middle of an epoch."""

    def on_batch_end(self, state: TrainingState) -> None:
        raise KeyboardInterrupt


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "study.toml"
    path.write_text(text)
    return str(path)


def small(tmp_path: Path, text: str = SMALL) -> Study:
    return load_study(write(tmp_path, text))


def ran(trained: list[str]) -> Any:
    """Return a progress factory that notes which runs are trained."""

    def note(name: str, seed: int, number: int, total: int) -> list[Callback]:
        trained.append(f"{name}/{seed}")
        return []

    return note


def without_time(results: StudyResults) -> dict[str, Any]:
    dumped = results.model_dump(exclude={"created"})
    for experiment in dumped["experiments"]:
        for seed in experiment["seeds"]:
            seed.pop("seconds")
            seed.pop("rows_per_second")
            for epoch in seed["history"]["epochs"]:
                epoch.pop("seconds")
    return dumped


def test_the_built_in_study_is_the_published_one(tmp_path: Path) -> None:
    published = json.loads(
        (Path(cp.__file__).parent / "study" / "studies" / "published_study.json").read_text()
    )["experiments"]
    assert built_in_studies() == ["activations"]
    plans = {each.name: each for each in plan(load_study("activations"), "mnist", 784, 10)}
    assert list(plans) == [*published, "torch-sigmoid-adam-logits", "torch-sigmoid-adamw-logits"]
    for name, reference in published.items():
        ours = plans[name]
        assert ours.engine == reference["engine"]
        assert list(ours.network.layer_sizes) == reference["layer_sizes"]
        assert set(ours.network.activations) == {reference["activation"]}
        assert ours.network.initialization == reference["initialization"].replace(" ", "_")
        assert ours.recipe.optimizer == reference["optimizer"]
        assert ours.recipe.weight_decay == reference.get("weight_decay", 0.0)
        assert (ours.recipe.loss == "double_softmax") == ("output" in reference)
        for field in ("batch_size", "epochs", "learning_rate"):
            assert getattr(ours.recipe, field) == reference[field]


def test_the_built_in_study_splits_mnist_as_published(mnist: Dataset) -> None:
    for each in plan(load_study("activations"), "mnist", 784, 10):
        parts = mnist.split(validation=each.validation)
        assert parts.validation is not None
        assert (len(parts.train), len(parts.validation)) == (
            (50_000, 10_000) if each.engine == "numpy" else (48_000, 12_000)
        )


def test_corrected_experiments_differ_from_the_published_one_only_in_named_settings() -> None:
    plans = {each.name: each for each in plan(load_study("activations"), "mnist", 784, 10)}
    published = plans["torch-sigmoid-adam"].recipe.to_dict()
    logits = plans["torch-sigmoid-adam-logits"].recipe.to_dict()
    decoupled = plans["torch-sigmoid-adamw-logits"].recipe.to_dict()
    assert {name for name in logits if logits[name] != published[name]} == {"loss"}
    assert {name for name in logits if logits[name] != decoupled[name]} == {"optimizer", "weight_decay"}


def test_the_digits_have_settings_of_their_own_and_a_note_that_says_so() -> None:
    study = load_study("activations")
    plans = {each.name: each for each in plan(study, "digits", 784, 10)}
    assert plans["numpy-sigmoid"].recipe.epochs == 40
    assert plans["numpy-sigmoid"].recipe.learning_rate == 0.1
    assert plans["torch-sigmoid-adam"].recipe.learning_rate == 0.003
    assert "40 epochs" in study.on["digits"].note


def test_options_take_precedence_over_the_study_file(tmp_path: Path) -> None:
    for each in plan(small(tmp_path), "digits", 784, 10, engine="torch", epochs=7):
        assert (each.engine, each.recipe.epochs) == ("torch", 7)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[defaults]", "learning_rte = 1\n\n[defaults]", r"line 6: unknown key 'learning_rte'"),
        ("epochs = 1", "epoch = 1", r"line 8: unknown key 'epoch'.*Did you mean \"epochs\""),
        (
            'optimizer = "adam"',
            'optimiser = "adam"  # learning_rate',
            r"line 17: unknown key 'optimiser'.*Did you mean \"optimizer\"",
        ),
        ("epochs = 1", 'epochs = "one"', r"line 8: defaults\.epochs: it must be a whole number"),
        ("hidden = [8]", "hidden = [8, 2.5]", r"line 7: defaults\.hidden\.1"),
        ('name = "second"', 'name = "first"', "two experiments are named first"),
        ('name = "second"', 'name = "../second"', r"line 16: experiments\.1\.name"),
        ('title = "A small study"\n', "", "title: it is missing; add it"),
        ("[defaults]", "[defaults", "is not valid TOML"),
        (
            "[defaults]",
            "[on.digits.experiments.third]\nepochs = 2\n\n[defaults]",
            r"on\.digits\.experiments names third, which is no experiment",
        ),
    ],
)
def test_a_mistake_in_a_study_file_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = SMALL.replace(old, new, 1)
    assert text != SMALL
    with pytest.raises(StudyError, match=message):
        small(tmp_path, text)


def test_line_of_an_unknown_key_ignores_strings_and_comments(tmp_path: Path) -> None:
    text = SMALL.replace('title = "A small study"', 'title = """\nepoch = 1\n"""\n# epoch = 1')
    with pytest.raises(StudyError, match="line 11: unknown key 'epoch'"):
        small(tmp_path, text.replace("\nepochs = 1", "\nepoch = 1"))


def test_a_value_that_is_not_allowed_is_named_with_its_line(tmp_path: Path) -> None:
    text = SMALL.replace("learning_rate = 0.003", "learning_rate = 0.0")
    line = text[: text.index("learning_rate = 0.0")].count("\n") + 1
    with pytest.raises(StudyError, match=rf"line {line}: .*learning_rate: it is 0\.0, but must be a number"):
        small(tmp_path, text)


def test_settings_that_do_not_go_together_name_their_experiment(tmp_path: Path) -> None:
    study = small(tmp_path, SMALL.replace("learning_rate = 0.003", 'loss = "poisson"\nlabel_smoothing = 0.1'))
    with pytest.raises(StudyError, match=r"Experiment second of study small: label_smoothing is 0\.1"):
        plan(study, "digits", 784, 10)


def test_an_unknown_study_suggests_the_nearest() -> None:
    with pytest.raises(StudyError, match=r"There is no study 'activatoins'.*Did you mean .activations."):
        load_study("activatoins")


def test_a_study_leaves_results_and_a_folder_for_each_run(tmp_path: Path, digits: Dataset) -> None:
    out = tmp_path / "out"
    results = run_study(small(tmp_path), digits, out, command="clearprop study small.toml")
    assert read_results(out) == results
    assert results.seeds == [0, 1]
    assert results.command == "clearprop study small.toml"
    assert {"clearprop", "python", "numpy"} <= set(results.versions)
    for experiment in results.experiments:
        assert [result.seed for result in experiment.seeds] == [0, 1]
        for result in experiment.seeds:
            assert result.split == {"train": 1150, "validation": 287, "test": 360}
            assert set(result.evaluations) == {"train", "validation", "test"}
            assert sum(map(sum, result.evaluations["test"].confusion)) == 360
            assert len(result.mistakes) == 12
            folder = out / result.folder
            assert {path.name for path in folder.iterdir()} == {
                "config.json", "history.json", "parameters.safetensors", "result.json"
            }  # fmt: skip
            model = cp.load(folder / "parameters.safetensors")
            assert digits.test is not None
            accuracy = cp.evaluate(model, digits.test).accuracy
            assert accuracy == result.evaluations["test"].accuracy


def test_complete_and_unchanged_runs_are_not_trained_again(tmp_path: Path, digits: Dataset) -> None:
    first = run_study(small(tmp_path), digits, tmp_path / "out")
    trained: list[str] = []
    second = run_study(small(tmp_path), digits, tmp_path / "out", progress_for=ran(trained))
    assert trained == []
    assert second.experiments == first.experiments


def test_only_changed_experiments_are_trained_again(tmp_path: Path, digits: Dataset) -> None:
    run_study(small(tmp_path), digits, tmp_path / "out")
    trained: list[str] = []
    changed = small(tmp_path, SMALL.replace("0.003", "0.004"))
    run_study(changed, digits, tmp_path / "out", progress_for=ran(trained))
    assert trained == ["second/0", "second/1"]


def test_other_data_repeats_everything(tmp_path: Path, digits: Dataset) -> None:
    run_study(small(tmp_path), digits, tmp_path / "out")
    trained: list[str] = []
    fewer = digits.subset(slice(0, 1000))
    run_study(small(tmp_path), fewer, tmp_path / "out", progress_for=ran(trained))
    assert len(trained) == 4


def test_more_seeds_train_only_the_new_ones(tmp_path: Path, digits: Dataset) -> None:
    run_study(small(tmp_path), digits, tmp_path / "out")
    trained: list[str] = []
    results = run_study(small(tmp_path), digits, tmp_path / "out", seeds=3, progress_for=ran(trained))
    assert trained == ["first/2", "second/2"]
    assert len(results.experiments[0].seeds) == 3


def test_fresh_repeats_complete_runs_with_the_same_numbers(tmp_path: Path, digits: Dataset) -> None:
    first = run_study(small(tmp_path), digits, tmp_path / "out")
    trained: list[str] = []
    again = run_study(small(tmp_path), digits, tmp_path / "out", fresh=True, progress_for=ran(trained))
    assert len(trained) == 4
    assert without_time(again) == without_time(first)


@pytest.mark.parametrize("name", ["result.json", "parameters.safetensors", "history.json", "config.json"])
@pytest.mark.parametrize("harm", ["torn", "missing"])
def test_damaged_run_is_trained_again(tmp_path: Path, digits: Dataset, name: str, harm: str) -> None:
    out = tmp_path / "out"
    first = run_study(small(tmp_path), digits, out, seeds=1)
    path = out / "runs" / "first" / "0" / name
    if harm == "torn":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.unlink()
    trained: list[str] = []
    again = run_study(small(tmp_path), digits, out, seeds=1, progress_for=ran(trained))
    assert trained == ["first/0"]
    assert without_time(again) == without_time(first)


def test_interruption_keeps_complete_runs(tmp_path: Path, digits: Dataset) -> None:
    out = tmp_path / "out"

    def interrupt_the_second(name: str, seed: int, number: int, total: int) -> list[Callback]:
        return [Interrupt()] if name == "second" else []

    with pytest.raises(KeyboardInterrupt):
        run_study(small(tmp_path), digits, out, progress_for=interrupt_the_second)
    results = read_results(out)
    assert [experiment.name for experiment in results.experiments] == ["first"]
    assert results.missing == ["second"]
    trained: list[str] = []
    assert run_study(small(tmp_path), digits, out, progress_for=ran(trained)).missing == []
    assert trained == ["second/0", "second/1"]


def test_an_interruption_before_anything_is_complete_leaves_earlier_results(
    tmp_path: Path, digits: Dataset
) -> None:
    out = tmp_path / "out"
    run_study(small(tmp_path), digits, out)
    before = (out / "results.json").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        run_study(small(tmp_path), digits, out, fresh=True, progress_for=lambda *_: [Interrupt()])
    assert (out / "results.json").read_bytes() == before


def test_diverged_run_is_reported_and_the_others_go_on(tmp_path: Path, digits: Dataset) -> None:
    text = SMALL.replace('activation = "tanh"', 'activation = "identity"\nlearning_rate = 1e9')
    results = run_study(small(tmp_path, text), digits, tmp_path / "out", seeds=1)
    first, second = results.experiments
    assert first.seeds[0].status == "diverged"
    assert "NaN or infinite" in str(first.seeds[0].message)
    assert first.seeds[0].history.batch_losses
    assert first.complete == []
    assert second.seeds[0].status == "complete"
    trained: list[str] = []
    run_study(small(tmp_path, text), digits, tmp_path / "out", seeds=1, progress_for=ran(trained))
    assert trained == []


def test_missing_engine_is_reported_before_training(
    tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as if PyTorch were not installed, whether or not an earlier test imported it
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "clearprop.engines.torch_engine", raising=False)
    monkeypatch.delattr(engines, "torch_engine", raising=False)
    text = SMALL.replace('optimizer = "adam"', 'optimizer = "adam"\nengine = "torch"')
    trained: list[str] = []
    with pytest.raises(EngineUnavailable, match=r"get it with pip install .clearprop\[torch\]."):
        run_study(small(tmp_path, text), digits, tmp_path / "out", progress_for=ran(trained))
    assert trained == []
    assert not (tmp_path / "out").exists()


def test_unwritable_folder_is_reported_before_training(tmp_path: Path, digits: Dataset) -> None:
    (tmp_path / "out").touch()
    trained: list[str] = []
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        run_study(small(tmp_path), digits, tmp_path / "out", progress_for=ran(trained))
    assert trained == []


def test_a_validation_part_larger_than_the_data_names_the_experiment(tmp_path: Path, digits: Dataset) -> None:
    text = SMALL.replace("validation = 0.2", "validation = 9999")
    with pytest.raises(StudyError, match=r"Experiment first does not fit digits: .*9,?999"):
        run_study(small(tmp_path, text), digits, tmp_path / "out")


def test_seeds_must_be_a_whole_number(tmp_path: Path, digits: Dataset) -> None:
    with pytest.raises(InvalidArgument, match="seeds is 0"):
        run_study(small(tmp_path), digits, tmp_path / "out", seeds=0)


def test_study_without_a_complete_run_is_refused_with_the_remedy(tmp_path: Path, digits: Dataset) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_study(small(tmp_path), digits, tmp_path / "out", progress_for=lambda *_: [Interrupt()])
    with pytest.raises(StudyError, match=r"The study in .*out has no results yet, .*; repeat the command"):
        read_results(tmp_path / "out")
    # the runs of clearprop train lie in a folder of the same name
    run = tmp_path / "runs" / "digits-1"
    run.mkdir(parents=True)
    (run / "config.json").touch()
    with pytest.raises(StudyError, match=r"Cannot read .*results\.json"):
        read_results(tmp_path)


def test_damaged_results_are_refused_in_one_sentence(tmp_path: Path, digits: Dataset) -> None:
    out = tmp_path / "out"
    with pytest.raises(StudyError, match=r"Cannot read .*results\.json"):
        read_results(out)
    run_study(small(tmp_path), digits, out, seeds=1)
    whole = json.loads((out / "results.json").read_text())
    for content, message in [
        ("{", "is not JSON"),
        ("[]", "has schema version None"),
        (json.dumps({**whole, "schema_version": 99}), "has schema version 99"),
        (json.dumps({**whole, "seeds": "all"}), "is damaged at seeds"),
        (json.dumps({**whole, "surprise": 1}), "is damaged at surprise"),
    ]:
        (out / "results.json").write_text(content)
        with pytest.raises(StudyError, match=message):
            read_results(out)


def test_spread_is_the_sample_deviation() -> None:
    assert spread([1.0]) == (1.0, 0.0)
    assert spread([1.0, 3.0]) == (2.0, pytest.approx(2**0.5))


def test_an_old_experiment_is_not_in_the_results_of_a_smaller_study(tmp_path: Path, digits: Dataset) -> None:
    out = tmp_path / "out"
    run_study(small(tmp_path), digits, out, seeds=1)
    only_first = SMALL[: SMALL.index('[[experiments]]\nname = "second"')]
    results = run_study(small(tmp_path, only_first), digits, out, seeds=1)
    assert [experiment.name for experiment in results.experiments] == ["first"]
    shutil.rmtree(out)
