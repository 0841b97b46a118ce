"""A model as an ONNX graph, from rows as they are stored to predictions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.model.model import Model
from clearprop.nn.activations import ACTIVATIONS
from clearprop.nn.parameters import copy_parameters
from clearprop.nn.scaling import PIXELS
from clearprop.utils.arguments import check_choice
from clearprop.utils.errors import InvalidArgument, MissingExtra
from clearprop.utils.version import __version__

if TYPE_CHECKING:
    import onnx

INPUT_TYPES = ("uint8", "float32", "float64")
ARITHMETICS = ("float64", "float32")
# the softmax over a named axis is of 13; newer versions have nothing for us, and fewer programs read them
OPSET = 13
IR_VERSION = 8
# a protocol buffer holds 2 GiB, names and shapes included
MOST_BYTES = 2**31 - 2**20
OUTPUTS = {"softmax": "Softmax", "sigmoid": "Sigmoid", "exponential": "Exp", "identity": "Identity"}


def stored_as(model: Model) -> str:
    """Return the type in which the rows of a model are stored, as far as it can be told.

    uint8 for images whose pixels 0..255 are divided by 255; else the type of the parameters.
    """
    is_pixels = np.ndim(model.scaling.factor) == 0 and model.scaling.to_dict() == PIXELS.to_dict()
    if model.image_shape is not None and is_pixels:
        return "uint8"
    return str(model.parameters[0][0].dtype)


def onnx_bytes(model: Model, input_type: str | None = None, arithmetic: str = "float64") -> bytes:
    """Return the content of an ONNX file that predicts as the model does.

    The graph has one input: ``images`` (batch, height, width) where the model knows the shape of its images,
    else ``rows`` (batch, features); both as they are stored, since the graph scales them. Its one output is
    ``probabilities`` (batch, n_outputs), or ``values`` for a network that predicts values. The batch may be
    of any size. It computes in float64, so that its probabilities are within 1e-6 of ``predict_proba``, from
    weights and into outputs of the type of the model's parameters.

    Parameters
    ----------
    model : Model
    input_type : str or None
        ``"uint8"``, ``"float32"`` or ``"float64"``: the type of the input; ``stored_as`` says it if not
        given. The numbers must be those the model was trained on, so pixels run from 0 to 255 in each type.
    arithmetic : str
        ``"float64"``, or ``"float32"`` for programs that have no float64: weights, sums and outputs are
        float32 then, which rounds some probabilities by a little more than 1e-6.

    Returns
    -------
    bytes

    Raises
    ------
    InvalidArgument
        If there is no such type, or the model is too large for a file of ONNX.
    MissingExtra
        If onnx is not installed.
    """
    model = _computed_in(model, arithmetic)
    kind = stored_as(model) if input_type is None else check_choice("input", input_type, INPUT_TYPES)
    n_bytes = sum(array.nbytes for layer in model.parameters for array in layer)
    if n_bytes > MOST_BYTES:
        raise InvalidArgument(
            f"The model has {n_bytes / 2**30:.1f} GiB of parameters, but an ONNX file holds less than 2 GiB; "
            "export it with --torch."
        )
    try:
        import onnx
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise MissingExtra(
            'onnx, which writes ONNX files, is not installed; get it with pip install "clearprop[onnx]".'
        ) from None
    graph = _graph(model, kind, arithmetic)
    onnx.checker.check_model(graph, full_check=True)
    content: bytes = graph.SerializeToString()
    return content


def onnx_signature(model: Model, input_type: str | None = None, arithmetic: str = "float64") -> str:
    """Return the inputs and outputs of the graph, in one line."""
    model = _computed_in(model, arithmetic)
    source, inner, target = _ends(model)
    shape = ", ".join(map(str, ("batch", *inner)))
    return (
        f"takes {source}: {input_type or stored_as(model)} ({shape}), as stored; gives {target}: "
        f"{model.parameters[0][0].dtype} (batch, {model.network.layer_sizes[-1]})"
    )


def _computed_in(model: Model, arithmetic: str) -> Model:
    """Return the model with the parameters that its graph holds."""
    stored = model.parameters[0][0].dtype
    if check_choice("arithmetic", arithmetic, ARITHMETICS) == "float64" or stored == np.float32:
        return model
    return replace(model, parameters=copy_parameters(model.parameters, np.float32))


def _ends(model: Model) -> tuple[str, tuple[int, ...], str]:
    """Return the name of the input, its shape without the batch, and the name of the output."""
    target = "probabilities" if model.network.output in ("softmax", "sigmoid") else "values"
    if model.image_shape is not None:
        return "images", model.image_shape, target
    return "rows", model.network.layer_sizes[:1], target


def _result(place: int) -> str:
    """Return the name of the result of a step."""
    return f"step.{place}"


def _graph(model: Model, kind: str, arithmetic: str) -> onnx.ModelProto:
    from onnx import TensorProto, helper, numpy_helper

    types = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
    stored = str(model.parameters[0][0].dtype)
    nodes, constants = [], []

    def constant(name: str, values: Any, dtype: str = arithmetic) -> str:
        constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def parameter(name: str, values: Any) -> str:
        constant(name, values, stored)
        if stored == arithmetic:
            return name
        # the file keeps the size of the model, and the runtime casts once, when it loads the graph
        nodes.append(helper.make_node("Cast", [name], [f"{name}.{arithmetic}"], to=types[arithmetic]))
        return f"{name}.{arithmetic}"

    source, inner, target = _ends(model)
    # the same steps as Scaling.apply and the forward pass
    steps: list[tuple[str, list[str], dict[str, Any]]] = [("Cast", [], {"to": types[arithmetic]})]
    if model.image_shape:
        steps.append(("Flatten", [], {"axis": 1}))
    if np.any(model.scaling.shift):
        steps.append(("Sub", [constant("shift", model.scaling.shift)], {}))
    steps.append(("Mul", [constant("factor", model.scaling.factor)], {}))
    activations = (*model.network.activations, "identity")
    for layer, ((weight, bias), activation) in enumerate(zip(model.parameters, activations, strict=True)):
        names = [parameter(f"layers.{layer}.weight", weight), parameter(f"layers.{layer}.bias", bias)]
        steps.append(("Gemm", names, {}))
        x = _result(len(steps) - 1)
        for name, *operands in ACTIVATIONS[activation].onnx:
            number = f"step.{len(steps)}.number"
            inputs = [x if operand == "x" else constant(number, operand) for operand in operands]
            steps.append((str(name), inputs, {}))
    last = OUTPUTS[model.network.output]
    if last == "Softmax":
        # ONNX's softmax of an infinite logit is NaN; of the largest number in its place it is the limit
        finite = np.finfo(arithmetic)
        steps.append(("Clip", [constant("lowest", finite.min), constant("largest", finite.max)], {}))
    steps.append((last, [], {"axis": 1} if last == "Softmax" else {}))
    if stored != arithmetic:
        steps.append(("Cast", [], {"to": types[stored]}))
    value = source
    for place, (operator, others, attributes) in enumerate(steps):
        result = target if place == len(steps) - 1 else _result(place)
        nodes.append(helper.make_node(operator, [value, *others], [result], **attributes))
        value = result
    graph = helper.make_graph(
        nodes,
        "clearprop",
        [helper.make_tensor_value_info(source, types[kind], ["batch", *inner])],
        [helper.make_tensor_value_info(target, types[stored], ["batch", model.network.layer_sizes[-1]])],
        constants,
    )
    proto = helper.make_model(
        graph,
        producer_name="clearprop",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(proto, {"class_names": json.dumps(model.class_names)})
    return proto
