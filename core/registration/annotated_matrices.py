"""The matrices behind a result, with the labels and units that a page writes beside them.

With residuals in metres and a twist in radians and metres, an entry of H is in m²/rad², m/rad or is a pure
number (m²/m²), depending on its block. To compare entries of unlike units each matrix has a *shade* without
units: for a symmetric matrix the correlation M_ij/√(M_ii M_jj), for eigenvectors the components themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.iterate import Array
from core.registration.contributions import whole_motion
from core.registration.degeneracy import CONDITION_THRESHOLD, MOTIONS, Degeneracy, analyse_degeneracy

#: Units of a rotation and of a translation.
_UNITS = ("rad", "m")


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedMatrix:
    """A matrix as a page draws it.

    Attributes
    ----------
    key : permanent name.
    symbol, title, formula : how it is written, called and computed.
    values : (m, n).
    shade : (m, n) in [−1, 1], without units.
    rows, columns : labels, m and n of them.
    units : m lists of n texts; "" for a pure number.
    notes : a remark for each column; "" where there is none.
    flagged : n, whether a column is a weak direction.
    """

    key: str
    symbol: str
    title: str
    formula: str
    values: Array
    shade: Array
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    units: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    flagged: tuple[bool, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "key": self.key, "symbol": self.symbol, "title": self.title, "formula": self.formula,
            "values": self.values.tolist(), "shade": self.shade.tolist(),
            "rows": list(self.rows), "columns": list(self.columns),
            "units": [list(row) for row in self.units],
            "notes": list(self.notes), "flagged": list(self.flagged),
        }  # fmt: skip


def annotated_matrices(H: Array, threshold: float = CONDITION_THRESHOLD) -> tuple[AnnotatedMatrix, ...]:
    """Return H, its Schur complements, their eigenvectors and what moves along with those.

    Parameters
    ----------
    H : (6, 6) point-to-plane Hessian, rotation first, source frame.
    threshold : condition number above which a direction counts as weak.

    Returns
    -------
    Keys ``hessian``, ``schur_rotation``, ``schur_translation``, ``eigenvectors_rotation``,
    ``eigenvectors_translation``, ``motions_rotation``, ``motions_translation``. Columns of the last four are
    the directions named after roll, pitch, yaw (r0 to r2) and x, y, z (t0 to t2), in that order.

    Raises
    ------
    ValueError
        If H is not a finite (6, 6) matrix or the threshold is not above 1.
    """
    degeneracy = analyse_degeneracy(H, threshold)
    found = [
        _symmetric("hessian", "H", "Hessian of the objective", "Σ w JᵀJ, J = [(p × Rᵀn)ᵀ, nᵀR]", H, MOTIONS),
        _symmetric(
            "schur_rotation", "S_R", "Information about rotation, translation left free",
            "H_RR − H_Rt H_tt⁺ H_tR", degeneracy.schur_rotation, MOTIONS[:3],
        ),
        _symmetric(
            "schur_translation", "S_t", "Information about translation, rotation left free",
            "H_tt − H_tR H_RR⁺ H_Rt", degeneracy.schur_translation, MOTIONS[3:],
        ),
    ]  # fmt: skip
    found += [_eigenvectors(degeneracy, block) for block in range(2)]
    found += [_motions(H, degeneracy, block) for block in range(2)]
    return tuple(found)


def _symmetric(
    key: str, symbol: str, title: str, formula: str, M: Array, names: Sequence[str]
) -> AnnotatedMatrix:
    diagonal = np.sqrt(np.maximum(np.diagonal(M), 0.0))
    product = np.outer(diagonal, diagonal)
    shade = np.divide(M, product, out=np.zeros_like(M), where=product > 0.0)
    units = [_UNITS[MOTIONS.index(name) // 3] for name in names]
    return AnnotatedMatrix(
        key, symbol, title, formula, np.array(M), np.clip(shade, -1.0, 1.0), tuple(names), tuple(names),
        units=tuple(tuple(_unit(a, b) for b in units) for a in units),
        notes=("",) * len(names),
        flagged=(False,) * len(names),
    )  # fmt: skip


def _unit(a: str, b: str) -> str:
    """Return the unit of a second derivative of m² by two motions."""
    return {"radrad": "m²/rad²", "mm": ""}.get(a + b, "m/rad")


def _eigenvectors(degeneracy: Degeneracy, block: int) -> AnnotatedMatrix:
    names, kind = MOTIONS[3 * block : 3 * block + 3], ("rotation", "translation")[block]
    return AnnotatedMatrix(
        key=f"eigenvectors_{kind}",
        symbol=("V_R", "V_t")[block],
        title=f"Directions of {kind}",
        formula=("S_R = V_R Λ_R V_Rᵀ", "S_t = V_t Λ_t V_tᵀ")[block],
        values=degeneracy.vectors[block],
        shade=np.clip(degeneracy.vectors[block], -1.0, 1.0),
        rows=names,
        columns=_directions(block),
        units=(("",) * 3,) * 3,
        notes=_eigenvalues(degeneracy, block),
        flagged=_flagged(degeneracy, block),
    )


def _motions(H: Array, degeneracy: Degeneracy, block: int) -> AnnotatedMatrix:
    """Return the whole motions (6, 3) that belong to the directions of a block."""
    kind, other = ("rotation", "translation")[block], ("translation", "rotation")[block]
    vectors = degeneracy.vectors[block]
    Z = np.stack([whole_motion(H, block, vectors[:, axis]) for axis in range(3)], axis=1)
    # each half by its own largest entry: a lever arm of metres would pale everything else
    halves = [np.abs(Z[:3]).max(), np.abs(Z[3:]).max()]
    scale = np.repeat([half if half > 0.0 else 1.0 for half in halves], 3)
    units = [("m/rad", "rad/m")[block] if i // 3 != block else "" for i in range(6)]
    return AnnotatedMatrix(
        key=f"motions_{kind}",
        symbol=("Z_R", "Z_t")[block],
        title=f"Directions of {kind} with the {other} that follows",
        formula=("[V_R; −H_tt⁺ H_tR V_R]", "[−H_RR⁺ H_Rt V_t; V_t]")[block],
        values=Z,
        shade=Z / scale[:, None],
        rows=MOTIONS,
        columns=_directions(block),
        units=tuple((unit,) * 3 for unit in units),
        notes=_eigenvalues(degeneracy, block),
        flagged=_flagged(degeneracy, block),
    )


def _directions(block: int) -> tuple[str, ...]:
    return tuple(f"{'rt'[block]}{axis}" for axis in range(3))


def _flagged(degeneracy: Degeneracy, block: int) -> tuple[bool, ...]:
    return tuple(bool(flag) for flag in degeneracy.mask[3 * block : 3 * block + 3])


def _eigenvalues(degeneracy: Degeneracy, block: int) -> tuple[str, ...]:
    unit = (" m²/rad²", "")[block]
    return tuple(
        f"λ = {value:.4g}{unit}, λ_max/λ = {condition:.3g}"
        for value, condition in zip(degeneracy.aligned[block], degeneracy.conditions[block], strict=True)
    )
