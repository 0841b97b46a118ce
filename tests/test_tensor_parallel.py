"""Several processes train a network as one does, and leave nothing behind."""

from __future__ import annotations

import copy
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
from clearprop.engines.elastic_engine import ElasticEngine
from clearprop.engines.kernels.blas import BLAS_THREADS
from clearprop.engines.numpy_step import MIN_ROW_BY_ROW_BATCH, Stepper
from clearprop.engines.tensor_parallel import worker_pool
from clearprop.engines.tensor_parallel.cost import DEFAULT_WORLD_SIZE, VARIABLE, world_size_for
from clearprop.engines.tensor_parallel.sharding import shards_of, size_of, stored_shards
from clearprop.engines.tensor_parallel.worker_pool import WorkerPool
from clearprop.training.callbacks import Callback, TrainingState
from clearprop.utils.errors import EngineUnavailable, InvalidArgument

pytestmark = pytest.mark.skipif(
    BLAS_THREADS.count() is None or not hasattr(os, "memfd_create"),
    reason="several processes need Linux and the OpenBLAS of NumPy's wheels",
)

DEEP = (784, 30, 20, 12, 10)


@pytest.fixture
def rows(digits: Dataset) -> Dataset:
    """Return rows of which the last batch is smaller."""
    return digits.subset(slice(0, 210))


def weighted(task: Task) -> Task:
    return replace(task, sample_weight=np.random.default_rng(4).random(len(task.x)))


def both(task: Task, world_size: int) -> tuple[ElasticEngine, ElasticEngine]:
    """Return an engine of several processes and one of one process, with streams of the same masks."""
    twin = replace(task, dropout_rng=np.random.default_rng(2))
    return ElasticEngine(task, processes=world_size), ElasticEngine(twin, processes=1)


def assert_same_epoch(
    parallel: ElasticEngine, alone: ElasticEngine, recipe: Recipe, n_rows: int, tolerance: float = 1e-10
) -> None:
    losses, parameters = one_epoch(parallel, recipe, n_rows)
    own_losses, own_parameters = one_epoch(alone, recipe, n_rows)
    np.testing.assert_allclose(losses, own_losses, rtol=tolerance)
    assert distance(parameters, own_parameters) <= tolerance


def children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in found.split()]


@given(
    layer_sizes=st.lists(st.integers(2, 9), min_size=2, max_size=6).map(tuple),
    world_size=st.integers(1, 4),
)
def test_shards_of_all_ranks_make_up_the_network(layer_sizes: tuple[int, ...], world_size: int) -> None:
    rng = np.random.default_rng(0)
    shards = shards_of(layer_sizes, world_size)
    stored = [stored_shards(np.empty(size_of(of_rank)), of_rank) for of_rank in shards]
    for number, shape in enumerate(pairwise(layer_sizes)):
        weight, bias = rng.normal(size=shape), rng.normal(size=shape[1])
        copies = np.zeros(shape)
        again, bias_again = np.full(shape, np.nan), np.full(shape[1], np.nan)
        biases = np.zeros(shape[1])
        for arrays, of_rank in zip(stored, shards, strict=True):
            shard = of_rank[number]
            shard.copy_from(weight, bias, arrays[number])
            shard.copy_to(again, bias_again, arrays[number])
            copies[shard.inputs, shard.outputs] += 1
            biases[shard.outputs] += shard.adds_bias
        assert (again == weight).all()
        assert (bias_again == bias).all()
        # replicated layers are on all ranks; of the others every weight and bias is on one
        is_replicated = shards[0][number].kind == "replicated"
        assert (copies == (world_size if is_replicated else 1)).all()
        assert (biases == (world_size if is_replicated else 1)).all()


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw"])
@pytest.mark.parametrize("world_size", [2, 3])
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
def test_parallel_steps_equal_those_of_one_process(
    rows: Dataset, optimizer: str, world_size: int, settings: dict[str, float]
) -> None:
    recipe = recipe_of(optimizer=optimizer, batch_size=32, **settings)
    task = weighted(make_task(rows, Network(DEEP, "tanh"), recipe))
    parallel, alone = both(task, world_size)
    (losses, parameters), (own_losses, own_parameters) = (
        one_epoch(m, recipe, len(rows)) for m in (parallel, alone)
    )
    np.testing.assert_allclose(losses, own_losses, rtol=1e-10)
    assert distance(parameters, own_parameters) < 1e-10


def test_parallel_steps_of_large_batches_stored_row_by_row(digits: Dataset) -> None:
    rows = digits.subset(slice(0, MIN_ROW_BY_ROW_BATCH + 100))
    recipe = recipe_of(optimizer="adam", batch_size=MIN_ROW_BY_ROW_BATCH)
    parallel, alone = both(make_task(rows, Network(DEEP, "sigmoid"), recipe), 2)
    assert_same_epoch(parallel, alone, recipe, len(rows))


@pytest.mark.parametrize("hidden", [(9,), (9, 7), (9, 7, 5), (9, 7, 5, 6), (9, 7, 5, 6, 8)])
def test_parallel_steps_of_networks_of_any_depth(rows: Dataset, hidden: tuple[int, ...]) -> None:
    recipe = recipe_of(optimizer="adam", batch_size=32)
    network = Network((784, *hidden, 10), "sigmoid", dropout=0.3, input_dropout=0.2)
    parallel, alone = both(make_task(rows, network, recipe), 2)
    (losses, parameters), (own_losses, own_parameters) = (
        one_epoch(m, recipe, len(rows)) for m in (parallel, alone)
    )
    np.testing.assert_allclose(losses, own_losses, rtol=1e-10)
    assert distance(parameters, own_parameters) < 1e-10


def test_many_equal_layers_are_all_sharded() -> None:
    kinds = [shard.kind for shard in shards_of((50,) * 201, 2)[0]]
    assert kinds == ["column", "row"] * 100


def test_parallel_steps_leave_out_zero_columns(mnist: Dataset) -> None:
    recipe = recipe_of(optimizer="adam", batch_size=50)
    task = make_task(mnist.subset(slice(0, 500)), Network((784, 30, 10)), recipe)
    parallel, alone = both(task, 2)
    assert_same_epoch(parallel, alone, recipe, 500)
    # other rows have other zero columns
    for machine in (parallel, alone):
        machine.load_rows(mnist.x[500:900, ::-1].copy(), mnist.y[500:900])
    assert_same_epoch(parallel, alone, recipe, 400)


def test_parallel_training_is_reproducible_and_resumes_bit_for_bit(rows: Dataset) -> None:
    recipe = recipe_of(optimizer="adam", batch_size=32)
    task = make_task(rows, Network(DEEP, "relu", dropout=0.2), recipe, "float32")
    first, second = (ElasticEngine(replace(task, dropout_rng=np.random.default_rng(2)), 2) for _ in range(2))
    losses, parameters = one_epoch(first, recipe, len(rows))
    others, same = one_epoch(second, recipe, len(rows))
    assert (losses == others).all()
    assert distance(parameters, same) == 0
    generator = np.random.default_rng(2)
    generator.bit_generator.state = first._engine._task.dropout_rng.bit_generator.state
    third = ElasticEngine(replace(task, parameters=parameters, dropout_rng=generator), 2)
    third.load_state(first.state())
    losses, parameters = one_epoch(first, recipe, len(rows))
    others, same = one_epoch(third, recipe, len(rows))
    assert (losses == others).all()
    assert distance(parameters, same) == 0


def test_state_of_a_parallel_optimizer_is_that_of_one_process(rows: Dataset) -> None:
    recipe = recipe_of(optimizer="adam", batch_size=32)
    parallel, alone = both(make_task(rows, Network(DEEP), recipe), 2)
    for machine in (parallel, alone):
        one_epoch(machine, recipe, len(rows))
    ours, its = parallel.state(), alone.state()
    assert ours.keys() == its.keys()
    for name, array in its.items():
        np.testing.assert_allclose(ours[name], array, rtol=1e-7, atol=1e-12, err_msg=name)


def test_parallel_engine_gives_the_gradient_of_the_whole_network(rows: Dataset) -> None:
    parallel, alone = both(make_task(rows, Network(DEEP), recipe_of()), 2)
    loss, gradient = parallel.loss_and_gradient(np.arange(20))
    own_loss, own_gradient = alone.loss_and_gradient(np.arange(20))
    assert loss == own_loss
    assert distance(gradient, own_gradient) == 0


def test_batch_larger_than_the_recipes_is_a_step_of_one_process(rows: Dataset) -> None:
    parallel, alone = both(make_task(rows, Network(DEEP), recipe_of(batch_size=32)), 2)
    for n in (32, 33, 32):
        assert parallel.train_step(np.arange(n), 0.1) == pytest.approx(
            alone.train_step(np.arange(n), 0.1), rel=1e-10
        )
    assert distance(parallel.parameters(), alone.parameters()) < 1e-10


def test_batch_of_zero_weight_is_no_step(rows: Dataset) -> None:
    task = replace(make_task(rows, Network(DEEP), recipe_of()), sample_weight=np.zeros(len(rows)))
    parallel = ElasticEngine(task, 2)
    assert parallel.train_step(np.arange(10), 0.1) == 0
    assert distance(parallel.parameters(), task.parameters) == 0


def test_workers_end_with_the_engine(rows: Dataset) -> None:
    before = children(os.getpid())
    parallel = ElasticEngine(make_task(rows, Network(DEEP), recipe_of()), 3)
    assert len(children(os.getpid())) == len(before) + 2
    parallel.train_step(np.arange(10), 0.1)
    del parallel
    assert children(os.getpid()) == before


def test_workers_end_with_a_killed_process(tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(
        "from clearprop import Network, Recipe, load_data, train\n"
        "rows = load_data('digits')\n"
        "train(Network((784, 32, 10)), Recipe(epochs=10**6), rows, progress=False)\n"
    )
    process = subprocess.Popen([sys.executable, script], env=os.environ | {VARIABLE: "2"})
    try:
        workers = wait_until(lambda: children(process.pid))
        # so that the training has begun
        time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert wait_until(lambda: not any(runs(worker) for worker in workers))


def runs(process: int) -> bool:
    try:
        # the third field is the state; Z is a process that has ended
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: object, seconds: float = 20) -> object:
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.02)
    return found


def test_killed_worker_ends_the_step_with_a_sentence(rows: Dataset) -> None:
    recipe = recipe_of()
    parallel = ElasticEngine(make_task(rows, Network(DEEP), recipe), 2)
    parallel.train_step(np.arange(10), 0.1)
    (process,) = parallel._parallel._pool._processes  # type: ignore[union-attr]
    process.kill()
    process.wait()
    with pytest.raises(EngineUnavailable, match=f"ended by signal 9; .* {VARIABLE}=1"):
        parallel.train_step(np.arange(10), 0.1)
    # the parameters are still there, and training continues
    before = parallel.parameters()
    assert np.isfinite(parallel.train_step(np.arange(10), 0.1))
    assert distance(parallel.parameters(), before) > 0


def test_engine_continues_after_an_interrupted_step(rows: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    parallel = ElasticEngine(make_task(rows, Network(DEEP), recipe_of()), 2)
    parallel.train_step(np.arange(10), 0.1)
    backward = Stepper._backward

    def interrupt(*_: object) -> Iterator[object]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Stepper, "_backward", interrupt)
    with pytest.raises(KeyboardInterrupt):
        parallel.train_step(np.arange(10), 0.1)
    monkeypatch.setattr(Stepper, "_backward", backward)
    assert BLAS_THREADS.count() == 1
    assert np.isfinite(parallel.train_step(np.arange(10), 0.1))


@pytest.mark.parametrize("executable", ["/bin/false", "/nowhere/python"])
def test_one_process_trains_where_workers_cannot_start(
    rows: Dataset, executable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    recipe = recipe_of(optimizer="adam", batch_size=32)
    parallel, alone = both(make_task(rows, Network(DEEP), recipe), 2)
    (losses, parameters), (own_losses, own_parameters) = (
        one_epoch(m, recipe, len(rows)) for m in (parallel, alone)
    )
    assert (losses == own_losses).all()
    assert distance(parameters, own_parameters) == 0


def test_deep_copy_of_an_engine_has_workers_of_its_own(rows: Dataset) -> None:
    first = ElasticEngine(make_task(rows, Network(DEEP), recipe_of(optimizer="adam")), 2)
    first.train_step(np.arange(10), 0.1)
    second = copy.deepcopy(first)
    before = first.parameters()
    loss = second.train_step(np.arange(10), 0.1)
    assert distance(first.parameters(), before) == 0
    assert first.train_step(np.arange(10), 0.1) == loss
    assert distance(second.parameters(), first.parameters()) == 0
    first.close()
    second.close()


@pytest.fixture
def no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of Python that writes a line, never ends, and records each of its starts."""
    program = tmp_path / "embedding"
    program.write_text(f"#!/bin/sh\necho started >>{tmp_path}/starts\necho welcome\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return tmp_path / "starts"


def test_program_that_is_no_python_and_never_ends_costs_less_than_two_seconds_once(
    rows: Dataset, no_python: Path
) -> None:
    task = make_task(rows, Network(DEEP), recipe_of())
    before = children(os.getpid())
    seconds = []
    for _ in range(2):
        started = time.monotonic()
        engine = ElasticEngine(task, 2)
        assert np.isfinite(engine.train_step(np.arange(10), 0.1))
        seconds.append(time.monotonic() - started)
    assert seconds[0] < 2.5
    assert seconds[1] < 1
    assert no_python.read_text() == "started\n"
    assert children(os.getpid()) == before


def test_another_executable_is_tried_after_one_that_is_no_python(
    rows: Dataset, no_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task(rows, Network(DEEP), recipe_of())
    ElasticEngine(task, 2).train_step(np.arange(10), 0.1)
    monkeypatch.undo()
    engine = ElasticEngine(task, 2)
    engine.train_step(np.arange(10), 0.1)
    assert engine._parallel is not None
    engine.close()


def test_python_that_takes_longer_than_the_limit_to_import_is_waited_for(
    rows: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = worker_pool.PROGRAM.replace("import json\n", "import json, time\ntime.sleep(2)\n", 1)
    monkeypatch.setattr(worker_pool, "PROGRAM", slow)
    engine = ElasticEngine(make_task(rows, Network(DEEP), recipe_of()), 2)
    engine.train_step(np.arange(10), 0.1)
    assert engine._parallel is not None
    engine.close()


def test_world_size_follows_from_the_work(mnist: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(DEFAULT_WORLD_SIZE)))
    published = Network((784, 500, 250, 100, 10))
    task = make_task(mnist, published, recipe_of(batch_size=64, epochs=2), "float32")
    assert world_size_for(task, DEFAULT_WORLD_SIZE) == DEFAULT_WORLD_SIZE
    assert world_size_for(task, None) == 1
    assert world_size_for(task, 1) == 1
    assert world_size_for(task, 2 * DEFAULT_WORLD_SIZE) == 1
    for worthless in (
        make_task(mnist.subset(slice(0, 100)), published, recipe_of(batch_size=64)),
        make_task(mnist, Network((784, 10)), recipe_of(batch_size=64, epochs=500)),
        make_task(mnist, Network((784, 2, 10)), recipe_of(batch_size=1, epochs=500)),
        replace(task, x=csr_matrix(mnist.x[:100]), y=mnist.y[:100]),
        replace(task, dropout_rng=np.random.Generator(np.random.MT19937(0))),
    ):
        assert world_size_for(worthless, DEFAULT_WORLD_SIZE) == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert world_size_for(task, DEFAULT_WORLD_SIZE) == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert world_size_for(task, DEFAULT_WORLD_SIZE) == 1


def test_environment_variable_sets_the_world_size(rows: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(rows, Network((784, 5, 10)), recipe_of())
    for text, world_size in (("1", 1), ("3", 3), (" 2 ", 2), ("100", 5)):
        monkeypatch.setenv(VARIABLE, text)
        assert world_size_for(task, 1) == world_size
    # one hidden unit cannot be sharded
    monkeypatch.setenv(VARIABLE, "2")
    narrow = make_task(rows, Network((784, 1, 10)), recipe_of())
    assert world_size_for(narrow, 1) == 1
    for text in ("two", "0", "-1", "1.5"):
        monkeypatch.setenv(VARIABLE, text)
        with pytest.raises(InvalidArgument, match=VARIABLE):
            world_size_for(task, 1)


def test_parallel_training_equals_that_of_one_process(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(epochs=2, batch_size=50)
    losses = []
    for world_size in ("1", "2"):
        monkeypatch.setenv(VARIABLE, world_size)
        run = train(Network((784, 30, 10)), recipe, digits, digits.test, dtype="float64", progress=False)
        losses.append(run.history.column("validation_loss"))
    np.testing.assert_allclose(*losses, rtol=1e-9)


def test_blas_threads_are_restored_when_the_last_limit_ends() -> None:
    script = (
        "from clearprop.engines.kernels.blas import BLAS_THREADS, _function\n"
        "now = _function('openblas_get_num_threads64_')\n"
        "assert now() == 2\n"
        "for owner in ('one', 'another', 'one'):\n"
        "    BLAS_THREADS.limit(owner)\n"
        "    assert (now(), BLAS_THREADS.count()) == (1, 2)\n"
        "for owner in ('one', 'one', 'nobody'):\n"
        "    BLAS_THREADS.release(owner)\n"
        "    assert (now(), BLAS_THREADS.count()) == (1, 2)\n"
        "import os\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if (now(), BLAS_THREADS.count()) == (2, 2) else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "BLAS_THREADS.release('another')\n"
        "assert (now(), BLAS_THREADS.count()) == (2, 2)\n"
    )
    subprocess.run([sys.executable, "-c", script], env=os.environ | {"OPENBLAS_NUM_THREADS": "2"}, check=True)


def test_forked_child_leaves_the_workers_alone() -> None:
    # in a process of its own: in this one other libraries warn of any fork
    script = (
        "import os\n"
        "import numpy as np\n"
        "from clearprop import Network, Recipe, load_data\n"
        "from clearprop.engines.base import Task\n"
        "from clearprop.engines.elastic_engine import ElasticEngine\n"
        "from clearprop.utils.errors import EngineUnavailable\n"
        "rows, rng = load_data('digits'), np.random.default_rng(0)\n"
        "start = [(np.ones((784, 8)), np.ones(8)), (np.ones((8, 10)), np.ones(10))]\n"
        "task = Task(Network((784, 8, 10)), Recipe(), start, rows.x, rows.y, rows.scaling, rng)\n"
        "parallel = ElasticEngine(task, 2)\n"
        "parallel.train_step(np.arange(10), 0.1)\n"
        "if process := os.fork():\n"
        "    os.waitpid(process, 0)\n"
        "    assert np.isfinite(parallel.train_step(np.arange(10), 0.1))\n"
        "    parallel.parameters()\n"
        "    print(parallel._parallel._pool.close.alive)\n"
        "else:\n"
        "    try:\n"
        "        parallel.train_step(np.arange(10), 0.1)\n"
        "    except EngineUnavailable as error:\n"
        "        assert 'forked' in str(error)\n"
        "        parallel.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_workers_end_with_the_training_while_the_engine_lives_on(
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
    # a closed engine still has its parameters, and starts as many workers for another step
    engine = states[0].engine
    parameters = engine.parameters()
    engine.train_step(np.arange(10), 0.1)
    assert len(children(os.getpid())) == len(before) + 1
    assert distance(engine.parameters(), parameters) > 0
    engine.close()


def test_worker_pool_needs_no_standard_streams_and_no_relative_paths() -> None:
    script = (
        "import os, pathlib, sys\n"
        "os.close(0)\n"
        "sys.path[:0] = [pathlib.Path('/'), '', 'here']\n"
        "from clearprop.engines.tensor_parallel.worker_pool import WorkerPool, _absolute_paths\n"
        "pool = WorkerPool(2)\n"
        "assert pool._descriptor > 2\n"
        "assert all(os.path.isabs(path) for path in _absolute_paths())\n"
        "pool.close()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_workers_start_while_a_fork_keeps_their_input_open(rows: Dataset) -> None:
    pool = WorkerPool(2)
    descriptor = os.dup(pool._processes[0].stdin.fileno())  # type: ignore[union-attr]
    task = make_task(rows, Network(DEEP), recipe_of())
    pool.allocate(task, shards_of(DEEP, 2), 0, {})
    pool.begin(task, ["sample_weight", "order", "widths"])
    try:
        started = time.monotonic()
        assert pool.is_ready()
        assert time.monotonic() - started < 15
    finally:
        os.close(descriptor)
        pool.close()
