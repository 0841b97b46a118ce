"""What torchmortem 0.1.1 says of a case: it watches the training in PyTorch, and its findings name signals.

torchmortem names symptoms, not the causes of Clearprop. ``CAUSES_OF`` reads every finding in its favour: as
each cause that the finding's own text and remedies speak of.
"""

from __future__ import annotations

import logging
import time
import warnings
from dataclasses import dataclass

from programs.case import Case
from reference_trainer import train_reference

try:
    import torchmortem
except ImportError:
    torchmortem = None

#: Beginnings of the titles of findings, and the causes that they may stand for.
CAUSES_OF = {
    "Dead units": {"dead_relu", "initialization", "learning_rate_too_high"},
    "Vanishing gradients": {"saturating_hidden_activation", "initialization"},
    "Exploding gradients": {
        "learning_rate_too_high",
        "initialization",
        "inputs_not_scaled",
        "targets_not_scaled",
    },
    "Training divergence": {"learning_rate_too_high", "inputs_not_scaled", "targets_not_scaled"},
    "Gradient stalling": {"learning_rate_too_low", "saturating_hidden_activation", "initialization"},
    "High gradient noise": {"learning_rate_too_high", "noisy_labels"},
    "Loss plateau": {"learning_rate_too_low"},
    "Rank collapse": {"too_few_units", "initialization", "weight_decay_too_high"},
    "Activation saturation": {"saturating_hidden_activation", "initialization", "inputs_not_scaled"},
    "Update ratio too low": {"learning_rate_too_low", "targets_not_scaled"},
    "Update ratio too high": {"learning_rate_too_high"},
    "Weight norm explosion": {"learning_rate_too_high"},
    "Stagnant weight norms": {"learning_rate_too_low", "weight_decay_too_high"},
    "Inter-layer weight norm imbalance": {"initialization"},
}


@dataclass(frozen=True)
class Peer:
    """torchmortem's findings from warnings on, the worst first."""

    titles: tuple[str, ...]
    right: bool
    seconds: float


@dataclass(frozen=True)
class PeerSummary:
    """Cells of the table."""

    right: str
    alarms: str
    seconds: str


def ask(case: Case) -> Peer | None:
    """Train a case under torchmortem; None where it is not installed."""
    if torchmortem is None:
        return None
    logging.getLogger("torchmortem").setLevel(logging.ERROR)
    watched = []

    def watch(module, optimizer):
        autopsy = torchmortem.Autopsy(module, optimizer=optimizer)
        autopsy.attach()
        watched.append(autopsy)
        return lambda loss: autopsy.step(loss=loss)

    written = case.written
    started = time.perf_counter()
    with warnings.catch_warnings():
        # its hook on the first layer warns that the inputs need no gradient
        warnings.simplefilter("ignore", UserWarning)
        train_reference(written.program, written.x, written.y, watch=watch)
    (autopsy,) = watched
    autopsy.detach()
    findings = [
        each for each in autopsy.get_report().findings if each.severity >= torchmortem.Severity.WARNING
    ]
    findings.sort(key=lambda each: -each.severity)
    titles = tuple(each.title for each in findings)
    causes = {
        cause for start, of in CAUSES_OF.items() if titles and titles[0].startswith(start) for cause in of
    }
    right = bool(causes & {case.cause, *case.equivalents}) if case.cause else not titles
    return Peer(titles, right, time.perf_counter() - started)


def summary(found: list[tuple[str | None, Peer]]) -> PeerSummary:
    """Return the share of failing programs whose first finding fits, and of healthy ones with any finding."""
    if not found:
        return PeerSummary(*(["not installed"] * 3))
    failing = [peer.right for cause, peer in found if cause is not None]
    alarms = [not peer.right for cause, peer in found if cause is None]
    seconds = sorted(peer.seconds for _, peer in found)
    return PeerSummary(
        f"{sum(failing) / max(len(failing), 1):.0%}",
        f"{sum(alarms) / max(len(alarms), 1):.0%}",
        f"{seconds[len(seconds) // 2]:.1f} ({seconds[-1]:.1f})",
    )
