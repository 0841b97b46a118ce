"""Which of a function's parameters takes which value: in the assignment's order, or by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clearprop.check.definitions import Definition

# canonical name of a value -> the names that people give its parameter, in lower case without underscores
_SYNONYMS = {
    "x": "x a0 h0 input inputs xtrain xbatch data images features batch aprev a z h",
    "truth": "y t ytrue yt target targets truth onehoty yonehot yhot onehot label labels ytrain yb",
    "labels": "y labels label t targets yt yint",
    "@parameters": "parameters params param weights theta network net model p",
    "@gradients": "losses gradients grads grad gradient derivatives d deltas",
    "@activations": "activationoutput activations outputs output cache caches trace forward acts layers",
    "@caches": "caches cache",
    "eta": "eta lr learningrate alpha step stepsize rate",
    "activation": "gact g activation act activationfunction f",
    "derivative": "dact dg dactivation derivative activationderivative gprime df",
    "total_layers": "h totallayers nlayers numlayers layers l",
    "weight_layers": "k nweightlayers lastlayer",
    "classes": "cl classes nclasses numclasses c k",
    "rng": "rng generator randomstate seed",
    "n": "n m batchsize nsamples nexamples size nrows bs batch",
    "batch_size": "batchsize bs batch minibatchsize",
    "epochs": "epochs nepochs numepochs iterations",
    "n_inputs": "ninputs nin inputsize nx inputdim nfeatures",
    "hidden_sizes": "neurons hidden hiddensizes hiddenlayers layers nhidden",
    "n_outputs": "noutputs nout outputsize ny nclasses outputdim",
    "n_hidden": "nh nhidden hiddensize hidden",
    "sizes": "sizes layerdims layersdims layers layersizes dims",
    "p": "yp ypred yhat predictions p probs probabilities al a2 outputactivations output pred h",
    "dout": "dout da dz dy upstream grad gradient g delta",
    "w": "w weights weight",
    "b": "b bias biases",
    "y": "y t target targets ytrue",
    "size": "size shape newsize targetsize imagesize",
    "group": "n group size every k",
    "activation_name": "activation act",
}
_NUMBERED = re.compile(r"^(d?)(w|b|a|h)(\d+)$")


class Unbound(Exception):
    """A function needs an argument that the assignment does not name; the text names it."""


@dataclass(frozen=True, slots=True)
class Binding:
    """Specifications of the values to pass, in order and by keyword."""

    positional: tuple[Any, ...]
    keywords: dict[str, Any] = field(default_factory=dict)


def plain_name(name: str) -> str:
    """Return a name in lower case without underscores."""
    return name.replace("_", "").lower()


def usual_names(value: Any) -> frozenset[str]:
    """Return the usual parameter names of a value; none for a cache or other tuple but "cache"."""
    if not isinstance(value, str):
        return frozenset({"cache"}) if isinstance(value, list) else frozenset({"config"})
    if match := _NUMBERED.match(value):
        prefix, letter, i = match.groups()
        letters = {"w": ("w", "weight"), "b": ("b", "bias"), "a": ("z", "a"), "h": ("a", "h")}[letter]
        return frozenset(prefix + each + i for each in letters)
    return frozenset([plain_name(value.lstrip("@")), *_SYNONYMS.get(value, "").split()])


def bind(definition: Definition, arguments: Sequence[Any], known: Sequence[str] = ()) -> Binding:
    """Give each parameter its value.

    The assignment's order holds unless the function's names are those of the same values in another order.
    A function that takes fewer gets those that its names ask for.

    Parameters
    ----------
    definition : Definition
    arguments : sequence
        The assignment's specifications.
    known : sequence of str
        Further values that a function may ask for by name, such as "n", "classes" and "rng".

    Raises
    ------
    Unbound
        If the function needs more.
    """
    parameters = definition.parameters
    if parameters is None:
        return Binding(tuple(arguments))
    by_name = _by_name(parameters, [*arguments, *known], len(arguments))
    keywords = {
        name: value
        for name in definition.keyword_only
        for value in known
        if plain_name(name) in usual_names(value)
    }
    least, most = definition.required, len(parameters)
    if least <= len(arguments) <= most or definition.variadic:
        first = parameters[: len(arguments)]
        # in another order, with every name recognised without doubt
        named = [by_name.get(name) for name in first]
        indices = [arguments.index(value) for value in named if value in arguments]
        if len(set(indices)) == len(arguments) and indices != sorted(indices) and _surely(first, named):
            return Binding(tuple(named), keywords)
        optional = {
            name: value
            for name in parameters[len(arguments) :]
            for value in known
            if value == "rng" and plain_name(name) in usual_names(value)
        }
        return Binding(tuple(arguments), {**keywords, **optional})
    if len(arguments) > most:
        if all(name in by_name for name in parameters):
            return Binding(tuple(by_name[name] for name in parameters), keywords)
        return Binding(tuple(arguments[:most]), keywords)
    extra = parameters[len(arguments) : least]
    positional = list(arguments)
    for name in extra:
        value = next((value for value in known if plain_name(name) in usual_names(value)), None)
        if value is None:
            raise Unbound(f'it needs an argument "{name}" that the assignment does not name')
        positional.append(value)
    return Binding(tuple(positional), keywords)


def _by_name(parameters: Sequence[str], values: Sequence[Any], first: int) -> dict[str, Any]:
    """Return for each parameter the value whose usual names it is among, each value once."""
    left = list(values)
    found: dict[str, Any] = {}
    for name in parameters:
        exact = [v for v in left if isinstance(v, str) and plain_name(v.lstrip("@")) == plain_name(name)]
        matching = exact or [value for value in left if plain_name(name) in usual_names(value)]
        if matching:
            found[name] = matching[0]
            left.remove(matching[0])
    return found


def _surely(parameters: Sequence[str], values: Sequence[Any]) -> bool:
    """Whether no parameter's name could be that of another of the values."""
    return all(
        sum(plain_name(name) in usual_names(value) for value in values) == 1
        for name in parameters
        if len(name) > 0
    )
