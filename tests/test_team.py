"""A team of processes trains as one process does, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from test_engines import distance, make_task, one_epoch, recipe_of

from clearprop import Network, Recipe, train
from clearprop.data import Dataset
from clearprop.engines.base import Task
from clearprop.engines.kernels.blas import THREADS
from clearprop.engines.numpy_engine import NumpyEngine
from clearprop.engines.numpy_step import MANY_ROWS, Stepper
from clearprop.engines.tensor_parallel.sharding import layers_of, share, size_of
from clearprop.engines.tensor_parallel.worker_pool import CORES, VARIABLE, Team, members_for
from clearprop.training.callbacks import Callback, TrainingState
from clearprop.utils.errors import EngineUnavailable, InvalidArgument

pytestmark = pytest.mark.skipif(
    THREADS.count() is None or not hasattr(os, "memfd_create"),
    reason="a team needs Linux and the OpenBLAS of NumPy's wheels",
)

DEEP = (784, 30, 20, 12, 10)


@pytest.fixture
def rows(digits: Dataset) -> Dataset:
    """Return rows that make a ragged last batch."""
    return digits.subset(slice(0, 210))


def weighted(task: Task) -> Task:
    return replace(task, sample_weight=np.random.default_rng(4).random(len(task.x)))


def both(task: Task, members: int) -> tuple[NumpyEngine, NumpyEngine]:
    """Return a team, and an engine alone with a stream of its own for the same masks."""
    twin = replace(task, dropout_rng=np.random.default_rng(2))
    return NumpyEngine(task, processes=members), NumpyEngine(twin, processes=1)


def assert_same_epoch(
    team: NumpyEngine, alone: NumpyEngine, recipe: Recipe, n_rows: int, tolerance: float = 1e-10
) -> None:
    losses, parameters = one_epoch(team, recipe, n_rows)
    own_losses, own_parameters = one_epoch(alone, recipe, n_rows)
    np.testing.assert_allclose(losses, own_losses, rtol=tolerance)
    assert distance(parameters, own_parameters) <= tolerance


def children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in found.split()]


@given(
    layer_sizes=st.lists(st.integers(2, 9), min_size=2, max_size=6).map(tuple),
    members=st.integers(1, 4),
)
def test_the_parts_of_all_members_are_the_whole_network(layer_sizes: tuple[int, ...], members: int) -> None:
    rng = np.random.default_rng(0)
    parts = share(layer_sizes, members)
    kept = [layers_of(np.empty(size_of(its)), its) for its in parts]
    for number, shape in enumerate(pairwise(layer_sizes)):
        weight, bias = rng.normal(size=shape), rng.normal(size=shape[1])
        copies = np.zeros(shape)
        again, bias_again = np.full(shape, np.nan), np.full(shape[1], np.nan)
        biases = np.zeros(shape[1])
        for own, its in zip(kept, parts, strict=True):
            part = its[number]
            part.take(own[number], weight, bias)
            part.give(own[number], again, bias_again)
            copies[part.inputs, part.outputs] += 1
            biases[part.outputs] += part.holds_bias
        assert (again == weight).all()
        assert (bias_again == bias).all()
        # nothing is left out; shared is what only one member has, the bias too
        whole = parts[0][number].kind == "whole"
        assert (copies == (members if whole else 1)).all()
        assert (biases == (members if whole else 1)).all()


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw"])
@pytest.mark.parametrize("members", [2, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"weight_decay": 0.01},
        {"l2_penalty": 0.1, "label_smoothing": 0.1},
        {"adversarial_epsilon": 0.5},
    ],
    ids=["plain", "decay", "penalty", "adversary"],
)
def test_a_team_takes_the_steps_of_one_process(
    rows: Dataset, optimizer: str, members: int, settings: dict[str, float]
) -> None:
    recipe = recipe_of(optimizer=optimizer, batch_size=32, **settings)
    task = weighted(make_task(rows, Network(DEEP, "tanh"), recipe))
    team, alone = both(task, members)
    (losses, parameters), (own_losses, own_parameters) = (
        one_epoch(m, recipe, len(rows)) for m in (team, alone)
    )
    np.testing.assert_allclose(losses, own_losses, rtol=1e-10)
    assert distance(parameters, own_parameters) < 1e-10


def test_a_team_takes_large_batches_which_lie_row_after_row(digits: Dataset) -> None:
    rows = digits.subset(slice(0, MANY_ROWS + 100))
    recipe = recipe_of(optimizer="adam", batch_size=MANY_ROWS)
    team, alone = both(make_task(rows, Network(DEEP, "sigmoid"), recipe), 2)
    assert_same_epoch(team, alone, recipe, len(rows))


@pytest.mark.parametrize("hidden", [(9,), (9, 7), (9, 7, 5), (9, 7, 5, 6), (9, 7, 5, 6, 8)])
def test_a_team_takes_networks_of_any_depth(rows: Dataset, hidden: tuple[int, ...]) -> None:
    recipe = recipe_of(optimizer="adam", batch_size=32)
    network = Network((784, *hidden, 10), "sigmoid", dropout=0.3, input_dropout=0.2)
    team, alone = both(make_task(rows, network, recipe), 2)
    (losses, parameters), (own_losses, own_parameters) = (
        one_epoch(m, recipe, len(rows)) for m in (team, alone)
    )
    np.testing.assert_allclose(losses, own_losses, rtol=1e-10)
    assert distance(parameters, own_parameters) < 1e-10


def test_of_many_equal_layers_all_are_shared() -> None:
    kinds = [part.kind for part in share((50,) * 201, 2)[0]]
    assert kinds == ["columns", "rows"] * 100


def test_a_team_leaves_out_columns_that_are_zero(mnist: Dataset) -> None:
    recipe = recipe_of(optimizer="adam", batch_size=50)
    task = make_task(mnist.subset(slice(0, 500)), Network((784, 30, 10)), recipe)
    team, alone = both(task, 2)
    assert_same_epoch(team, alone, recipe, 500)
    # and goes on with others, of which others are zero
    for machine in (team, alone):
        machine.load_rows(mnist.x[500:900, ::-1].copy(), mnist.y[500:900])
    assert_same_epoch(team, alone, recipe, 400)


def test_two_teams_agree_to_the_last_bit_and_one_goes_on_where_another_stopped(rows: Dataset) -> None:
    recipe = recipe_of(optimizer="adam", batch_size=32)
    task = make_task(rows, Network(DEEP, "relu", dropout=0.2), recipe, "float32")
    first, second = (NumpyEngine(replace(task, dropout_rng=np.random.default_rng(2)), 2) for _ in range(2))
    losses, parameters = one_epoch(first, recipe, len(rows))
    others, same = one_epoch(second, recipe, len(rows))
    assert (losses == others).all()
    assert distance(parameters, same) == 0
    generator = np.random.default_rng(2)
    generator.bit_generator.state = first._task.dropout_rng.bit_generator.state
    third = NumpyEngine(replace(task, parameters=parameters, dropout_rng=generator), 2)
    third.load_state(first.state())
    losses, parameters = one_epoch(first, recipe, len(rows))
    others, same = one_epoch(third, recipe, len(rows))
    assert (losses == others).all()
    assert distance(parameters, same) == 0


def test_what_a_team_remembers_is_what_one_process_does(rows: Dataset) -> None:
    recipe = recipe_of(optimizer="adam", batch_size=32)
    team, alone = both(make_task(rows, Network(DEEP), recipe), 2)
    for machine in (team, alone):
        one_epoch(machine, recipe, len(rows))
    ours, its = team.state(), alone.state()
    assert ours.keys() == its.keys()
    for name, array in its.items():
        np.testing.assert_allclose(ours[name], array, rtol=1e-7, atol=1e-12, err_msg=name)


def test_a_team_gives_the_gradient_of_the_whole_network(rows: Dataset) -> None:
    team, alone = both(make_task(rows, Network(DEEP), recipe_of()), 2)
    loss, gradient = team.loss_and_gradient(np.arange(20))
    own_loss, own_gradient = alone.loss_and_gradient(np.arange(20))
    assert loss == own_loss
    assert distance(gradient, own_gradient) == 0


def test_a_batch_larger_than_the_recipe_says_is_a_step_of_one_process(rows: Dataset) -> None:
    team, alone = both(make_task(rows, Network(DEEP), recipe_of(batch_size=32)), 2)
    for n in (32, 33, 32):
        assert team.train_step(np.arange(n), 0.1) == pytest.approx(
            alone.train_step(np.arange(n), 0.1), rel=1e-10
        )
    assert distance(team.parameters(), alone.parameters()) < 1e-10


def test_a_batch_that_does_not_count_is_no_step(rows: Dataset) -> None:
    task = replace(make_task(rows, Network(DEEP), recipe_of()), sample_weight=np.zeros(len(rows)))
    team = NumpyEngine(task, 2)
    assert team.train_step(np.arange(10), 0.1) == 0
    assert distance(team.parameters(), task.parameters) == 0


def test_the_others_end_with_the_engine(rows: Dataset) -> None:
    before = children(os.getpid())
    team = NumpyEngine(make_task(rows, Network(DEEP), recipe_of()), 3)
    assert len(children(os.getpid())) == len(before) + 2
    team.train_step(np.arange(10), 0.1)
    del team
    assert children(os.getpid()) == before


def test_the_others_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(
        "from clearprop import Network, Recipe, load_data, train\n"
        "rows = load_data('digits')\n"
        "train(Network((784, 32, 10)), Recipe(epochs=10**6), rows, progress=False)\n"
    )
    process = subprocess.Popen([sys.executable, script], env=os.environ | {VARIABLE: "2"})
    try:
        members = wait_until(lambda: children(process.pid))
        # in the middle of the training, if not sooner
        time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert wait_until(lambda: not any(runs(member) for member in members))


def runs(process: int) -> bool:
    try:
        # the third field says what it does; Z is one that has ended
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: object, seconds: float = 20) -> object:
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.02)
    return found


def test_a_member_that_is_killed_ends_the_step_with_a_sentence(rows: Dataset) -> None:
    recipe = recipe_of()
    team = NumpyEngine(make_task(rows, Network(DEEP), recipe), 2)
    team.train_step(np.arange(10), 0.1)
    (process,) = team._team._processes  # type: ignore[union-attr]
    process.kill()
    process.wait()
    with pytest.raises(EngineUnavailable, match=f"ended by signal 9; .* {VARIABLE}=1"):
        team.train_step(np.arange(10), 0.1)
    # what there was is still there, and goes on in one process
    before = team.parameters()
    assert np.isfinite(team.train_step(np.arange(10), 0.1))
    assert distance(team.parameters(), before) > 0


def test_a_step_that_is_cut_off_leaves_an_engine_that_goes_on(
    rows: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = NumpyEngine(make_task(rows, Network(DEEP), recipe_of()), 2)
    team.train_step(np.arange(10), 0.1)
    whole = Stepper._backward

    def cut_off(*_: object) -> Iterator[object]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Stepper, "_backward", cut_off)
    with pytest.raises(KeyboardInterrupt):
        team.train_step(np.arange(10), 0.1)
    monkeypatch.setattr(Stepper, "_backward", whole)
    assert THREADS.count() == 1
    assert np.isfinite(team.train_step(np.arange(10), 0.1))


@pytest.mark.parametrize("executable", ["/bin/false", "/nowhere/python"])
def test_one_process_does_it_where_others_cannot_start(
    rows: Dataset, executable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    recipe = recipe_of(optimizer="adam", batch_size=32)
    team, alone = both(make_task(rows, Network(DEEP), recipe), 2)
    (losses, parameters), (own_losses, own_parameters) = (
        one_epoch(m, recipe, len(rows)) for m in (team, alone)
    )
    assert (losses == own_losses).all()
    assert distance(parameters, own_parameters) == 0


def test_a_team_forms_where_the_work_is_worth_it(mnist: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(CORES)))
    published = Network((784, 500, 250, 100, 10))
    task = make_task(mnist, published, recipe_of(batch_size=64, epochs=2), "float32")
    assert members_for(task, CORES) == CORES
    assert members_for(task, None) == 1
    assert members_for(task, 1) == 1
    assert members_for(task, 2 * CORES) == 1
    for worthless in (
        make_task(mnist.subset(slice(0, 100)), published, recipe_of(batch_size=64)),
        make_task(mnist, Network((784, 10)), recipe_of(batch_size=64, epochs=500)),
        make_task(mnist, Network((784, 2, 10)), recipe_of(batch_size=1, epochs=500)),
        replace(task, x=csr_matrix(mnist.x[:100]), y=mnist.y[:100]),
        replace(task, dropout_rng=np.random.Generator(np.random.MT19937(0))),
    ):
        assert members_for(worthless, CORES) == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert members_for(task, CORES) == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert members_for(task, CORES) == 1


def test_a_variable_decides_how_many_there_are(rows: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(rows, Network((784, 5, 10)), recipe_of())
    for text, members in (("1", 1), ("3", 3), (" 2 ", 2), ("100", 5)):
        monkeypatch.setenv(VARIABLE, text)
        assert members_for(task, 1) == members
    # nobody would have a part of a pair that is worth an exchange
    monkeypatch.setenv(VARIABLE, "2")
    narrow = make_task(rows, Network((784, 1, 10)), recipe_of())
    assert members_for(narrow, 1) == 1
    for text in ("two", "0", "-1", "1.5"):
        monkeypatch.setenv(VARIABLE, text)
        with pytest.raises(InvalidArgument, match=VARIABLE):
            members_for(task, 1)


def test_a_training_with_a_team_is_that_of_one_process(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(epochs=2, batch_size=50)
    losses = []
    for members in ("1", "2"):
        monkeypatch.setenv(VARIABLE, members)
        run = train(Network((784, 30, 10)), recipe, digits, digits.test, dtype="float64", progress=False)
        losses.append(run.history.column("validation_loss"))
    np.testing.assert_allclose(*losses, rtol=1e-9)


def test_threads_are_given_back_when_the_last_of_those_who_hold_them_lets_go() -> None:
    script = (
        "from clearprop.engines.kernels.blas import THREADS, _function\n"
        "now = _function('openblas_get_num_threads64_')\n"
        "assert now() == 2\n"
        "for who in ('one', 'another', 'one'):\n"
        "    THREADS.hold(who)\n"
        "    assert (now(), THREADS.count()) == (1, 2)\n"
        "for who in ('one', 'one', 'nobody'):\n"
        "    THREADS.release(who)\n"
        "    assert (now(), THREADS.count()) == (1, 2)\n"
        "import os\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if (now(), THREADS.count()) == (2, 2) else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "THREADS.release('another')\n"
        "assert (now(), THREADS.count()) == (2, 2)\n"
    )
    subprocess.run([sys.executable, "-c", script], env=os.environ | {"OPENBLAS_NUM_THREADS": "2"}, check=True)


def test_a_fork_that_ends_leaves_the_team_at_work() -> None:
    # in a process of its own: here other libraries warn of any fork
    script = (
        "import os\n"
        "import numpy as np\n"
        "from clearprop import Network, Recipe, load_data\n"
        "from clearprop.engines.base import Task\n"
        "from clearprop.engines.numpy_engine import NumpyEngine\n"
        "from clearprop.utils.errors import EngineUnavailable\n"
        "rows, rng = load_data('digits'), np.random.default_rng(0)\n"
        "start = [(np.ones((784, 8)), np.ones(8)), (np.ones((8, 10)), np.ones(10))]\n"
        "task = Task(Network((784, 8, 10)), Recipe(), start, rows.x, rows.y, rows.scaling, rng)\n"
        "team = NumpyEngine(task, 2)\n"
        "team.train_step(np.arange(10), 0.1)\n"
        "if process := os.fork():\n"
        "    os.waitpid(process, 0)\n"
        "    assert np.isfinite(team.train_step(np.arange(10), 0.1))\n"
        "    team.parameters()\n"
        "    print(team._team.close.alive)\n"
        "else:\n"
        "    try:\n"
        "        team.train_step(np.arange(10), 0.1)\n"
        "    except EngineUnavailable as error:\n"
        "        assert 'forked' in str(error)\n"
        "        team.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_the_others_end_with_the_training_whoever_keeps_the_engine(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "2")
    before = children(os.getpid())
    states = []

    class Keeps(Callback):
        def on_epoch_end(self, state: TrainingState) -> None:
            states.append(state)
            if len(states) == 3:
                raise RuntimeError("a mistake of the user's")

    recipe = recipe_of(epochs=2)
    train(Network((784, 8, 10)), recipe, digits, callbacks=[Keeps()], progress=False)
    assert children(os.getpid()) == before
    with pytest.raises(RuntimeError, match="mistake"):
        train(Network((784, 8, 10)), recipe, digits, callbacks=[Keeps()], progress=False)
    assert children(os.getpid()) == before
    # a closed engine tells what it knows, and takes another step with as many
    engine = states[0].engine
    parameters = engine.parameters()
    engine.train_step(np.arange(10), 0.1)
    assert len(children(os.getpid())) == len(before) + 1
    assert distance(engine.parameters(), parameters) > 0
    engine.close()


def test_a_team_needs_no_standard_streams_and_only_places_that_stay_where_they_are() -> None:
    script = (
        "import os, pathlib, sys\n"
        "os.close(0)\n"
        "sys.path[:0] = [pathlib.Path('/'), '', 'here']\n"
        "from clearprop.engines.tensor_parallel.worker_pool import Team, _places\n"
        "team = Team(2)\n"
        "assert team._descriptor > 2\n"
        "assert all(os.path.isabs(place) for place in _places())\n"
        "team.close()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_fork_made_meanwhile_keeps_nobody_waiting(rows: Dataset) -> None:
    team = Team(2)
    process = os.dup(team._processes[0].stdin.fileno())  # type: ignore[union-attr]
    team.share(make_task(rows, Network(DEEP), recipe_of()), share(DEEP, 2), 0, {})
    task = make_task(rows, Network(DEEP), recipe_of())
    team.begin(task, ["sample_weight", "order", "widths"])
    # whoever holds the other end of the pipe, as a fork would
    try:
        started = time.monotonic()
        assert team.is_ready()
        assert time.monotonic() - started < 15
    finally:
        os.close(process)
        team.close()
