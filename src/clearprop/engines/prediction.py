"""The forward pass over many rows, a chunk at a time, so that memory stays small, on all cores."""

from __future__ import annotations

import _thread
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.forward import Forward, even_pieces, few_rows, order_for
from clearprop.engines.kernels.blas import THREADS
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.losses import softmax
from clearprop.nn.parameters import Parameters
from clearprop.nn.scaling import Scaling

FloatArray = NDArray[np.floating[Any]]

# large enough for the matrix product to run at full speed, small enough to stay in cache
CHUNK = 1024
# rows, or multiplications, for which to prepare takes longer than it saves
FEW, LITTLE = 128, 2e6
# that all layers of a chunk may be given, unless its rows are few
NUMBERS = 2**22
# multiplications that take ten times as long as to start a thread
WORTH_A_THREAD = 2e8


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
    x: NDArray[Any],
    threads: int | None = None,
) -> FloatArray:
    """Return the last layer's pre-activations.

    Parameters
    ----------
    parameters : Parameters
        Their dtype is the one computed in.
    activations : sequence of str
        One a hidden layer.
    scaling : Scaling
    x : ndarray (n, features) of uint8 or float
        Rows as they are stored.
    threads : int or None, default None
        How many shall take rows of their own, each multiplying alone; with 1 it is the BLAS that may have
        threads. None lets the work decide.

    Returns
    -------
    ndarray (n, n_outputs)
        The same for the same number of threads and rows that lie alike in memory, to the last bit; few rows
        less so, if another thread of this process predicts many meanwhile, which leaves the BLAS one thread
        for all. Inputs that are zero may be left out, so that a weight of theirs that is not finite shows
        only if another row needs it.
    """
    # a network that has diverged overflows here; whoever asked sees it in the result
    if len(x) <= FEW or _multiplications(len(x), parameters) <= LITTLE:
        with np.errstate(over="ignore", invalid="ignore"):
            return few_rows(parameters, activations, scaling, x)
    n, (first_weight, first_bias) = len(x), parameters[0]
    result = np.empty((n, parameters[-1][1].size), first_weight.dtype.newbyteorder("="))
    threads = _threads_for(n, parameters) if threads is None else threads
    chunk = min(n, CHUNK, max(FEW, NUMBERS // sum(len(weight) for weight, _ in parameters)))
    order, layers = None, parameters
    chunks: deque[tuple[int, int]] = deque()
    given_up = threading.Event()

    def prepare() -> None:
        nonlocal order, layers
        # fewer rows gain less than it takes to sort those of the weight
        order = order_for(x, scaling, first_weight) if n > CHUNK else None
        if order is not None:
            layers = [(order.of_weight(first_weight), first_bias), *parameters[1:]]
        # the widest rows first, so that all threads end together
        chunks.extend(reversed(even_pieces(n, chunk, threads)))

    def work() -> None:
        if given_up.is_set():
            return
        with np.errstate(over="ignore", invalid="ignore"):
            forward = Forward(layers, activations, scaling, chunk, order)
            while not given_up.is_set():
                try:
                    start, stop = chunks.popleft()
                except IndexError:
                    # another thread may have taken the last one at any moment
                    return
                forward.run(x, start, stop, result)

    if threads == 1:
        prepare()
        work()
    else:
        _share(prepare, work, threads, given_up.set)
    return result


def _multiplications(n: int, parameters: Parameters) -> int:
    return n * sum(weight.size for weight, _ in parameters)


def _threads_for(n: int, parameters: Parameters) -> int:
    """Return how many threads are quicker than those of the BLAS: 1 or all, from the shapes alone.

    One of the BLAS that has just had work looks for more for a tenth of a second, and shares its core until
    then: a prediction takes up to twice as long. Still it does not count, or last digits would hang on it.
    """
    if n <= CHUNK or _multiplications(n, parameters) < WORTH_A_THREAD:
        return 1
    return min(THREADS.count() or 1, -(-n // CHUNK))


def _share(
    prepare: Callable[[], None], work: Callable[[], None], threads: int, give_up: Callable[[], None]
) -> None:
    """Have some threads work, each multiplying alone.

    This one only waits: Ctrl-C and other signals reach it alone, and could cut off anything it does.

    Parameters
    ----------
    prepare : callable
        Done when everyone is there and before anyone works; and to its end, whatever happens.
    work : callable
        Done by every thread: takes pieces of it until there are no more.
    threads : int
    give_up : callable
        Has every thread take no more pieces.
    """
    errors: list[BaseException] = []

    def try_to(do: Callable[[], None]) -> None:
        try:
            do()
        except BaseException as error:
            errors.append(error)
            give_up()

    arrived, prepared = threading.Semaphore(0), threading.Event()

    def work_when_prepared() -> None:
        arrived.release()
        prepared.wait()
        try_to(work)

    def work_together() -> None:
        me = threading.get_ident()
        THREADS.hold(me)
        try:
            try:
                others = [_start(work_when_prepared) for _ in range(threads - 1)]
                # who is not there yet would wait for the interpreter's lock until this thread multiplies
                for other in others:
                    if other is not None:
                        arrived.acquire()
                try_to(prepare)
            finally:
                prepared.set()
            try_to(work)
            for done in others:
                if done is not None:
                    done.acquire()
        finally:
            THREADS.release(me)

    try:
        done = _start(lambda: try_to(work_together))
        # where no more threads are to be had, those that are there do it all
        if done is None:
            work_together()
        else:
            done.acquire()
    finally:
        # so that none goes on with what nobody waits for
        give_up()
    if errors:
        raise errors[0]


def _start(work: Callable[[], None]) -> threading.Lock | None:
    """Have another thread work; return a lock that can be had when it is done, or None if no thread can.

    Not a ``threading.Thread``: a signal that cuts off its ``join`` marks it as ended while it is at work.
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
