"""Predictions: the forward pass over many rows, in chunks that fit the cache, shared among threads."""

from __future__ import annotations

import _thread
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.forward import Forward, even_chunks, few_rows, order_for
from clearprop.engines.kernels.blas import BLAS_THREADS
from clearprop.engines.sparse_rows import dense_chunks, sparse_rows
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.parameters import Parameters, copy_parameters
from clearprop.nn.scaling import Scaling
from clearprop.nn.softmax import softmax

FloatArray = NDArray[np.floating[Any]]

# rows of a chunk: enough for the matrix product to run at full speed, few enough to stay in the cache
CHUNK_ROWS = 1024
# up to so many rows, or multiplications, preparing takes longer than it saves
MAX_UNPREPARED_ROWS, MAX_UNPREPARED_MULTIPLICATIONS = 128, 2e6
# the most inputs of all layers together for a chunk of more than MAX_UNPREPARED_ROWS
MAX_CHUNK_NUMBERS = 2**22
# they take ten times as long as starting a thread
MIN_THREAD_MULTIPLICATIONS = 2e8


def _sigmoid(values: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-z)): 0 for -∞ and 1 for +∞."""
    result = values.copy()
    ACTIVATIONS["sigmoid"].value(result)
    return result


def _exponential(values: FloatArray) -> FloatArray:
    """Return exp(z), infinite where it overflows."""
    with np.errstate(over="ignore"):
        result: FloatArray = np.exp(values)
    return result


#: Turn logits ``(n_outputs, n)`` into predictions, in a new array, for each output of a network. None warns
#: of logits that are infinite, NaN or too large; NaN gives NaN, in the whole column for a softmax.
OUTPUT_FUNCTIONS: Mapping[str, Callable[[FloatArray], FloatArray]] = MappingProxyType(
    {"softmax": softmax, "sigmoid": _sigmoid, "identity": np.copy, "exponential": _exponential}
)


def logits(
    parameters: Parameters,
    activations: Sequence[str],
    scaling: Scaling,
    x: Any,
    threads: int | None = None,
    dtype: type | np.dtype[Any] | None = None,
) -> FloatArray:
    """Return the last layer's pre-activations.

    Parameters
    ----------
    parameters : Parameters
    activations : sequence of str
        One for each hidden layer.
    scaling : Scaling
    x : ndarray (n, features) of uint8 or float, or a SciPy CSR matrix
        Rows as they are stored. The first product of sparse rows is computed as ``sparse_rows`` decides.
    threads : int or None, default None
        The number of threads that share the rows, each using the BLAS with one thread. With 1 the BLAS uses
        its own threads. None lets the work decide.
    dtype : float32 or float64, default None
        Everything is computed in it; None takes that of the parameters.

    Returns
    -------
    ndarray (n, n_outputs)
        The same to the last bit for the same number of threads and the same memory layout of ``x``. The
        exception: few rows, while another thread of this process predicts many, which limits the BLAS to one
        thread. Zero inputs may be left out, so that a weight that is not finite has no effect on a row whose
        input is zero, unless another row needs that weight.
    """
    dtype = np.dtype(dtype or parameters[0][0].dtype.newbyteorder("="))
    if not isinstance(x, np.ndarray):
        return _logits_of_sparse(parameters, activations, scaling, x, dtype)
    # a network that has diverged overflows here; the caller sees it in the result
    is_small = _multiplications(len(x), parameters) <= MAX_UNPREPARED_MULTIPLICATIONS
    if len(x) <= MAX_UNPREPARED_ROWS or is_small:
        with np.errstate(over="ignore", invalid="ignore"):
            return few_rows(parameters, activations, scaling, x, dtype)
    if parameters[0][0].dtype != dtype:
        parameters = copy_parameters(parameters, dtype)
    n, (first_weight, first_bias) = len(x), parameters[0]
    result = np.empty((n, parameters[-1][1].size), dtype)
    threads = _threads_for(n, parameters) if threads is None else threads
    n_inputs = sum(len(weight) for weight, _ in parameters)
    chunk = min(n, CHUNK_ROWS, max(MAX_UNPREPARED_ROWS, MAX_CHUNK_NUMBERS // n_inputs))
    order, layers = None, parameters
    chunks: deque[tuple[int, int]] = deque()
    stopped = threading.Event()

    def prepare() -> None:
        nonlocal order, layers
        # for fewer rows sorting the rows of the weight takes longer than it saves
        order = order_for(x, scaling, first_weight) if n > CHUNK_ROWS else None
        if order is not None:
            layers = [(order.sort_weight(first_weight), first_bias), *parameters[1:]]
        # the widest rows first, so that all threads end at about the same time
        chunks.extend(reversed(even_chunks(n, chunk, threads)))

    def work() -> None:
        if stopped.is_set():
            return
        with np.errstate(over="ignore", invalid="ignore"):
            forward = Forward(layers, activations, scaling, chunk, order)
            while not stopped.is_set():
                try:
                    start, stop = chunks.popleft()
                except IndexError:
                    # another thread took the last one
                    return
                forward.run(x, start, stop, result)

    if threads == 1:
        prepare()
        work()
    else:
        _run_in_threads(prepare, work, threads, stopped.set)
    return result


def _logits_of_sparse(
    parameters: Parameters, activations: Sequence[str], scaling: Scaling, x: Any, dtype: np.dtype[Any]
) -> FloatArray:
    """Return the logits of a CSR matrix."""
    rows = sparse_rows(x, scaling, dtype)
    if rows is None:
        parts = (
            logits(parameters, activations, scaling, part, dtype=dtype)
            for part in dense_chunks(x, CHUNK_ROWS)
        )
        return np.concatenate(list(parts))
    (weight, bias), *others = parameters
    weight = np.asarray(weight, dtype)
    result = np.empty((len(rows), parameters[-1][1].size), dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(rows), CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            outputs = rows.take(chunk).times(weight)
            outputs += bias
            if others:
                ACTIVATIONS[activations[0]].value(outputs)
                outputs = few_rows(others, activations[1:], Scaling(), outputs, dtype)
            result[chunk] = outputs
    return result


def _multiplications(n: int, parameters: Parameters) -> int:
    return n * sum(weight.size for weight, _ in parameters)


def _threads_for(n: int, parameters: Parameters) -> int:
    """Return the number of threads, from the shapes alone: 1 where those of the BLAS are quicker, else all.

    A thread of the BLAS spins for a tenth of a second after its last work, so that a prediction right after
    takes up to twice as long. That is not considered, since the last digits would depend on it.
    """
    if n <= CHUNK_ROWS or _multiplications(n, parameters) < MIN_THREAD_MULTIPLICATIONS:
        return 1
    return min(BLAS_THREADS.count() or 1, -(-n // CHUNK_ROWS))


def _run_in_threads(
    prepare: Callable[[], None], work: Callable[[], None], threads: int, stop: Callable[[], None]
) -> None:
    """Work in several new threads, with the BLAS limited to one thread for each.

    The calling thread only waits: Ctrl-C and other signals are raised in it, and could interrupt its work at
    any point.

    Parameters
    ----------
    prepare : callable
        Called once, after all threads have started and before any of them works.
    work : callable
        Called in every thread; takes chunks until there are no more.
    threads : int
    stop : callable
        Makes every ``work`` return after its current chunk.
    """
    errors: list[BaseException] = []

    def run(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)
            stop()

    arrived, prepared = threading.Semaphore(0), threading.Event()

    def work_when_prepared() -> None:
        arrived.release()
        prepared.wait()
        run(work)

    def work_together() -> None:
        owner = threading.get_ident()
        BLAS_THREADS.limit(owner)
        try:
            try:
                others = [_start(work_when_prepared) for _ in range(threads - 1)]
                # a thread that starts later would wait for the interpreter's lock until this one multiplies
                for other in others:
                    if other is not None:
                        arrived.acquire()
                run(prepare)
            finally:
                prepared.set()
            run(work)
            for done in others:
                if done is not None:
                    done.acquire()
        finally:
            BLAS_THREADS.release(owner)

    try:
        done = _start(lambda: run(work_together))
        # if the system has no more threads, the existing ones do all of the work
        if done is None:
            work_together()
        else:
            done.acquire()
    finally:
        # so that no thread works on after this one was interrupted
        stop()
    if errors:
        raise errors[0]


def _start(work: Callable[[], None]) -> threading.Lock | None:
    """Work in another thread.

    Returns
    -------
    lock or None
        A lock that is released when the work is done; None if the system has no more threads. It is not a
        ``threading.Thread``, since a signal that interrupts its ``join`` marks it as ended while it works.
    """
    done = threading.Lock()
    done.acquire()

    def run() -> None:
        try:
            work()
        finally:
            done.release()

    try:
        _thread.start_new_thread(run, ())
    except RuntimeError:
        return None
    return done
