"""Weak directions of a registration: which they are, how weak, and the sentence that says so.

Two tests. The relative one is DCReg's: a direction is flagged if the strongest of its block holds more than
`CONDITION_THRESHOLD` times its information. It cannot see that all three are equally lost, as rotations in a
sphere are. The absolute one (an addition) can: predicted standard deviation σ = s/√λ, s the scale of the
residuals, and information per point, which noisy normals alone feign up to the square of their error [rad].

σ is a lower bound: it takes residuals for independent and pairs for given. Along a direction that nothing
holds, scan pattern and noise decide, and the error can be as large as the distance between the two sensors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.iterate import Array
from core.registration.degeneracy import KINDS, MOTIONS, Degeneracy

#: Predicted standard deviations above which a direction is called weak: 0.1° and 1 cm.
DEVIATION_LIMIT = (math.radians(0.1), 0.01)
#: Information per point, over the squared RMS lever for rotations, that normals 2.6° off feign: (0.045 rad)².
INFORMATION_FLOOR = 2e-3
#: A direction is called by an axis that holds at least this share of it.
NAMED_SHARE = 0.75
NOTHING_WEAK = "All six motions are constrained by the geometry that was matched."


@dataclass(frozen=True, slots=True, eq=False)
class WeakDirection:
    """A weak motion, or a subspace of motions that are equally weak.

    Attributes
    ----------
    kind : "rotation" or "translation".
    axes : names of the axes it stands for, one or, for a subspace, more.
    basis : (m, 3) unit directions in the source frame, weakest first.
    condition : λ_max/λ within its block, of the weakest.
    contributions : by axis name; v² of a single direction, diagonal of the projector of a subspace.
    standard_deviation : σ = s/√λ of the weakest [rad or m]; inf without information.
    is_relative, is_absolute : which test found it.
    """

    kind: str
    axes: tuple[str, ...]
    basis: Array
    condition: float
    contributions: dict[str, float]
    standard_deviation: float
    is_relative: bool
    is_absolute: bool

    @property
    def sentence(self) -> str:
        """What the reader of the result should know about it."""
        expect = _deviation_text(self.kind, self.standard_deviation)
        if not self.is_relative:
            return (
                f"{self._name} is hardly constrained, although its condition number is only "
                f"{_number(self.condition)}: either all directions of its kind are weak or the points are "
                f"few. The value found is set by noise; {expect} or more."
            )
        along = "them" if len(self.axes) > 1 else "it"
        return (
            f"{self._name} is weakly constrained (κ = {_number(self.condition)}, {self._shares}): the value "
            f"found along {along} is set by noise and scan pattern; {expect} from noise alone. The scan "
            "pattern adds to that: where nothing holds a motion, up to all of it that lies between the scans."
        )

    @property
    def _name(self) -> str:
        shares = self.contributions
        if len(self.axes) == 3:
            return "Rotation about any axis" if self.kind == "rotation" else "Translation in any direction"
        if len(self.axes) == 2:
            a, b = (a if self.kind == "translation" else _turn_axis(a) for a in self.axes)
            where = (
                f"about any axis in the {a}-{b} plane" if self.kind == "rotation" else f"in the {a}-{b} plane"
            )
            return f"{self.kind.capitalize()} {where}"
        vector = "(" + ", ".join(f"{c:.2f}" for c in self.basis[0]) + ")"
        is_named = shares[self.axes[0]] >= NAMED_SHARE
        if self.kind == "rotation":
            axis = _turn_axis(self.axes[0]) if is_named else vector
            return f"Rotation about {axis}" + (f" ({self.axes[0]})" if is_named else "")
        return f"Translation along {self.axes[0] if is_named else vector}"

    @property
    def _shares(self) -> str:
        if len(self.axes) > 1:
            return "no direction in it is better than another"
        listed = sorted(self.contributions.items(), key=lambda item: -item[1])
        if listed[0][1] >= NAMED_SHARE:
            listed = listed[:1]
        return ", ".join(f"{100 * share:.0f} % {axis}" for axis, share in listed if share >= 0.05)

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-ready: degrees and metres, None for infinity."""
        in_degrees = math.degrees(self.standard_deviation)
        deviation = in_degrees if self.kind == "rotation" else self.standard_deviation
        named: dict[str, Any] = {"axis": self.axes[0]}
        if len(self.axes) > 1:
            named = {"subspace": list(self.axes), "basis": self.basis.tolist()}
        return {
            "kind": self.kind,
            **named,
            "direction": self.basis[0].tolist(),
            "condition": finite_or_none(self.condition),
            "contributions": self.contributions,
            "standard_deviation": finite_or_none(deviation),
            "unit": "deg" if self.kind == "rotation" else "m",
            "relative": self.is_relative,
            "absolute": self.is_absolute,
            "sentence": self.sentence,
        }


def weak_directions(
    degeneracy: Degeneracy, *, residual_scale: float, correspondences: int, lever: float
) -> tuple[WeakDirection, ...]:
    """Return the directions that either test finds weak, rotations first, weakest first.

    Parameters
    ----------
    residual_scale : s [m], see `core.registration.metrics.residual_scale`.
    correspondences : number of pairs in H.
    lever : RMS distance of the source points from the origin of the source frame [m].
    """
    found = []
    for block in range(2):
        unit = correspondences * (lever**2 if block == 0 else 1.0)
        for group in degeneracy.subspaces(block):
            weakest = max(float(degeneracy.aligned[block, group[0]]), 0.0)
            deviation = residual_scale / math.sqrt(weakest) if weakest > 0.0 else math.inf
            is_relative = bool(degeneracy.mask[[3 * block + axis for axis in group]].any())
            is_absolute = deviation > DEVIATION_LIMIT[block] or weakest < INFORMATION_FLOOR * unit
            if not (is_relative or is_absolute):
                continue
            basis = degeneracy.vectors[block][:, group].T
            projector = (basis**2).sum(axis=0)
            names = MOTIONS[3 * block : 3 * block + 3]
            held = sorted(range(3), key=lambda a: -projector[a])[: len(group)] if len(group) > 1 else group
            found.append(
                WeakDirection(
                    kind=KINDS[block],
                    axes=tuple(names[a] for a in sorted(held)),
                    basis=np.ascontiguousarray(basis),
                    condition=float(degeneracy.conditions[block, group[0]]),
                    contributions=dict(zip(names, projector.tolist(), strict=True)),
                    standard_deviation=deviation,
                    is_relative=is_relative,
                    is_absolute=is_absolute,
                )
            )
    return tuple(found)


def finite_or_none(value: float) -> float | None:
    """Return the number for JSON, which has no infinity."""
    return value if math.isfinite(value) else None


def _turn_axis(name: str) -> str:
    return {"roll": "x", "pitch": "y", "yaw": "z"}[name]


def _number(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}" if value < 1e4 else "more than 10 000"


def _deviation_text(kind: str, value: float) -> str:
    """Return ± with a unit that suits the size."""
    if not math.isfinite(value):
        return "expect any value"
    if kind == "rotation":
        return f"expect ± {math.degrees(value):.2g}°"
    if value >= 1.0:
        return f"expect ± {value:.1f} m"
    return f"expect ± {100 * value:.2g} cm" if value >= 0.01 else f"expect ± {1000 * value:.2g} mm"
