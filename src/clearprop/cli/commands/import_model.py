"""clearprop import: convert a network trained by PyTorch or scikit-learn to a model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearprop.cli.options import Overwrite, check_free
from clearprop.nn.activations import ACTIVATIONS
from clearprop.utils.errors import InvalidArgument, ModelFileError

if TYPE_CHECKING:
    from clearprop.model.model import Model
    from clearprop.nn.scaling import Scaling

# first bytes of a file by torch.save before it wrote zip archives; weights_only reads these too
_LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_STATE_DICT_OPTIONS = ("--activation", "--output", "--class-names", "--shift", "--factor")


def import_model(
    source: Annotated[
        Path,
        typer.Argument(
            help="A PyTorch state_dict of Linear layers (.pt, .safetensors), a checkpoint that holds one, or "
            "a fitted scikit-learn MLP in a .skops file."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The model file to write, such as model.safetensors.")],
    activation: Annotated[
        str | None,
        typer.Option(
            help=f"Of a state_dict, which does not tell: {', '.join(ACTIVATIONS)}; relu if not given. "
            "Or one for each hidden layer, with commas.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            help="Of a state_dict: softmax (if not given), sigmoid, identity or exponential.",
            show_default=False,
        ),
    ] = None,
    class_names: Annotated[
        str | None,
        typer.Option(help="Of a state_dict: names with commas; 0,1,... if not given.", show_default=False),
    ] = None,
    shift: Annotated[
        float | None,
        typer.Option(
            help="Of a state_dict: stored numbers x enter the network as (x - shift) * factor; 0.",
            show_default=False,
        ),
    ] = None,
    factor: Annotated[
        str | None,
        typer.Option(help="See --shift; a number, or a fraction such as 1/255; 1.", show_default=False),
    ] = None,
    image_shape: Annotated[
        str | None,
        typer.Option(help="HEIGHTxWIDTH, such as 28x28, where a row is an image.", show_default=False),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a model file of a network that PyTorch or scikit-learn trained; nothing is ever unpickled.

    Example: clearprop import network.pt --out model.safetensors --activation relu --factor 1/255
    """
    check_free("--out", out, overwrite, source)
    shape = None if image_shape is None else _shape(image_shape)
    kind = _kind(source)
    if kind == "skops":
        given = (activation, output, class_names, shift, factor)
        for name, value in zip(_STATE_DICT_OPTIONS, given, strict=True):
            if value is not None:
                raise InvalidArgument(f"{source} tells its own {name[2:]}; leave {name} out.")
        from clearprop.model.conversion.sklearn_files import from_sklearn, read_skops

        model = from_sklearn(read_skops(source), image_shape=shape)
    else:
        from clearprop.model.conversion.torch_files import read_safetensors, read_state_dict
        from clearprop.model.conversion.torch_import import from_torch

        model = from_torch(
            # no name keeps the state_dict, so its memory is free before the file is written
            read_state_dict(source) if kind == "torch" else read_safetensors(source),
            activation=_one_or_several(activation),
            output=output,
            scaling=_scaling(shift, factor),
            class_names=None if class_names is None else class_names.split(","),
            image_shape=shape,
        )
    print(model.save(out))
    print(_summary(model))


def _kind(source: Path) -> str:
    """Return the kind of a file by its first bytes; its reader then validates the rest."""
    from clearprop.model.conversion.skops_check import RESERVE, SCHEMA
    from clearprop.model.files.json_reader import Budget, JsonError
    from clearprop.model.files.safetensors_reader import opened
    from clearprop.model.files.zip_reader import ZIP_BEGIN, read_entries

    with opened(source) as (file, size, place):
        begin = file.read(len(_LEGACY_TORCH))
        if begin[:4] == ZIP_BEGIN:
            try:
                entries = read_entries(file, size, place, Budget(RESERVE))
            except JsonError as error:
                raise ModelFileError(f"{place} is damaged ({error}); save it again.") from None
            return "skops" if SCHEMA in entries else "torch"
        if begin == _LEGACY_TORCH:
            return "torch"
        length = int.from_bytes(begin[:8], "little")
        if 2 <= length <= size - 8 and begin[8:9] == b"{":
            return "safetensors"
        if begin[:1] == b"\x80" or place.suffix in (".pkl", ".pickle", ".joblib"):
            raise ModelFileError(
                f"{place} is a pickle, which can run code when it is opened, so it is not; if you trust it, "
                "load it in Python and save clearprop.from_sklearn(estimator), or keep it with skops.io.dump."
            )
        raise ModelFileError(
            f"{place} is neither a PyTorch state_dict (.pt or .safetensors) nor a .skops file of "
            "scikit-learn; save one of these."
        )


def _scaling(shift: float | None, factor: str | None) -> Scaling:
    from clearprop.nn.scaling import Scaling
    from clearprop.utils.arguments import check_number

    number = 1.0
    if factor is not None:
        try:
            above, _, below = factor.partition("/")
            number = float(above) / float(below or "1")
        except (ValueError, ZeroDivisionError):
            raise InvalidArgument(
                f'--factor is "{factor}", but must be a number such as 0.5, or a fraction such as 1/255.'
            ) from None
    return Scaling(check_number("--shift", shift or 0.0), check_number("--factor", number))


def _shape(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and len(text) < 20):
        raise InvalidArgument(f'--image-shape is "{text}", but must be HEIGHTxWIDTH, such as 28x28.')
    return int(height), int(width)


def _one_or_several(text: str | None) -> str | list[str] | None:
    return text.replace(" ", "").split(",") if text and "," in text else text


def _summary(model: Model) -> str:
    network = model.network
    hidden = ", ".join(network.activations) or "no hidden layer"
    scaling = model.scaling
    by_feature = getattr(scaling.shift, "ndim", 0) or getattr(scaling.factor, "ndim", 0)
    scaled = "scaled feature by feature" if by_feature else f"(x - {scaling.shift:g}) * {scaling.factor:g}"
    return (
        f"{'-'.join(map(str, network.layer_sizes))}, hidden activations: {hidden}, output: {network.output}, "
        f"rows: {scaled}"
    )
