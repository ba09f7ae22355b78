"""What can be set for every method of registration, and what every one records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from core.registry import Scalar, Scale, param

#: What the page calls the robust kernels and the solvers.
KERNELS = {
    "l2": "none (least squares)", "l1": "L1", "huber": "Huber", "cauchy": "Cauchy",
    "geman_mcclure": "Geman-McClure", "tukey": "Tukey", "linear": "linear (LOAM)",
}  # fmt: skip
SOLVER_NAMES = {"eigen": "eigenvalue pseudo-inverse", "ldlt": "LDLᵀ", "qr": "QR with pivoting"}

#: Every registration method records these at every k.
SCALARS: Mapping[str, Scalar] = MappingProxyType(
    {
        "rmse": Scalar("RMS point-to-plane distance", "m", Scale.LOG),
        "fitness": Scalar("share of source points with a partner"),
        "correspondences": Scalar("pairs"),
        "step_rotation": Scalar("rotation of the last step", "rad", Scale.LOG),
        "step_translation": Scalar("translation of the last step", "m", Scale.LOG),
        "condition_rotation": Scalar("κ of rotation (S_R)", "", Scale.LOG),
        "condition_translation": Scalar("κ of translation (S_t)", "", Scale.LOG),
        "condition_full": Scalar("κ of the whole H", "", Scale.LOG),
        "level": Scalar("pyramid level (0 = finest)"),
        "max_distance": Scalar("largest distance of a pair", "m"),
    }
)


@dataclass(frozen=True)
class AlignmentSettings:
    """What all registration methods have in common."""

    max_iterations: int = param(100, low=1, high=10_000, log=True, doc="steps of all levels together")
    max_distance: float = param(
        1.0, low=0.001, high=1000.0, log=True, unit="m",
        doc="farther points are no pair; each coarser level doubles it",
    )  # fmt: skip
    kernel: str = param(
        "cauchy", choices=KERNELS, label="robust kernel", doc="how far-off pairs are weighed down"
    )
    kernel_scale: float = param(
        0.05, low=0.001, high=100.0, log=True, unit="m",
        doc="residual at which the robust kernel sets in; each coarser level doubles it",
    )  # fmt: skip
    solver: str = param(
        "eigen", choices=SOLVER_NAMES, advanced=True,
        doc="what solves H δ = g; they differ only where H is singular",
    )  # fmt: skip
    update: str = param(
        "se3",
        choices={"se3": "SE(3): T·Exp(δ)", "so3": "SO(3): R·Exp(ω), t + R·v"},
        advanced=True, doc="how a step changes the pose; both have the same limits",
    )  # fmt: skip
    rtol_rotation: float = param(
        1e-5, low=1e-14, high=0.1, log=True, unit="rad", label="rotation tolerance",
        doc="stop when a step turns and moves less than both tolerances",
    )  # fmt: skip
    rtol_translation: float = param(
        1e-3, low=1e-14, high=10.0, log=True, unit="m", label="translation tolerance",
        doc="stop when a step turns and moves less than both tolerances",
    )  # fmt: skip
    start_stride: int = param(
        1, low=1, high=64, label="thinned start", advanced=True,
        doc="begin with every n-th point until steps are small, then use all; 1 = all from the start",
    )  # fmt: skip


@dataclass(frozen=True)
class PlaneSettings(AlignmentSettings):
    """The settings of methods that minimise point-to-plane distances."""

    correspondence: str = param(
        "nearest",
        choices={"nearest": "nearest point, precomputed normal", "loam": "plane through 5 points (LOAM)"},
        doc="loam is the model of DCReg's publication; it is not invariant under translation",
    )  # fmt: skip
