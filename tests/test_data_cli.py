"""clearprop data: output and exit code of list, get, verify and info."""

from __future__ import annotations

import shutil

import pytest

from clearprop.cli import main

IMAGES = "train-images-idx3-ubyte.gz"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep the user's own cache and folders out of every test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.delenv("CLEARPROP_DATA", raising=False)


@pytest.fixture
def my_mnist(mnist_folder, tmp_path):
    """Copy the genuine files to where a test may damage them."""
    shutil.copytree(mnist_folder, tmp_path / "data" / "mnist", copy_function=shutil.copyfile)
    (tmp_path / "data" / "mnist").chmod(0o755)
    return tmp_path / "data"


def test_list_names_every_data_set_and_whether_it_is_present(capsys):
    assert main(["data", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["digits", "mnist", "fashion-mnist", "kmnist"]
    assert lines[1].split()[1:] == ["1,437", "360", "10", "none", "in", "scikit-learn"]
    assert lines[2].split()[1:] == ["60,000", "10,000", "10", "11.6", "MB", "no"]


def test_list_shows_complete_and_incomplete_data_sets_in_the_data_folder(my_mnist, capsys):
    main(["data", "list", "--data-dir", str(my_mnist)])
    assert capsys.readouterr().out.splitlines()[2].rstrip().endswith("yes")
    (my_mnist / "mnist" / IMAGES).unlink()
    main(["data", "list", "--data-dir", str(my_mnist)])
    assert capsys.readouterr().out.splitlines()[2].rstrip().endswith("in part")


def test_info_describes_a_present_data_set(mnist_folder, capsys):
    assert main(["data", "info", "mnist", "--data-dir", str(mnist_folder)]) == 0
    out = capsys.readouterr().out
    assert "rows      60,000 training, 10,000 test" in out
    assert "features  784 (uint8, images 28x28), divided by 255" in out
    assert "5,923   9.9%    980   9.8%" in out
    assert f"{IMAGES}: genuine, {mnist_folder / IMAGES}" in out


def test_info_of_a_missing_data_set_says_how_to_fetch_it_and_downloads_nothing(capsys, tmp_path):
    assert main(["data", "info", "kmnist"]) == 0
    out = capsys.readouterr().out
    assert "classes   10: o, ki, su, tsu, na, ha, ma, ya, re, wo" in out
    assert f"{IMAGES}: missing" in out
    assert "clearprop data get kmnist" in out
    assert list(tmp_path.iterdir()) == []


def test_info_describes_a_user_file(tmp_path, capsys):
    path = tmp_path / "flowers.csv"
    path.write_text("".join(f"{'[red]' if i % 2 else 'blue'},{i * 3}\n" for i in range(10)))
    assert main(["data", "info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "rows      8 training, 2 test" in out
    assert "features  1 (float32), each feature minus its mean, divided by its standard deviation" in out
    assert "[red]         4  50.0%     1  50.0%" in out


def test_info_of_an_unknown_name_is_a_users_mistake(capsys):
    assert main(["data", "info", "nist"]) == 2
    assert 'Did you mean "mnist"' in capsys.readouterr().err


def test_verify_compares_every_file(my_mnist, capsys):
    assert main(["data", "verify", "mnist", "--data-dir", str(my_mnist)]) == 0
    assert capsys.readouterr().out.count("mnist: genuine") == 4


def test_verify_ends_with_2_and_names_the_damaged_file_which_stays(my_mnist, capsys):
    path = my_mnist / "mnist" / IMAGES
    path.write_bytes(b"damaged")
    assert main(["data", "verify", "--data-dir", str(my_mnist)]) == 2
    captured = capsys.readouterr()
    assert f"mnist: damaged {path}" in captured.out
    assert f"Error: {path} is not the genuine file of mnist" in captured.err
    assert path.read_bytes() == b"damaged"


@pytest.mark.parametrize(("names", "code"), [([], 0), (["mnist"], 2), (["digits"], 0)])
def test_verify_requires_only_named_data_sets_to_be_complete(names, code, capsys):
    assert main(["data", "verify", *names]) == code
    assert ("clearprop data get mnist" in capsys.readouterr().err) == (code == 2)


def test_get_prints_the_folder_of_the_files(my_mnist, capsys):
    assert main(["data", "get", "mnist", "digits", "--data-dir", str(my_mnist)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"mnist: {my_mnist / 'mnist'}",
        "digits: embedded in scikit-learn, nothing to download",
    ]


def test_get_never_replaces_a_file_in_the_users_folder(my_mnist, capsys):
    path = my_mnist / "mnist" / IMAGES
    path.write_bytes(b"my own work")
    assert main(["data", "get", "mnist", "--data-dir", str(my_mnist)]) == 2
    assert "it was left as it is" in capsys.readouterr().err
    assert path.read_bytes() == b"my own work"


@pytest.mark.parametrize("verb", ["list", "get", "verify", "info"])
def test_every_verb_has_an_example_in_its_help(verb, capsys):
    assert main(["data", verb, "--help"]) == 0
    assert f"Example: clearprop data {verb}" in capsys.readouterr().out


def test_get_of_an_unknown_name_is_a_users_mistake(capsys):
    assert main(["data", "get", "fashion_mnist"]) == 2
    assert 'Did you mean "fashion-mnist"' in capsys.readouterr().err
