"""DIFF2: full-gradient descent with differential privacy that releases gradient differences between restarts.

A difference of clipped gradients changes by no more than the step allows, so its noise shrinks as the
iterates settle. DP-GD, which releases a clipped gradient every round, is the control.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Array, Iterate, Preparation, Progress, Work
from core.optimizers.explanation import Line, Number, Step
from core.optimizers.landscape import Landscape
from core.optimizers.network_descent import End
from core.optimizers.panels import Panel
from core.optimizers.per_sample import PerSample, clipped_mean
from core.optimizers.privacy import Ledger, noise_scales, tightened
from core.optimizers.private_views import private_panels
from core.optimizers.steps import SCALARS, FirstOrder
from core.optimizers.training import Training
from core.registry import Scalar, Scale, method, param
from core.trace import TraceView

SOURCE = (
    "Murata & Suzuki 2023, DIFF2: Differential Private Optimization via Gradient Differences for Nonconvex "
)
#: Parameters up to which the terms of every round are kept.
EXPLAINED = 2000
PRIVATE_SCALARS = SCALARS | {
    "noise_std": Scalar("noise of this release", scale=Scale.LOG),
    "epsilon_spent": Scalar("ε spent"),
    "clipped": Scalar("share of samples clipped"),
    "cosine": Scalar("cosine of the release and the true gradient"),
}


@dataclass(frozen=True)
class Private(FirstOrder):
    """Parameters of DIFF2 and of DP-GD."""

    steps: int = param(150, low=1, high=5000, log=True, label="rounds", doc="rounds R, one release each")
    lr: float = param(0.1, low=1e-7, high=10.0, log=True, label="learning rate", doc="learning rate η")
    epsilon: float = param(
        1.0, low=0.0, high=100.0, label="ε", doc="privacy of the whole training; 0 = no noise, no privacy"
    )
    delta: float = param(1e-5, low=1e-12, high=0.1, log=True, label="δ", doc="δ at which ε holds")
    clip: float = param(1.0, low=1e-3, high=1e6, log=True, label="C₁", doc="clipping radius of gradients")
    calibration: str = param(
        "paper", choices={"paper": "as the paper proves", "tight": "until the ledger ends at ε"},
        doc="how much noise is added for ε",
    )  # fmt: skip

    def prepare(self, problem: Landscape) -> Preparation[Landscape]:
        """Load torch."""
        yield Progress("loading torch")
        import torch.func  # noqa: F401

        return problem

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a round with their numbers."""
        x, old, mean, noise = (step[name] for name in ("x", "release_before", "clipped_mean", "noise"))
        v = old + mean + noise
        numbers: dict[str, Number] = {"release_old": old, "clipped": mean, "noise": noise}
        if step.k % self.between()[0]:
            template, words = "<release_old> + <clipped> + <noise>", "clipped differences, and noise"
        else:
            template, words = "<clipped> + <noise>", "clipped gradients, and noise"
            del numbers["release_old"]
        yield Line("release", template, numbers, v, words)
        numbers = {"x": x, "lr": self.lr, "release": v}
        yield Line("x_", "<x> - <lr> <release>", numbers, x - self.lr * v)

    def between(self) -> tuple[int, float]:
        """Return the rounds T from restart to restart, and the radius C₂ per unit of step."""
        raise NotImplementedError

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the parameters of every round.

        ``loss``, ``grad_norm`` and ``cosine`` are of the true gradient: only a demonstration may look at it.

        Raises
        ------
        ValueError
            If there are no samples to be private, the network mixes them, or T is longer than the training.
        """
        if not isinstance(problem, Training):
            raise ValueError(
                "there are no samples whose privacy could be kept; take dp_regression or a network"
            )
        if problem.network.mixes_samples:
            raise ValueError("batch normalisation mixes the samples, so that none has a gradient of its own")
        if self.between()[0] > self.steps:
            raise ValueError(
                f"a restart every {self.between()[0]} rounds needs as many rounds, not {self.steps}"
            )
        return _descend(self, problem)

    def scales(self, samples: int) -> tuple[float, float]:
        """Return σ₁ and σ₂ for so many samples; 0 without privacy."""
        if self.epsilon == 0:
            return 0.0, 0.0
        setting = (self.epsilon, self.delta, self.steps, self.between()[0], samples)
        scales = noise_scales(*setting)
        return tightened(scales, *setting) if self.calibration == "tight" else scales

    def panels(self, problem: Training, view: TraceView, k: int) -> Iterator[Panel]:
        """Yield noise, privacy and clipping of every round, and the gradient beside the noise."""
        return private_panels(self, problem, view)


@method(
    "diff2", lab="optimizers", title="DIFF2", source=SOURCE + "Objectives, ICML", example="dp_regression",
    assumes="a network whose samples have gradients of their own", scalars=PRIVATE_SCALARS, colour=29,
    kind="training", order=18,
)  # fmt: skip
@dataclass(frozen=True)
class Diff2(Private):
    """v ← v + mean clip(∇ℓᵢ(x) − ∇ℓᵢ(x⁻), C₂‖x − x⁻‖) + noise, and every T rounds as DP-GD does.

    The noise of a difference is proportional to the step. It adds up from round to round, so that too long a
    way between restarts loses again what short differences gain.

    Notes
    -----
    ε is that of this training alone: radii, rate and T that were tried out on the same data cost more. The
    noise comes from a seed, so that a run can be repeated; who knows the seed can take it off again.
    """

    restart: int = param(6, low=1, high=5000, log=True, label="T", doc="rounds from restart to restart")
    clip_difference: float = param(
        3.0,
        low=1e-3,
        high=1e6,
        log=True,
        label="C₂",
        doc="clipping radius of differences, per length of step",
    )

    def between(self) -> tuple[int, float]:
        """Return T and C₂."""
        return self.restart, self.clip_difference


@method(
    "dp_gd", lab="optimizers", title="DP-GD", example="dp_regression", scalars=PRIVATE_SCALARS, colour=30,
    source="Abadi et al. 2016, Deep Learning with Differential Privacy, CCS; control of DIFF2",
    assumes="a network whose samples have gradients of their own", kind="training", order=19,
)  # fmt: skip
@dataclass(frozen=True)
class DpGd(Private):
    """Gradient descent by the mean of clipped gradients with noise: DIFF2 that restarts every round."""

    def between(self) -> tuple[int, float]:
        """Return 1: there are no differences."""
        return 1, 1.0


def _descend(settings: Private, training: Training) -> Iterator[Iterate]:
    samples = PerSample(training)
    N, (T, C2) = len(training.function), settings.between()
    sigma1, sigma2 = settings.scales(N)
    ledger, end = Ledger(settings.delta, N), End(settings, training)
    rng = np.random.default_rng(np.random.SeedSequence(training.seed, spawn_key=(4,)))
    x, x_old, v = training.start.copy(), training.start.copy(), np.zeros(training.n)
    gradients_old: Array | None = None
    step_norm = math.nan
    for k in range(settings.steps + 1):
        loss, gradients = samples(x)
        mean = gradients.mean(axis=0)
        norm = float(np.linalg.norm(mean))
        status, note = end.judge(k, loss, norm, mean)
        spread, share, cosine = math.nan, math.nan, math.nan
        arrays: dict[str, Array] = {}
        if not status.terminal:
            v_old = v
            if k % T == 0 or gradients_old is None:
                v_old = np.zeros_like(v)
                clipped, share = clipped_mean(gradients, settings.clip)
                spread, scale = settings.clip * sigma1, sigma1
            else:
                radius = C2 * float(np.linalg.norm(x - x_old))
                # in place: a new array of this size costs more than the difference
                clipped, share = clipped_mean(
                    np.subtract(gradients, gradients_old, out=gradients_old), radius
                )
                spread, scale = radius * sigma2, sigma2
            noise = spread * rng.standard_normal(training.n)
            v = v_old + clipped + noise
            if training.n <= EXPLAINED:
                arrays = {"release_before": v_old, "clipped_mean": clipped, "noise": noise}
                arrays["step"] = -settings.lr * v
            ledger.add(scale)
            size = norm * float(np.linalg.norm(v))
            cosine = float(mean @ v) / size if size > 0 else math.nan
        scalars = {
            "loss": loss, "grad_norm": norm, "step_norm": step_norm, "distance_to_minimum": math.nan,
            "lr": settings.lr, "noise_std": spread, "epsilon_spent": ledger.spent, "clipped": share,
            "cosine": cosine, **training.measured_at(k, status.terminal, x),
        }  # fmt: skip
        work = Work(gradient=k + 1, evaluation=k + 1, units=2.0 * (k + 1))
        yield Iterate(k, x.copy(), scalars, arrays, work, status, note)
        if status.terminal:
            return
        # T = 1 never looks back
        gradients_old = gradients if T > 1 else None
        x_old, x = x, x - settings.lr * v
        step_norm = float(np.linalg.norm(x - x_old))
