"""Detectors: which of six directions of motion a system holds poorly, each in the basis in which it judges.

A detector looks at H, or at the pairs behind it, and returns a `Weakness`. What is then done about the weak
directions is a matter of `core.registration.cures`; every detector goes with every cure.

Names as in the field: ME minimum eigenvalue of H, FCN full condition number, CN condition numbers of the
diagonal blocks, Schur DCReg's condition numbers, X-ICP's localizability, SuperLoc's observability; the
absolute test is an addition, see `core.registration.report`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from core.iterate import Array
from core.linalg.lie import hat
from core.registration.degeneracy import CONDITION_THRESHOLD, analyse_degeneracy
from core.registration.evidence import Pairs, cross
from core.registration.metrics import residual_scale
from core.registration.report import INFORMATION_FLOOR
from core.registry import param

DETECTORS = {
    "none": "none",
    "me": "smallest eigenvalues (ME)",
    "fcn": "full condition number (FCN)",
    "fcn_scaled": "full condition number, rotations times lever",
    "cn": "condition numbers of the two blocks (CN)",
    "schur": "Schur condition numbers (DCReg)",
    "xicp": "localizability (X-ICP)",
    "superloc": "observability votes (SuperLoc)",
    "absolute": "predicted standard deviation",
    "schur_absolute": "Schur condition numbers or predicted standard deviation",
}
#: Detectors that count pairs and cannot judge by H alone.
COUNTING = frozenset({"xicp", "superloc", "absolute", "schur_absolute"})
#: Shares of votes, three times, below which SuperLoc calls roll, pitch, yaw, x, y, z unobservable.
OBSERVABILITY_LIMITS = (0.2, 0.1, 0.2, 0.2, 0.1, 0.2)
#: Relative size of an eigenvalue that counts as zero where it is divided by.
ZERO = 1e-12
ROTATION, TRANSLATION, ALL = slice(0, 3), slice(3, 6), slice(0, 6)
BY_KIND = (ROTATION, TRANSLATION)


@dataclass(frozen=True)
class Thresholds:
    """What the detectors compare with."""

    condition_threshold: float = param(
        CONDITION_THRESHOLD, low=1.01, high=10_000.0, log=True, label="κ threshold",
        doc="FCN, CN, Schur: a direction is weak if the strongest is more than this many times stronger",
    )  # fmt: skip
    eigenvalue_threshold: float = param(
        120.0, low=1e-6, high=1e7, log=True, advanced=True,
        doc="ME: a direction is weak if its eigenvalue of H is smaller; it grows with the number of points",
    )  # fmt: skip
    largest_angle: float = param(
        80.0, low=30.0, high=89.0, unit="°", label="contributing angle", advanced=True,
        doc="X-ICP: a pair contributes to a direction if its normal or moment is within this angle of it",
    )  # fmt: skip
    strong_angle: float = param(
        45.0, low=15.0, high=75.0, unit="°", label="strongly contributing angle", advanced=True,
        doc="X-ICP: a pair contributes strongly if it is within this angle",
    )  # fmt: skip
    enough: float = param(
        300.0, low=1.0, high=1e6, log=True, label="enough contribution", advanced=True,
        doc="X-ICP: a direction is localizable if contributions add up to this much",
    )  # fmt: skip
    insufficient: float = param(
        150.0, low=1.0, high=1e6, log=True, label="insufficient contribution", advanced=True,
        doc="X-ICP: a direction is localizable if strong contributions add up to this much",
    )  # fmt: skip
    high: float = param(
        300.0, low=1.0, high=1e6, log=True, label="high contribution", advanced=True,
        doc="X-ICP in three categories: localizable from this contribution on",
    )  # fmt: skip
    categories: str = param(
        "two", label="X-ICP categories", advanced=True,
        choices={"two": "localizable or not", "three": "localizable, partly, not"},
        doc="X-ICP: whether partly localizable directions get a value from the pairs that contribute",
    )  # fmt: skip
    deviation_rotation: float = param(
        0.1, low=1e-4, high=90.0, log=True, unit="°", label="rotation deviation", advanced=True,
        doc="absolute test: a rotation is weak if its predicted standard deviation is larger",
    )  # fmt: skip
    deviation_translation: float = param(
        0.01, low=1e-5, high=10.0, log=True, unit="m", label="translation deviation", advanced=True,
        doc="absolute test: a translation is weak if its predicted standard deviation is larger",
    )  # fmt: skip

    def check(self) -> None:
        """Raise ValueError if a threshold makes no sense."""
        if not self.condition_threshold > 1.0:
            raise ValueError(
                f"condition_threshold must exceed 1, not {self.condition_threshold}: λ_max/λ is never smaller"
            )
        if not 0.0 < self.strong_angle <= self.largest_angle < 90.0:
            raise ValueError("angles must satisfy 0 < strong_angle <= largest_angle < 90")
        for name in ("eigenvalue_threshold", "enough", "insufficient", "deviation_rotation",
                     "deviation_translation"):  # fmt: skip
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must not be negative")


@dataclass(frozen=True, slots=True, eq=False)
class Weakness:
    """What a detector says of a system.

    A step δ has the coordinates y_i = f_i·δ in the detector's basis, and δ = Σ y_i m_i. For an orthonormal
    basis m_i = f_i.

    Attributes
    ----------
    functionals, motions : (6, 6) row i is f_i, column i is m_i; each the inverse of the other.
    strengths : (6,) what was compared: eigenvalues, contributions, votes, standard deviations.
    weak : (6,) bool.
    information : (6,) inverse variance of y_i for residuals of unit variance.
    axes : (6,) which of roll, pitch, yaw, x, y, z direction i is named after.
    blocks : parts of the six within which the detector compares.
    values : (6,) what a weak y_i should be: 0, but for X-ICP's partly localizable directions.
    details : further numbers worth recording.
    """

    functionals: Array
    motions: Array
    strengths: Array
    weak: NDArray[np.bool_]
    information: Array
    axes: NDArray[np.int64]
    blocks: tuple[slice, ...] = BY_KIND
    values: Array = field(default_factory=lambda: np.zeros(6))
    details: Mapping[str, Array] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(6,) roll, pitch, yaw, x, y, z: whether a weak direction is named after it."""
        flagged = np.zeros(6, dtype=bool)
        flagged[self.axes[self.weak]] = True
        return flagged

    @property
    def mask_text(self) -> str:
        """Six characters 0 or 1: roll, pitch, yaw, x, y, z."""
        return "".join("1" if flagged else "0" for flagged in self.mask)


def detect(
    name: str,
    H: Array,
    thresholds: Thresholds | None = None,
    pairs: Callable[[], Pairs] | None = None,
) -> Weakness:
    """Judge one system by the detector `name`.

    Parameters
    ----------
    name : a key of `DETECTORS`.
    H : (6, 6) point-to-plane Hessian, rotation block first.
    pairs : makes the pairs behind H; those in `COUNTING` need it.

    Raises
    ------
    ValueError
        If the detector is unknown, a threshold makes no sense, H is not finite, or pairs are needed and not
        given.
    """
    thresholds = thresholds or Thresholds()
    thresholds.check()
    if H.shape != (6, 6) or not np.isfinite(H).all():
        raise ValueError("H must be a finite (6, 6) matrix")
    if name in COUNTING:
        if pairs is None:
            raise ValueError(f"the detector {name!r} counts pairs: it cannot judge by H alone")
        return _COUNTING[name](H, pairs(), thresholds)
    if name not in _SPECTRAL:
        raise ValueError(f"the detector must be one of {', '.join(DETECTORS)}, not {name!r}")
    return _SPECTRAL[name](H, thresholds)


# --- detectors that need H alone ------------------------------------------------------------------------


def nothing_weak(H: Array, thresholds: Thresholds) -> Weakness:
    """Return the eigenvectors of H, none of them flagged."""
    values, V = np.linalg.eigh(H)
    return _spectral(H, values, V, V.T, np.zeros(6, dtype=bool))


def minimum_eigenvalue(H: Array, thresholds: Thresholds) -> Weakness:
    """Flag eigenvectors of H with λ < τ (Zhang, Kaess & Singh 2016)."""
    values, V = np.linalg.eigh(H)
    return _spectral(H, values, V, V.T, values < thresholds.eigenvalue_threshold)


def full_condition(H: Array, thresholds: Thresholds) -> Weakness:
    """Flag eigenvectors of H with λ_max/λ > κ; compares rad with m."""
    values, V = np.linalg.eigh(H)
    return _spectral(H, values, V, V.T, values[-1] > thresholds.condition_threshold * values)


def scaled_condition(H: Array, thresholds: Thresholds) -> Weakness:
    """Flag as `full_condition`, with rotations measured by the way that a point at the RMS lever moves.

    D = diag(L, L, L, 1, 1, 1), D⁻¹HD⁻¹ = UΛUᵀ; y = UᵀDδ. Then all six numbers are in m.
    """
    D = np.diag([lever_of(H)] * 3 + [1.0] * 3)
    inverse = np.diag(1.0 / np.diag(D))
    values, U = np.linalg.eigh(inverse @ H @ inverse)
    weak = values[-1] > thresholds.condition_threshold * values
    return _spectral(H, values, inverse @ U, U.T @ D, weak)


def block_condition(H: Array, thresholds: Thresholds) -> Weakness:
    """Flag all rotations if κ(H_RR) > κ, all translations if κ(H_tt) > κ."""
    F, strengths = _blocks(H[ROTATION, ROTATION], H[TRANSLATION, TRANSLATION])
    weak = np.zeros(6, dtype=bool)
    for block in BY_KIND:
        values = strengths[block]
        weak[block] = values.max() > thresholds.condition_threshold * values.min()
    return Weakness(F, F.T, strengths, weak, marginal_information(H, F), np.arange(6))


def schur_condition(H: Array, thresholds: Thresholds) -> Weakness:
    """Flag eigenvectors of the Schur complements S_R, S_t with λ_max/λ > κ (DCReg)."""
    found = analyse_degeneracy(H, thresholds.condition_threshold)
    F = np.zeros((6, 6))
    F[ROTATION, ROTATION], F[TRANSLATION, TRANSLATION] = found.vectors[0].T, found.vectors[1].T
    strengths = found.aligned.ravel()
    return Weakness(F, F.T, strengths, found.mask, strengths, np.arange(6))


# --- detectors that count pairs -------------------------------------------------------------------------


def absolute(H: Array, pairs: Pairs, thresholds: Thresholds) -> Weakness:
    """Flag Schur directions that are held poorly in absolute terms (an addition).

    A direction is weak if σ = s/√λ exceeds the limit, s = 1.4826 MAD of the residuals, or if its information
    per point, for rotations over the squared lever, is below what noisy normals feign.
    """
    basis = schur_condition(H, thresholds)
    information = np.maximum(basis.information, 0.0)
    held = information > 0.0
    deviations = np.full(6, math.inf)
    deviations[held] = residual_scale(pairs.residuals) / np.sqrt(information[held])
    limits = np.repeat([math.radians(thresholds.deviation_rotation), thresholds.deviation_translation], 3)
    floors = INFORMATION_FLOOR * len(pairs) * np.repeat([pairs.lever**2, 1.0], 3)
    return Weakness(
        basis.functionals, basis.motions, np.minimum(deviations, 1e300),
        (deviations > limits) | (information < floors), basis.information, basis.axes,
    )  # fmt: skip


def schur_or_absolute(H: Array, pairs: Pairs, thresholds: Thresholds) -> Weakness:
    """Flag what `schur_condition` or `absolute` flags: the two tests of the page's report together."""
    relative = schur_condition(H, thresholds)
    return replace(relative, weak=relative.weak | absolute(H, pairs, thresholds).weak)


def localizability(H: Array, pairs: Pairs, thresholds: Thresholds) -> Weakness:
    """Flag directions to which too few pairs contribute (X-ICP, the rule of its field analysis).

    Points are centred. The directions u are eigenvectors of the diagonal blocks of Σ s² F Fᵀ with
    F = [(p − p̄) × ñ; ñ]. A pair contributes |a·u|, with a = ñ for translations and a = (p − p̄) × ñ, shortened
    to length 1 where longer, for rotations. L_c sums what lies within `largest_angle`, L_s what lies within
    `strong_angle`; localizable if L_c ≥ enough or L_s ≥ insufficient.

    y_i = u·ω for rotations and u·v̄ for translations, v̄ = v + ω × p̄ the motion of the centroid.

    In three categories a direction is localizable if L_c ≥ high or L_s ≥ enough; partly if L_c ≥ enough or
    L_s ≥ insufficient: then y_i is found by the contributing (or the strongly contributing) pairs alone.
    """
    weights = pairs.scales**2
    centre = pairs.points.mean(axis=0)
    normals = pairs.body_normals
    moments = cross(pairs.points - centre, normals)
    F, _ = _blocks(moments.T @ (weights[:, None] * moments), normals.T @ (weights[:, None] * normals))
    moments /= np.sqrt(np.maximum((moments**2).sum(axis=1), 1.0))[:, None]
    contributing, strong, values = np.empty(6), np.empty(6), np.zeros(6)
    weak = np.zeros(6, dtype=bool)
    mild, strict = (math.cos(math.radians(a)) for a in (thresholds.largest_angle, thresholds.strong_angle))
    for i in range(6):
        block = ROTATION if i < 3 else TRANSLATION
        s = np.abs((moments if i < 3 else normals) @ F[i, block])
        contributing[i], strong[i] = s @ (s >= mild), s @ (s > strict)
        is_partly = contributing[i] >= thresholds.enough or strong[i] >= thresholds.insufficient
        if thresholds.categories == "two":
            weak[i] = not is_partly
            continue
        weak[i] = contributing[i] < thresholds.high and strong[i] < thresholds.enough
        if weak[i] and is_partly:
            chosen = s >= mild if contributing[i] >= thresholds.enough else s > strict
            values[i] = F[i, block] @ _partial_step(pairs, chosen, is_rotation=i < 3)
    # to the centred frame and back: v̄ = v − [p̄]× ω
    shift = np.eye(6)
    shift[TRANSLATION, ROTATION] = -hat(centre)
    functionals = F @ shift
    motions = np.linalg.inv(shift) @ F.T
    return Weakness(
        functionals, motions, contributing, weak, marginal_information(H, functionals), np.arange(6),
        values=values,
        details={"contribution": contributing, "strong_contribution": strong},
    )  # fmt: skip


def observability(H: Array, pairs: Pairs, thresholds: Thresholds) -> Weakness:
    """Flag axes of the sensor that few pairs vote for (SuperLoc).

    Each pair votes for the axis with the largest |n·axis| among translations and the largest |(p × n)·axis|
    among rotations. Score = min(1, 3 · share of votes): 1 well observed, 0 unobservable. Moments are taken
    about the sensor; in the published code they are about the origin of the map.
    """
    shares = [
        np.bincount(np.abs(vectors).argmax(axis=1), minlength=3) / max(len(pairs), 1)
        for vectors in (pairs.rows[:, :3], pairs.body_normals)
    ]
    scores = np.minimum(1.0, 3.0 * np.concatenate(shares))
    F = np.eye(6)
    weak = scores < np.array(OBSERVABILITY_LIMITS)
    return Weakness(F, F.T, scores, weak, marginal_information(H, F), np.arange(6))


# --- shared pieces --------------------------------------------------------------------------------------


def lever_of(H: Array) -> float:
    """Return the RMS lever arm √(tr H_RR / tr H_tt) [m] of the rows in H (6, 6); 1 without translations."""
    translation = float(np.trace(H[TRANSLATION, TRANSLATION]))
    ratio = float(np.trace(H[ROTATION, ROTATION])) / translation if translation > 0.0 else 1.0
    return math.sqrt(ratio) if ratio > 0.0 else 1.0


def marginal_information(H: Array, functionals: Array) -> Array:
    """Return 1/(f H⁻¹ fᵀ) for each row f of `functionals` (m, 6); next to nothing where H is singular."""
    values, V = np.linalg.eigh(H)
    floored = np.maximum(values, max(ZERO * float(values[-1]), np.finfo(float).tiny))
    return np.asarray(1.0 / (((functionals @ V) ** 2) / floored).sum(axis=1))


def _spectral(H: Array, values: Array, M: Array, F: Array, weak: NDArray[np.bool_]) -> Weakness:
    """Return the weakness in a basis with MᵀHM = diag(values), named by the largest shares of the motions.

    Rotations are measured by the way of a point at the RMS lever, so that shares can be compared.
    """
    shares = M**2
    shares[ROTATION] *= lever_of(H) ** 2
    shares /= shares.sum(axis=0)
    direction, axis = linear_sum_assignment(-shares.T)
    axes = np.empty(6, dtype=np.int64)
    axes[direction] = axis
    return Weakness(F, M, values, weak, values, axes, blocks=(ALL,))


def _blocks(rotation: Array, translation: Array) -> tuple[Array, Array]:
    """Return the eigenvectors of two (3, 3) blocks as rows (6, 6), named after axes, and eigenvalues (6,)."""
    F, values = np.zeros((6, 6)), np.empty(6)
    for block, matrix in ((ROTATION, rotation), (TRANSLATION, translation)):
        eigenvalues, V = np.linalg.eigh(matrix)
        free = [0, 1, 2]
        for a in range(3):  # greedy in the order of the axes, as DCReg names its directions
            j = max(free, key=lambda j: abs(V[a, j]))
            free.remove(j)
            F[block.start + a, block] = V[:, j] * (1.0 if V[a, j] >= 0.0 else -1.0)
            values[block.start + a] = eigenvalues[j]
    return F, values


def _partial_step(pairs: Pairs, chosen: NDArray[np.bool_], *, is_rotation: bool) -> Array:
    """Return the rotation or the translation (3,) that fits the chosen pairs best, the other held."""
    a = pairs.body_normals[chosen]
    if is_rotation:
        points = pairs.points[chosen]
        a = cross(points - points.mean(axis=0), a)
    return np.asarray(np.linalg.lstsq(a, -pairs.residuals[chosen], rcond=None)[0])


_SPECTRAL: Mapping[str, Callable[[Array, Thresholds], Weakness]] = MappingProxyType(
    {
        "none": nothing_weak,
        "me": minimum_eigenvalue,
        "fcn": full_condition,
        "fcn_scaled": scaled_condition,
        "cn": block_condition,
        "schur": schur_condition,
    }
)
_COUNTING: Mapping[str, Callable[[Array, Pairs, Thresholds], Weakness]] = MappingProxyType(
    {
        "absolute": absolute,
        "schur_absolute": schur_or_absolute,
        "xicp": localizability,
        "superloc": observability,
    }
)
