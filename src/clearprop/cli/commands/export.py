"""clearprop export: write a model for other programs, as an ONNX graph or a PyTorch state_dict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearprop.cli.options import Overwrite, check_free
from clearprop.cli.runs import model_file
from clearprop.utils.errors import InvalidArgument


def export(
    model: Annotated[Path, typer.Argument(help="A run's folder, or a model file.", metavar="RUN|MODEL_FILE")],
    onnx: Annotated[
        Path | None,
        typer.Option(help="Write an ONNX graph: rows or images as stored in, probabilities out."),
    ] = None,
    torch: Annotated[
        Path | None, typer.Option(help="Write a PyTorch state_dict, and print how to use it.")
    ] = None,
    input_type: Annotated[
        str | None,
        typer.Option(
            "--input",
            help="uint8, float32 or float64: what the ONNX graph takes; for images of pixels uint8 if not "
            "given, else the type of the weights.",
            show_default=False,
        ),
    ] = None,
    arithmetic: Annotated[
        str,
        typer.Option(
            help="float64: within 1e-6 of what the model predicts; or float32, for programs without float64: "
            "what the ONNX graph computes in."
        ),
    ] = "float64",
    overwrite: Overwrite = False,
) -> None:
    """Write a model for other programs.

    Example: clearprop export runs/relu --onnx digits.onnx
    """
    from clearprop.model.conversion.onnx_export import onnx_bytes, onnx_signature
    from clearprop.model.conversion.torch_export import state_dict_bytes, torch_usage
    from clearprop.model.model import load_model
    from clearprop.utils.files import write_atomic

    if onnx is None and torch is None:
        raise InvalidArgument("There is nothing to write; name a file with --onnx or --torch.")
    if input_type is not None and onnx is None:
        raise InvalidArgument("--input says what an ONNX graph takes; name the file with --onnx.")
    if arithmetic != "float64" and onnx is None:
        raise InvalidArgument("--arithmetic says what an ONNX graph computes in; name the file with --onnx.")
    source = model_file(model)
    check_free("--onnx", onnx, overwrite, source)
    check_free("--torch", torch, overwrite, source)
    if onnx is not None and torch is not None and onnx.absolute() == torch.absolute():
        raise InvalidArgument(f"--onnx and --torch both name {onnx}; choose two files.")
    loaded = load_model(source)
    # both are made before either is written, so that a failure leaves no file behind
    graph = None if onnx is None else onnx_bytes(loaded, input_type, arithmetic)
    state = None if torch is None else state_dict_bytes(loaded)
    if onnx is not None and graph is not None:
        print(write_atomic(onnx, graph))
        print(onnx_signature(loaded, input_type, arithmetic))
    if torch is not None and state is not None:
        print(write_atomic(torch, state))
        print()
        print(torch_usage(loaded, str(torch), str(source)))
