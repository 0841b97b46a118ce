"""Checkpoint files: the complete state of a training between two epochs, with a digest.

Arrays as safetensors, everything else as JSON in its metadata, and a digest over both: a torn file or
one with a flipped bit is recognised, and the checkpoint before it is used. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop.nn.parameters import Parameters
from clearprop.training.history import History
from clearprop.utils.errors import CheckpointError, ClearpropWarning
from clearprop.utils.files import write_atomic

CHECKPOINT_FILE = "checkpoint.safetensors"
PREVIOUS_FILE = "checkpoint-previous.safetensors"
CHECKPOINT_FILES = (CHECKPOINT_FILE, PREVIOUS_FILE)
FORMAT_VERSION = 1
METADATA_KEY, DIGEST_KEY = "clearprop_checkpoint", "sha256"
#: Fields that are plain JSON values, and are kept as they are.
PLAIN = ("settings", "versions", "epoch", "epochs", "stopped", "learning_rate_scale", "seconds", "streams")
# a sync takes milliseconds, as long as a short epoch
SECONDS_BETWEEN_SYNCS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A training between two epochs.

    Parameters
    ----------
    settings : dict
        Everything that the result depends on, data included, as plain JSON values.
    versions : dict
        Versions of the libraries that computed it, by name.
    epoch, epochs : int
        Epochs done, and those that were asked for.
    stopped : bool
        Whether a callback ended the training here.
    learning_rate_scale : float
    seconds : float
        Wall-clock time so far.
    history : History
    streams : dict
        The state of every random stream's bit generator.
    parameters : Parameters
    engine : dict of ndarray
        The engine's state beside the parameters: the optimizer's arrays.
    callbacks : dict of dict
        The state of each callback: JSON values and arrays.
    """

    settings: dict[str, Any]
    versions: dict[str, str]
    epoch: int
    epochs: int
    stopped: bool
    learning_rate_scale: float
    seconds: float
    history: History
    streams: dict[str, Any]
    parameters: Parameters
    engine: dict[str, NDArray[Any]]
    callbacks: dict[str, dict[str, Any]]

    @property
    def finished(self) -> bool:
        """Whether the training is complete."""
        return self.stopped or self.epoch >= self.epochs


class Checkpoints:
    """A training's newest checkpoint and the one before it, in a folder.

    Parameters
    ----------
    folder : path-like
        Made when something is first written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.file, self.previous = (self.folder / name for name in CHECKPOINT_FILES)
        # whether the newest is of this training, whole and synced to disk
        self._safe = False
        self._synced = -math.inf
        self._began = False

    def present(self) -> bool:
        """Tell whether there is a checkpoint file, whole or damaged."""
        return self.file.exists() or self.previous.exists()

    def write(self, checkpoint: Checkpoint) -> None:
        """Write the newest; the one before it is kept until there is one to take its place.

        The file is synced to disk once a second at most. Only a synced checkpoint becomes the previous one,
        so that a whole one is left even after a loss of power.

        Raises
        ------
        OutputError
            If it cannot be written; the files before it stay.
        """
        content = encode(checkpoint)
        if not self._began:
            # of another training
            self.previous.unlink(missing_ok=True)
            self._began = True
        sync = time.monotonic() - self._synced >= SECONDS_BETWEEN_SYNCS
        write_atomic(self.file, content, sync=sync, keep_as=self.previous if self._safe else None)
        self._safe = sync
        if sync:
            self._synced = time.monotonic()

    def latest(self) -> Checkpoint | None:
        """Return the newest that is whole, or None if there is none; a warning says which was damaged.

        Raises
        ------
        CheckpointError
            If a file cannot be read, or was written by a newer Clearprop.
        """
        damaged = []
        for path in (self.file, self.previous):
            try:
                checkpoint = decode(path.read_bytes())
            except FileNotFoundError:
                continue
            except _NewerFormatError as error:
                raise CheckpointError(
                    f"{path} has format version {error}, but this Clearprop reads version {FORMAT_VERSION}; "
                    "use a newer Clearprop."
                ) from None
            except OSError as error:
                raise CheckpointError(f"Cannot read {path} ({error.strerror}); check the disk.") from None
            except ValueError as error:
                damaged.append(f"{path} is damaged ({error})")
                continue
            if damaged:
                _warn(f"{damaged[0]}, so the one before it is taken, of epoch {checkpoint.epoch}.")
            self._began, self._safe = True, path == self.file
            return checkpoint
        if damaged:
            _warn(f"{' and '.join(damaged)}, and no other is left, so the training starts anew.")
        return None

    def remove(self) -> None:
        """Remove both."""
        # the newest last, so that no older one is ever the only one left
        self.previous.unlink(missing_ok=True)
        self.file.unlink(missing_ok=True)
        self._safe = False


class _NewerFormatError(Exception):
    """A checkpoint that is whole, in the format of a newer Clearprop."""


def encode(checkpoint: Checkpoint) -> bytes:
    """Return a checkpoint as the bytes of a safetensors file."""
    from safetensors.numpy import save

    arrays: dict[str, NDArray[Any]] = {
        # an array, since there are as many numbers as batches
        "history.batch_losses": np.array(checkpoint.history.batch_losses, dtype=np.float64),
        **{f"engine.{name}": array for name, array in checkpoint.engine.items()},
    }
    for layer, (weight, bias) in enumerate(checkpoint.parameters):
        arrays[f"parameters.{layer}.weight"], arrays[f"parameters.{layer}.bias"] = weight, bias
    callbacks: dict[str, dict[str, Any]] = {}
    for callback, state in checkpoint.callbacks.items():
        callbacks[callback] = {}
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                arrays[f"callbacks.{callback}.{name}"] = value
            else:
                callbacks[callback][name] = value
    text = json.dumps(
        {
            "format_version": FORMAT_VERSION,
            **{name: getattr(checkpoint, name) for name in PLAIN},
            "records": checkpoint.history.epochs,
            "n_layers": len(checkpoint.parameters),
            "callbacks": callbacks,
        }
    )
    # ascontiguousarray would make 0-d arrays 1-d
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    content: bytes = save(arrays, metadata={METADATA_KEY: text, DIGEST_KEY: _digest(text, arrays)})
    return content


def decode(content: bytes) -> Checkpoint:
    """Return the checkpoint in the bytes of a file.

    Raises
    ------
    ValueError
        If it is not one, or not as it was written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        # the library checks sizes, types and offsets of every array, but does not hand out the metadata
        arrays = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        text, digest = header["__metadata__"][METADATA_KEY], header["__metadata__"][DIGEST_KEY]
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError):
        raise ValueError("it is torn, or not a checkpoint") from None
    if digest != _digest(text, arrays):
        raise ValueError("its digest does not fit its content")
    described = json.loads(text)
    if described["format_version"] != FORMAT_VERSION:
        raise _NewerFormatError(described["format_version"])
    groups: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in arrays.items():
        group, _, rest = name.partition(".")
        groups.setdefault(group, {})[rest] = array
    callbacks: dict[str, dict[str, Any]] = described["callbacks"]
    for name, array in groups.get("callbacks", {}).items():
        callback, _, rest = name.partition(".")
        callbacks[callback][rest] = array
    parameters = groups["parameters"]
    return Checkpoint(
        **{name: described[name] for name in PLAIN},
        history=History(described["records"], groups["history"]["batch_losses"].tolist()),
        parameters=[
            (parameters[f"{layer}.weight"], parameters[f"{layer}.bias"])
            for layer in range(described["n_layers"])
        ],
        engine=groups.get("engine", {}),
        callbacks=callbacks,
    )


def _digest(text: str, arrays: dict[str, NDArray[Any]]) -> str:
    hasher = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        hasher.update(repr((name, array.dtype.name, array.shape)).encode())
        hasher.update(np.ascontiguousarray(array).data)
    return hasher.hexdigest()


def _warn(sentence: str) -> None:
    warnings.warn(sentence, ClearpropWarning, stacklevel=4)
