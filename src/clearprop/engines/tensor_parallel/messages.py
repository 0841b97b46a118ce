"""What the first member of a team tells the others before each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearprop.engines.tensor_parallel.shared_memory import SharedMemory

# of a generator's state: two numbers of 128 bits, and half of one that is kept for the next draw
STATE_WORDS = 6
HALF, WORD = 64, 2**64 - 1


class Message(NamedTuple):
    """A step to take.

    Parameters
    ----------
    rows : ndarray (batch,) of int
    learning_rate : float
    steps : int
        How many there were before.
    all_move : bool
        See ``Stepper``.
    """

    rows: NDArray[np.intp]
    learning_rate: float
    steps: int
    all_move: bool


def room_for(batch: int) -> dict[str, tuple[Any, Sequence[int]]]:
    """Return the arrays messages need in shared memory, for batches of as many rows at most."""
    # two of each, used in turns: a member may still be reading the one before
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
        With what ``room_for`` named.
    generator : numpy.random.Generator or None
        A PCG64; with each message its state goes along.
    """

    def __init__(self, memory: SharedMemory, generator: np.random.Generator | None) -> None:
        self._rows = memory["message.rows"]
        self._numbers: list[Any] = [memoryview(numbers) for numbers in memory["message.numbers"]]
        self._states = memory["message.generator"]
        self._generator = generator

    def write(self, number: int, message: Message) -> None:
        """Write a message; that before the last one is overwritten."""
        turn = number & 1
        n = len(message.rows)
        self._rows[turn, :n] = message.rows
        # number by number, which for so few is quicker than an array's way
        numbers = self._numbers[turn]
        numbers[0], numbers[1] = n, message.learning_rate
        numbers[2], numbers[3] = message.steps, message.all_move
        if self._generator is not None:
            self._states[turn] = _words(self._generator)

    def read(self, number: int) -> Message:
        """Return a message, valid until the next but one is written, and set the generator's state."""
        turn = number & 1
        n, learning_rate, steps, all_move = self._numbers[turn].tolist()
        if self._generator is not None:
            _set(self._generator, self._states[turn].tolist())
        return Message(self._rows[turn, : int(n)], learning_rate, int(steps), bool(all_move))


def _words(generator: np.random.Generator) -> list[int]:
    state: Any = generator.bit_generator.state
    numbers = state["state"]["state"], state["state"]["inc"]
    return [
        *(word for number in numbers for word in (number >> HALF, number & WORD)),
        *(state["has_uint32"], state["uinteger"]),
    ]


def _set(generator: np.random.Generator, words: Sequence[int]) -> None:
    state_high, state_low, step_high, step_low, has_half, half = words
    generator.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": state_high << HALF | state_low, "inc": step_high << HALF | step_low},
        "has_uint32": has_half,
        "uinteger": half,
    }
