"""The order of imported layers: a state_dict's own, the numbers in its names, or the only one that fits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

import clearprop as cp
from clearprop.model.conversion.layer_order import Shape, layer_order
from clearprop.model.conversion.torch_files import read_safetensors
from clearprop.utils.errors import InvalidArgument

Arrays = dict[str, np.ndarray]


def state_of(shapes: Mapping[str, tuple[int, int]], *, bias: bool = True) -> Arrays:
    """Return a state_dict of Linears of these shapes (fan_out, fan_in), with random weights."""
    rng = np.random.default_rng(0)
    state: Arrays = {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = rng.normal(size=shape).astype(np.float32)
        if bias:
            state[f"{name}.bias"] = rng.normal(size=shape[0]).astype(np.float32)
    return state


def saved(state: Arrays, tmp_path: Path) -> Mapping[str, Any]:
    save_file(state, tmp_path / "state.safetensors")
    return read_safetensors(tmp_path / "state.safetensors")


def assert_layers(model: cp.Model, state: Arrays, names: Sequence[str]) -> None:
    """Check that the model's weights are those of the state_dict, in the order of these names."""
    assert len(model.parameters) == len(names)
    for (weight, bias), name in zip(model.parameters, names, strict=True):
        np.testing.assert_array_equal(weight, state[f"{name}.weight"].T)
        np.testing.assert_array_equal(bias, state.get(f"{name}.bias", np.zeros_like(bias)))


def test_encoder_stays_before_decoder() -> None:
    state = state_of({"encoder.0": (16, 64), "decoder.0": (64, 16)})
    model = cp.from_torch(state)
    assert model.network.layer_sizes == (64, 16, 64)
    assert_layers(model, state, ["encoder.0", "decoder.0"])


@pytest.mark.parametrize("is_file", [False, True])
def test_features_come_before_classifier_since_only_this_order_fits(is_file: bool, tmp_path: Path) -> None:
    state = state_of({"features.0": (48, 64), "classifier.0": (10, 48)})
    model = cp.from_torch(saved(state, tmp_path) if is_file else state)
    assert_layers(model, state, ["features.0", "classifier.0"])


def test_order_of_square_layers_is_kept() -> None:
    state = state_of({"b": (6, 6), "a": (6, 6), "c": (3, 6)})
    assert_layers(cp.from_torch(state), state, ["b", "a", "c"])


@pytest.mark.parametrize("is_file", [False, True])
@pytest.mark.parametrize("text", ["fc{}", "{}", "layers.{}.linear", "block{}.0"])
def test_layer_10_comes_after_layer_2(text: str, is_file: bool, tmp_path: Path) -> None:
    names = [text.format(number) for number in range(1, 12)]
    state = state_of(dict.fromkeys(sorted(names), (6, 6)))
    assert_layers(cp.from_torch(saved(state, tmp_path) if is_file else state), state, names)


def test_numbers_sort_only_layers_of_equal_text() -> None:
    state = state_of({"up.10": (8, 8), "up.2": (8, 8), "down.10": (8, 8), "down.3": (8, 8)})
    assert_layers(cp.from_torch(state), state, ["up.2", "up.10", "down.3", "down.10"])


def test_numbers_that_count_down_are_refused_where_both_orders_fit() -> None:
    state = state_of({"up3": (8, 8), "up2": (8, 8), "up1": (8, 8)})
    with pytest.raises(
        InvalidArgument, match=re.escape("up1, up2, up3 (8-8-8-8) or up3, up2, up1 (8-8-8-8)")
    ):
        cp.from_torch(state)


@pytest.mark.parametrize("names", [["up3", "up2", "up1"], ["up1", "up2", "up3"]])
def test_numbers_that_count_down_are_no_matter_where_one_order_fits(names: list[str]) -> None:
    state = state_of(dict(zip(names, [(7, 6), (8, 7), (3, 8)], strict=True)))
    reversed_state = {name: state[name] for name in [*list(state)[4:], *list(state)[2:4], *list(state)[:2]]}
    for each in (state, reversed_state):
        assert_layers(cp.from_torch(each), state, names)


def test_blocks_of_two_layers_stay_interleaved() -> None:
    names = [f"blocks.{number}.{part}" for number in range(12) for part in ("expand", "project")]
    state = state_of({name: (9, 6) if name.endswith("expand") else (6, 9) for name in sorted(names)})
    assert_layers(cp.from_torch(state), state, names)


def test_blocks_with_an_in_and_an_out_layer_keep_their_order() -> None:
    names = [f"blocks.{number}.{part}" for number in range(3) for part in ("in", "out")]
    state = state_of(dict.fromkeys(names, (6, 6)))
    assert_layers(cp.from_torch(state), state, names)


def test_sizes_in_names_are_no_order() -> None:
    state = state_of({"fc_128": (128, 64), "fc_64": (64, 128)})
    assert_layers(cp.from_torch(state), state, ["fc_128", "fc_64"])


@pytest.mark.parametrize("is_file", [False, True])
def test_layers_declared_in_another_order_take_the_only_order_that_fits(
    is_file: bool, tmp_path: Path
) -> None:
    state = state_of({"out": (3, 8), "second": (8, 7), "first": (7, 6)})
    model = cp.from_torch(saved(state, tmp_path) if is_file else state)
    assert_layers(model, state, ["first", "second", "out"])


def test_decoder_declared_before_encoder_is_refused_where_both_orders_fit() -> None:
    state = state_of({"decoder": (64, 16), "encoder": (16, 64)})
    with pytest.raises(InvalidArgument, match="fit each other in several orders"):
        cp.from_torch(state)


def test_file_without_an_order_is_refused_with_the_orders_that_fit(tmp_path: Path) -> None:
    state = state_of({"encoder.0": (16, 64), "decoder.0": (64, 16)})
    message = re.escape("decoder.0, encoder.0 (16-64-16) or encoder.0, decoder.0 (64-16-64); give")
    with pytest.raises(InvalidArgument, match=message):
        cp.from_torch(saved(state, tmp_path))


def test_square_layers_without_numbers_in_a_file_are_refused(tmp_path: Path) -> None:
    state = state_of({"a": (6, 6), "b": (6, 6), "c": (3, 6)}, bias=False)
    with pytest.raises(InvalidArgument, match=re.escape("a, b, c (6-6-6-3) or b, a, c (6-6-6-3)")):
        cp.from_torch(saved(state, tmp_path))


def test_names_sorted_as_text_are_no_order() -> None:
    state = state_of({"encoder.0": (16, 64), "decoder.0": (64, 16)})
    with pytest.raises(InvalidArgument, match="fit each other in several orders"):
        cp.from_torch({name: state[name] for name in sorted(state)})


def test_remedy_of_the_refusal_works(tmp_path: Path) -> None:
    state = state_of({"encoder.0": (16, 64), "decoder.0": (64, 16)})
    tensors = saved(state, tmp_path)
    numbered = {
        f"{number}.{kind}": tensors[f"{name}.{kind}"]
        for number, name in enumerate(["encoder.0", "decoder.0"])
        for kind in ("bias", "weight")
    }
    assert cp.from_torch(numbered).network.layer_sizes == (64, 16, 64)


def test_many_orders_are_one_short_sentence(tmp_path: Path) -> None:
    state = state_of({f"{first}{second}": (4, 4) for first in "abcdefghij" for second in "abcdefghij"})
    with pytest.raises(InvalidArgument, match="or others; give") as caught:
        cp.from_torch(saved(state, tmp_path))
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("is_file", [False, True])
def test_transposed_weights_without_biases_are_not_taken_in_reverse(is_file: bool, tmp_path: Path) -> None:
    state = state_of({"0": (6, 8), "2": (8, 3)}, bias=False)
    with pytest.raises(
        InvalidArgument, match=re.escape("0, 2 (6-8-3) fit each other only if each weight is")
    ):
        cp.from_torch(saved(state, tmp_path) if is_file else state)


def test_transposed_weight_is_told_by_its_bias() -> None:
    state = {"0.weight": np.zeros((6, 8), np.float32), "0.bias": np.zeros(8, np.float32)}
    with pytest.raises(InvalidArgument, match="give the transpose of the weight"):
        cp.from_torch(state)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=7), st.randoms(use_true_random=False))
def test_shuffled_chain_gets_a_chain_or_is_refused(sizes: list[int], random: Any) -> None:
    layers = [Shape(name, *pair) for name, pair in zip("abcdefg", pairwise(sizes), strict=False)]
    random.shuffle(layers)
    try:
        order = layer_order(layers, is_ordered=False, may_be_transposed=False)
    except InvalidArgument:
        return
    chained = [layers[position] for position in order]
    assert sorted(order) == list(range(len(layers)))
    assert all(one.fan_out == two.fan_in for one, two in pairwise(chained))


def test_search_over_layers_that_nearly_fit_ends_soon() -> None:
    # all queues begin with the same size, and none of their orders reaches the end
    layers = [Shape(f"{'abcdefghijklmnop'[number]}{part}", 8, 8) for number in range(16) for part in (1, 2)]
    layers += [Shape("y1", 9, 8), Shape("y2", 8, 9)]
    with pytest.raises(InvalidArgument, match="in several orders"):
        layer_order(layers, is_ordered=False, may_be_transposed=False)


def test_number_of_thousands_of_digits_is_sorted() -> None:
    state = state_of({"9" * 5000: (3, 4), "8" * 5000: (4, 4)})
    assert cp.from_torch(state).network.layer_sizes == (4, 4, 3)
