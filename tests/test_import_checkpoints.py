"""Networks from PyTorch as people keep them: in checkpoints, wrapped, normalized, pruned, not there yet."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearprop as cp
from clearprop.cli import main
from clearprop.model.conversion.torch_files import read_safetensors, read_state_dict
from clearprop.utils.errors import InvalidArgument, ModelFileError

torch = pytest.importorskip("torch", reason="the PyTorch engine is an extra and is not installed here")
from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations, prune  # noqa: E402

X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)


@pytest.fixture(autouse=True)
def _fixed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def same_as_torch(model: cp.Model, network: nn.Module) -> None:
    with torch.no_grad():
        expected = network.eval()(torch.from_numpy(X)).softmax(1).numpy()
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=0, atol=1e-6)


def reread(state: Any, tmp_path: Path) -> Any:
    torch.save(state, tmp_path / "state.pt")
    return read_state_dict(tmp_path / "state.pt")


def trained(network: nn.Sequential) -> tuple[torch.optim.Optimizer, Any]:
    """Take steps, so that the optimizer and its schedule have a memory."""
    optimizer = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])
    for _ in range(3):
        optimizer.zero_grad()
        network(torch.from_numpy(X)).square().sum().backward()
        optimizer.step()
        schedule.step()
    return optimizer, schedule


# --- wrapped modules ---


def compiled(module: nn.Module) -> Any:
    # without inductor, whose import takes seconds
    return torch.compile(module, backend="eager")


@pytest.mark.parametrize(
    "wrap",
    [nn.DataParallel, compiled, torch.optim.swa_utils.AveragedModel],
    ids=["data", "compile", "swa"],
)
def test_wrapped_module_and_its_state_dict_are_those_of_the_network(
    wrap: Callable[..., Any], network: nn.Sequential
) -> None:
    wrapped = wrap(network)
    same_as_torch(cp.from_torch(wrapped), network)
    same_as_torch(cp.from_torch(wrapped.state_dict()), network)


def test_distributed_module_is_unwrapped(network: nn.Sequential) -> None:
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(network)
        same_as_torch(cp.from_torch(wrapped), network)
        same_as_torch(cp.from_torch(wrapped.state_dict()), network)
    finally:
        torch.distributed.destroy_process_group()


def test_compiled_part_of_a_sequential_is_unwrapped(network: nn.Sequential) -> None:
    outer = nn.Sequential(compiled(nn.Sequential(nn.Linear(6, 6), nn.Tanh())), network)
    assert cp.from_torch(outer).network.activations == ("tanh", "relu")


def test_subclass_of_sequential_with_its_forward_is_accepted() -> None:
    class Stack(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))

    stack = Stack()
    same_as_torch(cp.from_torch(stack), stack)


def test_subclass_of_sequential_with_another_forward_is_refused() -> None:
    class Doubled(nn.Sequential):
        def forward(self, x: Any) -> Any:
            return 2 * super().forward(x)

    with pytest.raises(InvalidArgument, match="its forward may compute anything"):
        cp.from_torch(Doubled(nn.Linear(6, 3)))


# --- checkpoints ---


@pytest.mark.parametrize("key", ["model_state_dict", "model", "net", "params", "state_dict", "any name"])
def test_state_dict_beside_an_optimizer_is_found(key: str, network: nn.Sequential, tmp_path: Path) -> None:
    optimizer, schedule = trained(network)
    checkpoint = {
        "epoch": 3,
        "best": (0.25, None),
        "args": {"hidden": [8], "resume": False},
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "rng": torch.get_rng_state(),
        key: network.state_dict(),
    }
    same_as_torch(cp.from_torch(checkpoint), network)
    same_as_torch(cp.from_torch(reread(checkpoint, tmp_path)), network)


def lightning(network: nn.Sequential) -> dict[str, Any]:
    """Return a checkpoint with the keys that Lightning 2 writes."""
    optimizer, schedule = trained(network)
    score = torch.tensor(0.5)
    return {
        "epoch": 2,
        "global_step": 3,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {f"model.{name}": tensor for name, tensor in network.state_dict().items()},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {
            "ModelCheckpoint{'monitor': 'loss'}": {"best_k_models": {"a.ckpt": score}, "score": score}
        },
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [schedule.state_dict()],
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 1e-3, "hidden": 8},
    }


def test_lightning_checkpoint_becomes_a_model_file(network: nn.Sequential, tmp_path: Path) -> None:
    torch.save(lightning(network), tmp_path / "last.ckpt")
    out = tmp_path / "model.safetensors"
    assert main(["import", str(tmp_path / "last.ckpt"), "--out", str(out)]) == 0
    same_as_torch(cp.load(out), network)


def test_average_deeper_in_a_checkpoint_is_not_taken_for_the_network(
    network: nn.Sequential, tmp_path: Path
) -> None:
    averaged = {name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}
    checkpoint = lightning(network) | {"callbacks": {"EMA": {"weights": averaged}}}
    same_as_torch(cp.from_torch(reread(checkpoint, tmp_path)), network)


def test_checkpoint_with_two_state_dicts_is_refused(network: nn.Sequential) -> None:
    checkpoint = {"model": network.state_dict(), "ema": copy.deepcopy(network.state_dict())}
    with pytest.raises(
        InvalidArgument, match="The checkpoint has 2 state_dicts: 'model', 'ema'; give or save"
    ):
        cp.from_torch(checkpoint)
    same_as_torch(cp.from_torch(checkpoint["ema"]), network)


def test_second_network_in_a_state_dict_is_refused() -> None:
    square = nn.Linear(6, 6).state_dict()
    state = {f"{name}.{key}": square[key] for name in ("model", "ema_model") for key in square}
    with pytest.raises(InvalidArgument, match="has a second network: 'ema_model' beside 'model'"):
        cp.from_torch(state)


def test_layer_named_like_a_second_network_is_a_layer() -> None:
    state = nn.Linear(6, 8).state_dict(prefix="body.") | nn.Linear(8, 2).state_dict(prefix="target.")
    assert cp.from_torch(state).network.layer_sizes == (6, 8, 2)


def test_checkpoint_without_a_state_dict_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="The state_dict has 'epoch', which no Linear has"):
        cp.from_torch(reread({"epoch": 3, "optimizer": {}}, tmp_path))


def test_objects_in_a_checkpoint_are_refused(network: nn.Sequential, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="it names 'pathlib"):
        reread({"model": network.state_dict(), "path": Path("x")}, tmp_path)


def test_tensors_that_share_their_numbers_are_named(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    network[2].weight = network[0].weight
    same_as_torch(cp.from_torch(network.state_dict()), network)
    with pytest.raises(ModelFileError, match=re.escape("'0.weight' and '2.weight' share theirs")):
        reread(network.state_dict(), tmp_path)


# --- weights that are computed ---

COMPUTED: dict[str, Callable[[], nn.Sequential]] = {
    "weight_norm": lambda: nn.Sequential(
        parametrizations.weight_norm(nn.Linear(6, 8)),
        nn.ReLU(),
        parametrizations.weight_norm(nn.Linear(8, 3), dim=None),
    ),
    "older weight_norm": lambda: nn.Sequential(
        nn.utils.weight_norm(nn.Linear(6, 8)), nn.ReLU(), nn.utils.weight_norm(nn.Linear(8, 3), dim=1)
    ),
    "spectral_norm": lambda: nn.Sequential(
        parametrizations.spectral_norm(nn.Linear(6, 8)), nn.ReLU(), nn.utils.spectral_norm(nn.Linear(8, 3))
    ),
    "pruning": lambda: nn.Sequential(
        prune.l1_unstructured(nn.Linear(6, 8), "weight", 0.5),
        nn.ReLU(),
        prune.random_unstructured(nn.Linear(8, 3), "bias", 1),
    ),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("kind", COMPUTED)
def test_computed_weights_are_those_of_the_module(kind: str, tmp_path: Path) -> None:
    network = COMPUTED[kind]()
    for _ in range(3):
        network(torch.from_numpy(X))
    network.eval()
    same_as_torch(cp.from_torch(network), network)
    same_as_torch(cp.from_torch(reread(network.state_dict(), tmp_path)), network)


def test_import_leaves_the_buffers_of_a_parametrization_alone() -> None:
    network = nn.Sequential(parametrizations.spectral_norm(nn.Linear(6, 3))).train()
    before = copy.deepcopy(network.state_dict())
    cp.from_torch(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_orthogonal_weight_is_read_from_a_module_and_refused_in_a_state_dict() -> None:
    network = nn.Sequential(parametrizations.orthogonal(nn.Linear(6, 6)), nn.ReLU(), nn.Linear(6, 3))
    same_as_torch(cp.from_torch(network), network)
    with pytest.raises(
        InvalidArgument, match=re.escape("'0.parametrizations.weight.0.base', which no Linear")
    ):
        cp.from_torch(network.state_dict())


def test_parts_of_a_weight_that_do_not_fit_are_refused() -> None:
    state = {"weight_g": torch.ones(2, 1), "weight_v": torch.ones(3, 6)}
    with pytest.raises(InvalidArgument, match="'weight_g' and 'weight_v' have shapes that do not fit"):
        cp.from_torch(state)
    with pytest.raises(InvalidArgument, match="has 'weight_g', from which no weight of a Linear can be"):
        cp.from_torch({"weight_g": torch.ones(3, 1)})


# --- normalization ---

NORMALIZED: dict[str, Callable[[], list[nn.Module]]] = {
    "before the activation": lambda: [nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)],
    "after the activation": lambda: [
        nn.Linear(6, 8),
        nn.ReLU(),
        nn.BatchNorm1d(8, eps=0.1),
        nn.Dropout(),
        nn.Linear(8, 3),
    ],
    "at the beginning": lambda: [
        nn.BatchNorm1d(6, affine=False),
        nn.Linear(6, 8),
        nn.Tanh(),
        nn.Linear(8, 3),
    ],
    "at the end": lambda: [nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3), nn.BatchNorm1d(3)],
    "without bias": lambda: [nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)],
}


@pytest.mark.parametrize("place", NORMALIZED)
def test_batch_norm_of_a_module_is_folded_into_a_linear(place: str) -> None:
    network = nn.Sequential(*NORMALIZED[place]())
    for _ in range(5):
        network(2 * torch.randn(32, 6) + 1)
    same_as_torch(cp.from_torch(network), network)


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_batch_norm_of_a_state_dict_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    state = nn.Sequential(*NORMALIZED["before the activation"]()).state_dict()
    if kind == "safetensors":
        save_file(state, tmp_path / "state.safetensors")
    given = reread(state, tmp_path) if kind == "pt" else read_safetensors(tmp_path / "state.safetensors")
    with pytest.raises(InvalidArgument, match="has a BatchNorm, '1', and does not tell its eps"):
        cp.from_torch(given)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([nn.Linear(6, 3), nn.ReLU(), nn.BatchNorm1d(3)], "has a BatchNorm after its last activation"),
        (
            [nn.Linear(6, 3), nn.BatchNorm1d(3, track_running_stats=False)],
            "its predictions depend on the batch",
        ),
        (
            [nn.Linear(6, 3), nn.BatchNorm1d(4)],
            "beside 3 outputs or inputs of a Linear, which it does not fit",
        ),
        ([nn.Linear(6, 3), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(3, 2)], "which it does not fit"),
        ([nn.Linear(6, 3), nn.ReLU(), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 2)], r"has 'Tanh\(\)'"),
        ([nn.Linear(6, 3), nn.LayerNorm(3), nn.Linear(3, 2)], "has 'LayerNorm"),
    ],
)
def test_normalization_that_cannot_be_folded_is_refused(modules: list[nn.Module], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        cp.from_torch(nn.Sequential(*modules))


def test_layer_norm_of_a_state_dict_is_refused() -> None:
    state = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 3)).state_dict()
    with pytest.raises(
        InvalidArgument, match=r"'1.weight' has shape \(8,\).*a LayerNorm or BatchNorm of one"
    ):
        cp.from_torch(state)


# --- numbers that are not there ---


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            lambda: nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.Linear(8, 3)),
            "no weights before its first batch",
        ),
        (lambda: nn.LazyLinear(3).state_dict(), "'weight' has no numbers that can be copied"),
        (lambda: nn.Linear(6, 3, device="meta"), "'weight' is on the device meta, which holds no numbers"),
        (lambda: nn.Linear(6, 3, device="meta").state_dict(), "'weight' is on the device meta"),
        (lambda: {"weight": torch.eye(6).to_sparse()}, "'weight' has no numbers that can be copied"),
        (lambda: {"weight": torch.eye(6) + 0j}, "'weight' has numbers of type complex64"),
        (lambda: {0: torch.eye(6)}, "has 0 for a name"),
        (lambda: {"bias": torch.zeros(3)}, "has 'bias' without a weight"),
        (lambda: torch.jit.script(nn.Sequential(nn.Linear(6, 3))), "its forward may compute anything"),
        (lambda: nn.ModuleList([nn.Linear(6, 3)]), "give the torch.nn.Sequential in it, or its state_dict"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Lazy modules:UserWarning")
def test_network_without_readable_weights_is_one_sentence(source: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        cp.from_torch(source())


@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
def test_lazy_module_is_read_after_its_first_batch() -> None:
    network = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3))
    network(torch.from_numpy(X))
    same_as_torch(cp.from_torch(network), network)


def test_flatten_softmax_and_dropout_anywhere_do_not_change_rows() -> None:
    network = nn.Sequential(
        nn.Flatten(),
        nn.Linear(6, 8),
        nn.AlphaDropout(),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8, 3),
        nn.Dropout(),
    ).train()
    same_as_torch(cp.from_torch(network), network)
    ended = nn.Sequential(network, nn.Softmax())
    assert cp.from_torch(ended).network.output == "softmax"
