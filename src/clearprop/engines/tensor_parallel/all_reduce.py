"""How the members of a team wait for each other and sum up what each has found, without a lock.

Each writes what it has into memory that all see, then its tick, and goes on when the others' ticks are as
high. That asks of the processor that other cores see writes in the order in which they were made, which x86
promises. A wait is short, and so it is spent looking, not sleeping: a process wakes up in 25 µs, and looks in
30 ns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from clearprop.engines.base import FloatArray
from clearprop.engines.kernels.layout import Batch, Order, lies_in
from clearprop.engines.tensor_parallel.shared_memory import SharedMemory

# looks before a wait is taken for a long one, a tenth of a millisecond or so: whoever is waited for may have
# no core at all, and gets one when this process sleeps between its looks
LOOKS = 4_000
NAP, LONGEST_NAP = 0.00005, 0.05

PLACE = "place."

# a line of the cache for each member, so that to write one's own tick takes nothing from the others
TICKS_APART = 16


def room_for(
    members: int, dtype: np.dtype[Any], batch: int, units: Mapping[str, int]
) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Return the arrays a meeting needs in shared memory.

    Parameters
    ----------
    members : int
    dtype : dtype
        Of the products.
    batch : int
        The largest there will be.
    units : mapping of str to int
        The places to have, and how many numbers of each row are summed up there.
    """
    return {
        "ticks": (np.uint64, (members, TICKS_APART)),
        "numbers": (np.float64, (2, members)),
        **{PLACE + name: (dtype, (2, members, 1 + n, batch)) for name, n in units.items()},
    }


class Meeting:
    """One member's way to meet the others.

    Parameters
    ----------
    memory : SharedMemory
        With what ``room_for`` named.
    member : int
        Who this is, from 0.
    check : callable
        Called now and then while a wait is long; raises if nobody will come.

    Attributes
    ----------
    places : set of str
        Where something is summed up.
    """

    def __init__(self, memory: SharedMemory, member: int, check: Callable[[], None]) -> None:
        ticks = memory["ticks"]
        self.member = member
        self.places = {name.removeprefix(PLACE) for name in memory if name.startswith(PLACE)}
        self._memory = memory
        self._mine = memoryview(ticks[member])
        self._others = [memoryview(row) for other, row in enumerate(ticks) if other != member]
        self._numbers = memory["numbers"]
        self._check = check
        self._tick = 0

    @property
    def turn(self) -> int:
        """0 or 1, in turns from one meeting to the next."""
        return self._tick & 1

    def meet(self) -> None:
        """Go on when everyone is here."""
        self._tick += 1
        self._mine[0] = self._tick
        for other in self._others:
            wait_for(other, 0, self._tick, self._check)

    def tell(self, number: float) -> int:
        """Leave a number for everyone; after the next meeting ``told`` of what is returned is their sum."""
        self._numbers[self.turn, self.member] = number
        return self.turn

    def told(self, turn: int) -> float:
        """Return the sum of what everyone has left."""
        return float(self._numbers[turn].sum())

    def place(self, name: str, batch: int, order: Order) -> Place:
        """Return where products ``(batch, units)`` of that order are summed up."""
        # two of each, used in turns: who goes on must not overwrite what another has yet to read
        turns = self._memory[PLACE + name]
        return Place(self, [[lies_in(product, batch, order) for product in turn] for turn in turns])


class Place:
    """Where every member puts a product of its own, and takes the sum of all."""

    def __init__(self, meeting: Meeting, turns: Sequence[Sequence[Batch]]) -> None:
        self._meeting = meeting
        self._turns = turns

    def sum_of_products(self, left: FloatArray, right: FloatArray, out: Batch) -> None:
        """Write Σ left @ right over all members into ``out``: for everyone the same, to the last bit."""
        products = self._turns[self._meeting.turn]
        np.matmul(left, right, out=products[self._meeting.member].units)
        self._meeting.meet()
        first, second, *others = products
        np.add(first.whole, second.whole, out=out.whole)
        for product in others:
            np.add(out.whole, product.whole, out=out.whole)


def wait_for(ticks: memoryview, at: int, tick: int, check: Callable[[], None]) -> None:
    """Wait until another's count is at least ``tick``."""
    for _ in range(LOOKS):
        if ticks[at] >= tick:
            return
    nap = NAP
    while ticks[at] < tick:
        check()
        time.sleep(nap)
        # who has waited long will not mind a tenth more
        nap = min(nap * 1.1, LONGEST_NAP)
