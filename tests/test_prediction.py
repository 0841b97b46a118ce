"""Predictions: leaving out zeros and sharing rows among threads change nothing but the last digits."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clearprop.engines import forward, prediction
from clearprop.engines.forward import Forward, even_chunks, order_for
from clearprop.engines.kernels import blas
from clearprop.engines.prediction import logits
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.parameters import Parameters
from clearprop.nn.scaling import PIXELS, Scaling

RELU = ("relu", "relu")


def parameters_of(*sizes: int, dtype: str = "float64") -> Parameters:
    rng = np.random.default_rng(5)
    return [
        (rng.normal(size=shape).astype(dtype), rng.normal(size=shape[1]).astype(dtype))
        for shape in pairwise(sizes)
    ]


def images(n: int, features: int, margin: int) -> np.ndarray:
    """Return rows of bytes with a margin of zeros on both sides, each of another width."""
    rng = np.random.default_rng(6)
    x = rng.integers(0, 256, (n, features), np.uint8)
    begins = rng.integers(margin, 2 * margin, n)
    for row, begin in zip(x, begins, strict=True):
        row[:begin] = row[begin + features - 2 * margin :] = 0
    # rows of zeros may be a chunk of their own
    x[: n // 5] = 0
    return x


def plain(
    parameters: Parameters, activations: tuple[str, ...], scaling: Scaling, x: np.ndarray
) -> np.ndarray:
    """The formula, written down once more."""
    outputs = (x.astype(np.float64) - scaling.shift) * scaling.factor
    for number, (weight, bias) in enumerate(parameters):
        outputs = outputs @ weight + bias
        if number < len(activations):
            ACTIVATIONS[activations[number]].value(outputs)
    return outputs


def no_more_threads(*_: object) -> None:
    raise RuntimeError("can't start new thread")


def released() -> bool:
    """Wait until no thread limits the BLAS; False if one still does after five seconds."""
    end = time.monotonic() + 5
    while blas.BLAS_THREADS._owners and time.monotonic() < end:
        time.sleep(0.01)
    return not blas.BLAS_THREADS._owners


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the limits, so that a hundred rows are treated as many."""
    for name, number in (
        ("CHUNK_ROWS", 8),
        ("MAX_UNPREPARED_ROWS", 3),
        ("MAX_UNPREPARED_MULTIPLICATIONS", 0),
        ("MIN_THREAD_MULTIPLICATIONS", 1),
    ):
        monkeypatch.setattr(prediction, name, number)
    monkeypatch.setattr(forward, "MIN_SORT_UNITS", 1)
    monkeypatch.setattr(forward, "MIN_GATHER_WEIGHTS", 1)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("features", [64, 61], ids=["whole words", "odd"])
@pytest.mark.parametrize(
    "scaling",
    [PIXELS, Scaling(), Scaling(factor=np.linspace(0.1, 1, 64)), Scaling(shift=3.0, factor=0.5)],
    ids=["pixels", "none", "by column", "shifted"],
)
def test_leaving_out_zeros_changes_nothing(scaling: Scaling, features: int, threads: int) -> None:
    if isinstance(scaling.factor, np.ndarray):
        scaling = Scaling(factor=scaling.factor[:features])
    parameters, x = parameters_of(features, 9, 7, 4), images(101, features, 12)
    expected = plain(parameters, RELU, scaling, x)
    np.testing.assert_allclose(logits(parameters, RELU, scaling, x, threads), expected, rtol=1e-9)
    # rows that are not contiguous
    np.testing.assert_allclose(logits(parameters, RELU, scaling, x[::-2], threads), expected[::-2], rtol=1e-9)


def test_rows_with_margins_need_fewer_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = []
    run_chunk = Forward._run_chunk

    def recorded(self: Forward, rows: np.ndarray) -> np.ndarray:
        widths.append(rows.shape[1])
        return run_chunk(self, rows)

    monkeypatch.setattr(Forward, "_run_chunk", recorded)
    # as they are stored, rows of every chunk begin at 100 and end at 784
    logits(parameters_of(784, 500, 10, dtype="float32"), ("relu",), PIXELS, images(4096, 784, 100), threads=1)
    assert len(widths) > 1
    assert np.mean(widths) < 650
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(
    ("scaling", "shape"),
    [
        (Scaling(shift=1.0), (16, 500)),
        (Scaling(factor=np.ones(16)), (16, 500)),
        (PIXELS, (16, 10)),
        (PIXELS, (16, 300_000)),
    ],
    ids=["shifted", "by column", "small layer", "large layer"],
)
def test_rows_that_gain_nothing_are_not_sorted(scaling: Scaling, shape: tuple[int, int]) -> None:
    x = np.zeros((9, 16), np.uint8)
    assert order_for(x, PIXELS, np.empty((16, 500), np.float32)) is not None
    assert order_for(x, scaling, np.empty(shape, np.float32)) is None


@pytest.mark.usefixtures("small")
@given(
    arrays(np.uint8, (1, 40), elements=st.sampled_from([0, 0, 0, 200])),
    st.sampled_from([PIXELS, Scaling(shift=1.0), Scaling(factor=np.arange(40.0))]),
)
def test_single_row_has_the_result_of_many(x: np.ndarray, scaling: Scaling) -> None:
    parameters = parameters_of(40, 9, 7, 4)
    np.testing.assert_allclose(
        logits(parameters, RELU, scaling, x), plain(parameters, RELU, scaling, x), rtol=1e-9, atol=1e-12
    )


@pytest.mark.usefixtures("small")
def test_result_is_the_same_without_gemm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "gemm_for", lambda dtype: None)
    parameters, x = parameters_of(64, 9, 7, 4), images(101, 64, 12)
    np.testing.assert_allclose(
        logits(parameters, RELU, PIXELS, x), plain(parameters, RELU, PIXELS, x), rtol=1e-9
    )


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("dtype", ["float32", ">f4", "float16"])
def test_parameters_may_have_any_memory_layout(dtype: str) -> None:
    wide = parameters_of(64, 18, 14, 8)
    parameters = [
        (weight[:: 1 if not number else 2, ::2].astype(dtype, order="F"), bias[::2].astype(dtype))
        for number, (weight, bias) in enumerate(wide)
    ]
    x = images(50, 64, 12)
    expected = plain([(w.astype("f8"), b.astype("f8")) for w, b in parameters], RELU, PIXELS, x)
    results = [logits(parameters, RELU, PIXELS, rows) for rows in (x[:1], x[1:4], x[4:])]
    assert all(result.dtype.isnative for result in results)
    result = np.concatenate(results)
    tolerance = 0.2 if dtype == "float16" else 1e-5
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.skipif(
    blas.BLAS_THREADS.count() is None, reason="this NumPy is built on a BLAS whose threads cannot be limited"
)
def test_predictions_in_threads_are_reproducible_to_the_last_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blas.BlasThreads, "count", lambda self: 2)
    seen = set()
    run = Forward.run

    def recorded(self: Forward, *arguments: object) -> None:
        seen.add(threading.get_ident())
        run(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Forward, "run", recorded)
    parameters, x = parameters_of(784, 256, 64, 10, dtype="float32"), images(6000, 784, 100)
    first = logits(parameters, RELU, PIXELS, x)
    assert len(seen) == 2
    assert all((logits(parameters, RELU, PIXELS, x) == first).all() for _ in range(5))
    # the same chunks, one after another
    monkeypatch.setattr(_thread, "start_new_thread", no_more_threads)
    assert (logits(parameters, RELU, PIXELS, x) == first).all()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("error", [MemoryError, IndexError, KeyboardInterrupt])
def test_error_in_a_thread_is_raised_and_stops_the_others(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    before, calls = blas.BLAS_THREADS.count(), []

    def run(self: Forward, *arguments: object) -> None:
        calls.append(1)
        if len(calls) == 3 and error is KeyboardInterrupt:
            # as Ctrl-C does; it is raised in the thread that waits
            os.kill(os.getpid(), signal.SIGINT)
        elif len(calls) == 3:
            raise error
        time.sleep(0.01)

    monkeypatch.setattr(Forward, "run", run)
    with pytest.raises(error):
        # of 125 chunks
        logits(parameters_of(64, 9, 4), ("relu",), PIXELS, images(1000, 64, 12), threads=2)
    assert released()
    assert blas.BLAS_THREADS.count() == before
    assert len(calls) < 30


@pytest.mark.usefixtures("small")
def test_error_while_rows_are_sorted_stops_the_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    def order_for(*_: object) -> None:
        raise MemoryError

    made: list[Forward] = []
    monkeypatch.setattr(prediction, "order_for", order_for)
    monkeypatch.setattr(Forward, "__init__", lambda self, *_: made.append(self))
    with pytest.raises(MemoryError):
        logits(parameters_of(64, 9, 4), ("relu",), PIXELS, images(1000, 64, 12), threads=2)
    assert released()
    assert not made


@pytest.mark.usefixtures("small")
def test_ctrl_c_while_rows_are_sorted_stops_the_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, made = threading.Event(), []

    def order_for(*_: object) -> None:
        # a signal that comes before the other thread waits is seen only when it has waited
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)
        # the chunks are made after the waiting thread was interrupted
        assert gone.wait(5)

    monkeypatch.setattr(prediction, "order_for", order_for)
    monkeypatch.setattr(Forward, "__init__", lambda self, *_: made.append(self))
    with pytest.raises(KeyboardInterrupt):
        logits(parameters_of(64, 9, 4), ("relu",), PIXELS, images(1000, 64, 12), threads=2)
    gone.set()
    assert released()
    assert not made


@pytest.mark.usefixtures("small")
def test_error_while_threads_start_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    start, starts = prediction._start, []

    def second_fails(work: Callable[[], None]) -> threading.Lock | None:
        starts.append(1)
        if len(starts) == 2:
            raise MemoryError
        return start(work)

    monkeypatch.setattr(prediction, "_start", second_fails)
    with pytest.raises(MemoryError):
        logits(parameters_of(64, 9, 4), ("relu",), PIXELS, images(1000, 64, 12), threads=2)
    assert released()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("started", [0, 1, 2])
def test_fewer_threads_than_wanted_do_all_the_work(monkeypatch: pytest.MonkeyPatch, started: int) -> None:
    parameters, x = parameters_of(64, 9, 4), images(500, 64, 12)
    expected = logits(parameters, ("relu",), PIXELS, x, threads=3)
    start, starts = _thread.start_new_thread, []

    def limited(*arguments: object) -> None:
        starts.append(1)
        (start if len(starts) <= started else no_more_threads)(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(_thread, "start_new_thread", limited)
    result = logits(parameters, ("relu",), PIXELS, x, threads=3)
    assert len(starts) > started
    assert (result == expected).all()


def test_many_rows_of_few_features_need_little_memory() -> None:
    parameters, x = parameters_of(2, 4, 1000, 1, dtype="float32"), np.zeros((100_000, 2), np.float32)
    tracemalloc.start()
    logits(parameters, RELU, Scaling(), x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_wide_rows_and_many_weights_need_memory_for_one_chunk_only() -> None:
    # sorting the rows of the weight would copy 61 MB
    parameters, x = parameters_of(30_000, 512, 10, dtype="float32"), np.zeros((1100, 30_000), np.uint8)
    tracemalloc.start()
    logits(parameters, ("relu",), PIXELS, x, threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6


def test_unaligned_rows_are_not_copied() -> None:
    n, features = 20_000, 784
    parameters, x = parameters_of(features, 256, 10, dtype="float32"), images(n, features, 100)
    unaligned = np.frombuffer(b"0" + x.tobytes(), np.uint8, offset=1).reshape(n, features)
    assert unaligned.ctypes.data % 2
    tracemalloc.start()
    result = logits(parameters, ("relu",), PIXELS, unaligned, threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # they are 16 MB
    assert peak < 12e6
    np.testing.assert_allclose(result, logits(parameters, ("relu",), PIXELS, x), rtol=1e-4, atol=1e-2)


def test_chunks_of_wide_rows_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    init = Forward.__init__

    def recorded(self: Forward, *arguments: object) -> None:
        made.append(arguments[3])
        init(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Forward, "__init__", recorded)
    for features in (784, 100_000):
        logits(
            parameters_of(features, 30, 10, dtype="float32"),
            ("relu",),
            PIXELS,
            np.zeros((1500, features), np.uint8),
        )
    assert set(made) == {prediction.CHUNK_ROWS, prediction.MAX_UNPREPARED_ROWS}


@given(st.integers(1, 10_000), st.integers(1, 500), st.integers(1, 9))
def test_chunks_are_even_and_cover_everything_once(n: int, max_rows: int, threads: int) -> None:
    chunks = even_chunks(n, max_rows, threads)
    assert [number for start, stop in chunks for number in range(start, stop)] == list(range(n))
    sizes = [stop - start for start, stop in chunks]
    assert max(sizes) <= max_rows
    assert max(sizes) - min(sizes) <= 1
    assert len(chunks) % threads == 0


def test_relu_keeps_nan() -> None:
    x = np.array([np.nan, -1.0, -np.inf, np.inf, 2.0])
    ACTIVATIONS["relu"].value(x)
    np.testing.assert_array_equal(x, [np.nan, 0, 0, np.inf, 2])
