"""Engines by name, each imported when it is first used."""

from __future__ import annotations

from clearprop.engines.base import Engine, Task
from clearprop.utils.arguments import check_choice
from clearprop.utils.errors import EngineUnavailable, InvalidArgument

ENGINES = ("numpy", "torch")


def check_engine(name: str, device: str = "auto") -> None:
    """Raise an error unless the engine and the device exist on this machine.

    Raises
    ------
    InvalidArgument
        If there is no engine or device of that name.
    EngineUnavailable
        If the engine is not installed, or the device is not on this machine.
    """
    check_choice("engine", name, ENGINES)
    if name == "numpy":
        if device not in ("auto", "cpu"):
            raise InvalidArgument(
                f'device is {device!r}, but the NumPy engine runs on "cpu" only; '
                'choose engine="torch" for other devices.'
            )
        return
    try:
        from clearprop.engines import torch_engine
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise EngineUnavailable(
            'The PyTorch engine is not installed; get it with pip install "clearprop[torch]", '
            'or choose engine="numpy" (--engine numpy).'
        ) from None
    torch_engine.choose_device(device)


def create_engine(name: str, task: Task, device: str = "auto", processes: int | None = None) -> Engine:
    """Make an engine for a task.

    Parameters
    ----------
    name : str
        ``"numpy"`` or ``"torch"``.
    task : Task
    device : str, default "auto"
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``; the NumPy engine knows the first two.
    processes : int or None, default None
        How many processes compute each step of the NumPy engine, where possible; None lets it decide.

    Raises
    ------
    InvalidArgument, EngineUnavailable
        As ``check_engine`` does.
    """
    check_engine(name, device)
    if name == "numpy":
        from clearprop.engines.elastic_engine import ElasticEngine

        return ElasticEngine(task, processes)
    from clearprop.engines.torch_engine import TorchEngine

    return TorchEngine(task, device)
