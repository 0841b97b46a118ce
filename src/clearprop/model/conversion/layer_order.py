"""The order of a network's layers, from their names and shapes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from clearprop.model.files.safetensors_reader import clip
from clearprop.utils.errors import InvalidArgument

# orders that a message lists, and the characters that it has for all of them
_MOST_LISTED = 4
_LISTED_CHARACTERS = 400
# layers tried while orders are searched: a second of work for 500 layers
_MOST_TRIED = 20_000
_NUMBERS = re.compile("([0-9]+)")
# words in names that tell which layers come first, and which last
_FIRST = {"encoder", "input", "in", "first"}
_LAST = {"decoder", "output", "out", "last", "final", "head", "classifier"}


@dataclass(frozen=True, slots=True)
class Shape:
    """A layer's name and its number of inputs and outputs."""

    name: str
    fan_in: int
    fan_out: int


def layer_order(layers: Sequence[Shape], *, is_ordered: bool, may_be_transposed: bool) -> list[int]:
    """Return the order in which the outputs of each layer fit the inputs of the next.

    Numbers in names that differ in nothing else give the order of those layers: ``fc2`` comes before
    ``fc10``. Apart from that, layers keep the order given; where they have none, or it does not fit, the
    order is the only one that fits. Numbers that count down, where both orders fit, are an error.

    Parameters
    ----------
    layers : sequence of Shape
    is_ordered : bool
        Whether their order means anything; a safetensors file sorts names as text.
    may_be_transposed : bool
        Whether the weights may as well be (fan_in, fan_out), since no bias shows which.

    Returns
    -------
    list of int
        Positions in ``layers``. If no order fits, the order of the numbers.

    Raises
    ------
    InvalidArgument
        If several orders fit.
    """
    groups = _numbered_groups(layers)
    numbered = _sorted_within(groups, len(layers))
    given = list(range(len(layers)))
    if is_ordered:
        orders = [
            order
            for order in (numbered, given)
            if _fits(layers, order) and not _contradicts_names(layers, order)
        ]
        # neither counted up nor sorted as text, the order given may be that of the network
        if len(orders) == 2 and numbered != given and not all(_is_text(layers, group) for group in groups):
            raise _several(layers, orders)
        if orders:
            return orders[0]
    turned = [Shape(layer.name, layer.fan_out, layer.fan_in) for layer in layers]
    has_order = is_ordered or len(groups) == 1
    if has_order and may_be_transposed and not _fits(layers, numbered) and _fits(turned, numbered):
        raise InvalidArgument(
            f"The layers {_listed(turned, numbered, _LISTED_CHARACTERS)} fit each other only if each weight "
            "is (inputs, outputs), but a Linear has (outputs, inputs); give the transpose of each weight."
        )
    for queues in (groups, [[position] for position in given]):
        found, is_complete = _orders_that_fit(layers, queues)
        if len(found) > 1 or not is_complete:
            raise _several(layers, found or [numbered])
        if found:
            return found[0]
    return numbered


def _numbered_groups(layers: Sequence[Shape]) -> list[list[int]]:
    """Return positions of layers whose names differ in numbers only, sorted by these; first come first."""
    by_text: dict[tuple[str, ...], list[int]] = {}
    for position, layer in enumerate(layers):
        by_text.setdefault(tuple(_NUMBERS.split(layer.name)[::2]), []).append(position)
    groups: dict[tuple[object, ...], list[int]] = {}
    keys: dict[int, list[tuple[int, str]]] = {}
    for text, positions in by_text.items():
        numbers = {position: _NUMBERS.split(layers[position].name)[1::2] for position in positions}
        sizes = [
            place
            for place in range(len(text) - 1)
            if len({numbers[position][place] for position in positions}) > 1
            # fc_128 and fc_64 are named after their sizes, not numbered
            and all(
                numbers[position][place] in (str(layers[position].fan_in), str(layers[position].fan_out))
                for position in positions
            )
        ]
        for position in positions:
            named = numbers[position]
            groups.setdefault((text, *(named[place] for place in sizes)), []).append(position)
            # as numbers, however long they are
            keys[position] = [
                (len(digits.lstrip("0")), digits.lstrip("0"))
                for place, digits in enumerate(named)
                if place not in sizes
            ]
    return [sorted(group, key=keys.__getitem__) for group in groups.values()]


def _sorted_within(groups: Sequence[Sequence[int]], n_layers: int) -> list[int]:
    """Return an order in which each group is sorted, and takes the same places as before."""
    order = [0] * n_layers
    for group in groups:
        for place, position in zip(sorted(group), group, strict=True):
            order[place] = position
    return order


def _is_text(layers: Sequence[Shape], group: Sequence[int]) -> bool:
    """Tell whether a group is given in the order of its names as text, or of its numbers."""
    names = [layers[position].name for position in sorted(group)]
    return names == sorted(names) or sorted(group) == list(group)


def _fits(layers: Sequence[Shape], order: Sequence[int]) -> bool:
    return all(layers[first].fan_out == layers[second].fan_in for first, second in pairwise(order))


def _contradicts_names(layers: Sequence[Shape], order: Sequence[int]) -> bool:
    """Tell whether the layers named as the last ones come before those named as the first.

    A module's attributes may be declared in another order than its forward uses them.
    """
    words = [set(re.split(r"[^a-z]+", layers[position].name.lower())) for position in order]
    lasts = [place for place, each in enumerate(words) if each & _LAST and not each & _FIRST]
    firsts = [place for place, each in enumerate(words) if each & _FIRST and not each & _LAST]
    return bool(lasts and firsts) and lasts[-1] < firsts[0]


def _orders_that_fit(
    layers: Sequence[Shape], queues: Sequence[Sequence[int]]
) -> tuple[list[list[int]], bool]:
    """Return orders that fit and keep the order of each queue, and whether the search was complete."""
    # with sizes as nodes and layers as edges, an order that fits is an Eulerian path
    surplus = Counter(layer.fan_in for layer in layers)
    surplus.subtract(layer.fan_out for layer in layers)
    ends = [count for count in surplus.values() if count]
    if sorted(ends) not in ([], [-1, 1]):
        return [], True
    # it begins at the size that is an input more often than an output
    begins = {size for size, count in surplus.items() if count == 1}
    found: list[list[int]] = []
    path: list[int] = []
    taken = [0] * len(queues)
    tried = 0

    def choices() -> Iterator[int]:
        size = layers[path[-1]].fan_out if path else None
        for number, queue in enumerate(queues):
            if taken[number] < len(queue):
                fan_in = layers[queue[taken[number]]].fan_in
                if fan_in == size or (size is None and (not begins or fan_in in begins)):
                    yield number

    chosen: list[int] = []
    levels = [choices()]
    while levels:
        number = next(levels[-1], None)
        if number is None:
            levels.pop()
            if chosen:
                taken[chosen.pop()] -= 1
                path.pop()
            continue
        tried += 1
        path.append(queues[number][taken[number]])
        taken[number] += 1
        chosen.append(number)
        if len(path) == len(layers):
            found.append(path.copy())
        if len(found) > _MOST_LISTED or tried > _MOST_TRIED:
            return found, False
        levels.append(choices())
    return found, True


def _several(layers: Sequence[Shape], orders: Sequence[Sequence[int]]) -> InvalidArgument:
    listed = orders[:_MOST_LISTED]
    texts = [_listed(layers, order, _LISTED_CHARACTERS // len(listed)) for order in listed]
    more = " or others" if len(orders) != len(listed) or len(orders) == 1 else ""
    return InvalidArgument(
        "The layers fit each other in several orders, and nothing tells which is the network's: "
        f"{' or '.join(texts)}{more}; give clearprop.from_torch the tensors in the order of the network, "
        'as {"0.weight": ..., "0.bias": ..., "1.weight": ..., ...}.'
    )


def _listed(layers: Sequence[Shape], order: Sequence[int], most: int) -> str:
    names = ", ".join(clip(layers[position].name)[1:-1] for position in order)
    sizes = "-".join(str(layers[position].fan_in) for position in order)
    text = f"{names} ({sizes}-{layers[order[-1]].fan_out})"
    return text if len(text) <= most else f"{text[: most - 3]}..."
