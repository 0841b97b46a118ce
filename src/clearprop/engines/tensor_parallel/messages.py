"""The message that rank 0 sends to the workers before each step: batch, learning rate, random state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.tensor_parallel.shared_memory import SharedMemory

# the state of a PCG64: two numbers of 128 bits, a flag, and half of a number kept for the next draw
STATE_WORDS = 6
WORD_BITS, WORD_MASK = 64, 2**64 - 1


class Message(NamedTuple):
    """A step to take.

    Parameters
    ----------
    rows : ndarray (batch,) of int
    learning_rate : float
    steps : int
        How many steps came before.
    all_move : bool
        See ``Stepper``.
    """

    rows: NDArray[np.intp]
    learning_rate: float
    steps: int
    all_move: bool


def shared_arrays(batch: int) -> dict[str, tuple[Any, Sequence[int]]]:
    """Return the arrays that messages need in shared memory, for batches of at most so many rows."""
    # two of each, used alternately: a worker may still be reading the previous message
    return {
        "message.rows": (np.int64, (2, batch)),
        "message.numbers": (np.float64, (2, 4)),
        "message.generator": (np.uint64, (2, STATE_WORDS)),
    }


class Messages:
    """Messages by number, in shared memory.

    Parameters
    ----------
    memory : SharedMemory
        With the arrays of ``shared_arrays``.
    generator : numpy.random.Generator or None
        A PCG64 whose state is sent with each message; None if steps draw no random numbers.
    """

    def __init__(self, memory: SharedMemory, generator: np.random.Generator | None) -> None:
        self._rows = memory["message.rows"]
        self._numbers: list[Any] = [memoryview(numbers) for numbers in memory["message.numbers"]]
        self._states = memory["message.generator"]
        self._generator = generator

    def write(self, number: int, message: Message) -> None:
        """Write a message; it overwrites the one before the previous one."""
        phase = number & 1
        n = len(message.rows)
        self._rows[phase, :n] = message.rows
        # for so few numbers, one assignment each is quicker than one to an array
        numbers = self._numbers[phase]
        numbers[0], numbers[1] = n, message.learning_rate
        numbers[2], numbers[3] = message.steps, message.all_move
        if self._generator is not None:
            self._states[phase] = _state_words(self._generator)

    def read(self, number: int) -> Message:
        """Return a message, valid until the next but one is written, and set the generator's state."""
        phase = number & 1
        n, learning_rate, steps, all_move = self._numbers[phase].tolist()
        if self._generator is not None:
            _set_state(self._generator, self._states[phase].tolist())
        return Message(self._rows[phase, : int(n)], learning_rate, int(steps), bool(all_move))


def _state_words(generator: np.random.Generator) -> list[int]:
    state: Any = generator.bit_generator.state
    numbers = state["state"]["state"], state["state"]["inc"]
    return [
        *(word for number in numbers for word in (number >> WORD_BITS, number & WORD_MASK)),
        *(state["has_uint32"], state["uinteger"]),
    ]


def _set_state(generator: np.random.Generator, words: Sequence[int]) -> None:
    state_high, state_low, step_high, step_low, has_half, half = words
    generator.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": state_high << WORD_BITS | state_low, "inc": step_high << WORD_BITS | step_low},
        "has_uint32": has_half,
        "uinteger": half,
    }
