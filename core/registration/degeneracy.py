"""Which of the six rigid motions the matched geometry constrains, and how well (DCReg's detection).

H = Σ w JᵀJ over the twist [omega, v] of the source frame. Eliminating translation from rotation and rotation
from translation leaves S_R and S_t, whose eigenvectors are named by the axes of the source frame; a direction
is flagged if the largest eigenvalue of its block exceeds its own by the threshold. S_R⁻¹ and S_t⁻¹ are the
marginal covariances of rotation and of the position of the source frame's origin, for residuals of unit
variance.

Source: DCReg, arXiv 2509.06285, and its published implementation. Additions: pseudo-inverses, so that an
exactly unobservable block does not hide the other; joint assignment of axes; subspaces of nearly equal
eigenvalues, where single eigenvectors mean nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.registration.kernels.schur import LAYOUT, analyse, analyse_stack

MOTIONS = ("roll", "pitch", "yaw", "x", "y", "z")
KINDS = ("rotation", "translation")
#: Condition number above which a direction is flagged.
CONDITION_THRESHOLD = 10.0
#: Neighbouring eigenvalues within this factor span a subspace without preferred axes.
EQUAL_EIGENVALUES = 1.2

Assignment = Literal["greedy", "optimal"]


@dataclass(frozen=True, slots=True, eq=False)
class Degeneracy:
    """The two Schur complements of a system and what their eigenvectors say.

    Attributes
    ----------
    schur_rotation, schur_translation : (3, 3), per rad² and per m².
    eigenvalues : (2, 3) ascending; row 0 rotation, row 1 translation.
    aligned : (2, 3) eigenvalue of the direction named after each axis.
    vectors : (2, 3, 3); column a of a block is the unit direction named after axis a, source frame.
    mask : (6,) bool, roll, pitch, yaw, x, y, z.
    condition_rotation, condition_translation : λ_max/λ_min of each block.
    condition_full : λ_max/λ_min of H, which mixes rad and m; inf if H is singular.
    """

    schur_rotation: Array
    schur_translation: Array
    eigenvalues: Array
    aligned: Array
    vectors: Array
    mask: NDArray[np.bool_]
    condition_rotation: float
    condition_translation: float
    condition_full: float

    @property
    def contributions(self) -> Array:
        """(2, 3, 3) share v² of component c in the direction named after axis a, at [block, a, c]."""
        return np.swapaxes(self.vectors, 1, 2) ** 2

    @property
    def contributions_l1(self) -> Array:
        """(2, 3, 3) shares |v|/Σ|v|, which the paper's figures show."""
        sizes = np.abs(np.swapaxes(self.vectors, 1, 2))
        return np.asarray(sizes / sizes.sum(axis=2, keepdims=True))

    @property
    def angles(self) -> Array:
        """(2, 3) angle between each direction and its axis [rad]."""
        return np.arccos(np.clip(np.diagonal(self.vectors, axis1=1, axis2=2), -1.0, 1.0))

    @property
    def conditions(self) -> Array:
        """(2, 3) λ_max/λ of the direction named after each axis."""
        return np.asarray(self.eigenvalues[:, 2:] / np.maximum(self.aligned, 1e-12))

    @property
    def mask_text(self) -> str:
        """Six characters 0 or 1: roll, pitch, yaw, x, y, z."""
        return "".join("1" if flagged else "0" for flagged in self.mask)

    def subspaces(self, block: int) -> list[list[int]]:
        """Group the axes of a block (0 rotation, 1 translation) whose eigenvalues are nearly equal.

        Returns
        -------
        Lists of axes; weakest group first. Within a group of more than one the single directions are
        arbitrary, only their span is determined.
        """
        order = np.argsort(self.aligned[block], kind="stable")
        groups = [[int(order[0])]]
        for weaker, stronger in itertools.pairwise(order):
            low, high = self.aligned[block, weaker], self.aligned[block, stronger]
            if high <= EQUAL_EIGENVALUES * max(low, 0.0):
                groups[-1].append(int(stronger))
            else:
                groups.append([int(stronger)])
        return groups


def analyse_degeneracy(
    H: Array, threshold: float = CONDITION_THRESHOLD, assignment: Assignment = "greedy"
) -> Degeneracy:
    """Analyse a point-to-plane Hessian.

    Parameters
    ----------
    H : (6, 6) symmetric, rotation block first; per rad² and per m².
    threshold : > 1.
    assignment : how eigenvectors get axes: one axis after the other, as published, or jointly.

    Raises
    ------
    ValueError
        If H is not a finite (6, 6) matrix or the threshold is not above 1.

    References
    ----------
    DCReg, arXiv 2509.06285: Schur complements, axis alignment, mask.
    """
    if H.shape != (6, 6) or not np.isfinite(H).all():
        raise ValueError("H must be a finite (6, 6) matrix")
    if not threshold > 1.0:
        raise ValueError(f"the condition threshold must exceed 1, not {threshold}")
    # the kernel takes writable arrays only; snapshots of a trace are read-only
    packed = analyse(np.array(H, dtype=np.float64, order="C"), threshold, assignment == "optimal")
    part = {name: packed[i : i + int(np.prod(shape))].reshape(shape) for name, (i, shape) in LAYOUT.items()}
    rotation, translation, full = part["condition"].tolist()
    return Degeneracy(
        schur_rotation=part["schur_rotation"],
        schur_translation=part["schur_translation"],
        eigenvalues=part["eigenvalues"].reshape(2, 3),
        aligned=part["aligned"].reshape(2, 3),
        vectors=part["vectors"],
        mask=part["mask"] > 0.5,
        condition_rotation=rotation,
        condition_translation=translation,
        condition_full=full,
    )


def condition_numbers(H: Array) -> tuple[float, float, float]:
    """Return λ_max/λ_min of S_R, of S_t and of H itself, for a finite writable C-contiguous H (6, 6)."""
    rotation, translation, full = analyse(H, CONDITION_THRESHOLD, False)[-3:].tolist()
    return rotation, translation, full


@dataclass(frozen=True, slots=True, eq=False)
class DegeneracyHistory:
    """What `analyse_degeneracy` finds for each of n systems, as columns for charts.

    Attributes
    ----------
    eigenvalues, aligned : (n, 2, 3) ascending; by axis. Row 0 rotation, row 1 translation.
    vectors : (n, 2, 3, 3), column a named after axis a.
    mask : (n, 6) bool, roll, pitch, yaw, x, y, z.
    condition : (n, 3) of S_R, S_t and H.
    """

    eigenvalues: Array
    aligned: Array
    vectors: Array
    mask: NDArray[np.bool_]
    condition: Array


def analyse_history(
    H: Array, threshold: float = CONDITION_THRESHOLD, assignment: Assignment = "greedy"
) -> DegeneracyHistory:
    """Analyse a stack of Hessians (n, 6, 6), for example those of a run; see `analyse_degeneracy`.

    Raises
    ------
    ValueError
        If H is not a finite (n, 6, 6) stack or the threshold is not above 1.
    """
    if H.ndim != 3 or H.shape[1:] != (6, 6) or not np.isfinite(H).all():
        raise ValueError("H must be a finite (n, 6, 6) stack")
    if not threshold > 1.0:
        raise ValueError(f"the condition threshold must exceed 1, not {threshold}")
    n = len(H)
    packed = analyse_stack(np.array(H, dtype=np.float64, order="C"), threshold, assignment == "optimal")
    part = {name: packed[:, i : i + int(np.prod(shape))] for name, (i, shape) in LAYOUT.items()}
    return DegeneracyHistory(
        eigenvalues=part["eigenvalues"].reshape(n, 2, 3),
        aligned=part["aligned"].reshape(n, 2, 3),
        vectors=part["vectors"].reshape(n, 2, 3, 3),
        mask=part["mask"] > 0.5,
        condition=part["condition"],
    )
