"""Steps that are given as the next pose, not as the solution of H δ = g; the closed form of point-to-point.

References
----------
Umeyama 1991, Least-squares estimation of transformation parameters between two point patterns, IEEE TPAMI
13(4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from core.iterate import Array, Iterate
from core.linalg.lie import inverse, log_se3, log_so3, pose
from core.registration import kernels
from core.registration.alignment import Linearise, align
from core.registration.correspondences import LinearisedSystem, NearestLinearisation, make_linearisation
from core.registration.problem import ScanPair
from core.registration.settings import AlignmentSettings
from core.registration.solvers import Step

#: Turns a pose (4, 4) into the next one.
Advance = Callable[[Array], Array]


class PoseStep:
    """A linearisation and a treatment that together take the step from T to ``advance(T)``.

    The shared loop asks for a system and then for its solution; a method that has the next pose by other
    means puts its step in the solution's place. One object serves one run.

    Parameters
    ----------
    update : how the loop applies a step, "se3" or "so3".
    """

    def __init__(self, update: str = "se3") -> None:
        self._update = update
        self._advance: Advance
        self._T: Array

    def linearisation(self, own: Linearise, advance: Advance) -> Linearise:
        """Return a stage's linearisation: that of `own`, with the pose remembered for `advance`."""

        def linearise(T: Array) -> LinearisedSystem:
            self._T, self._advance = T, advance
            return own(T)

        return linearise

    def __call__(self, H: Array, g: Array) -> Step:
        """Return the twist from the pose last linearised at to the next one."""
        E = inverse(self._T) @ self._advance(self._T)
        if not np.isfinite(E).all():
            return Step(np.full(6, np.nan))
        if self._update == "so3":
            return Step(np.concatenate((log_so3(E[:3, :3]), E[:3, 3])))
        return Step(log_se3(E))


def rigid_motion(moments: Array) -> Array:
    """Return the T (4, 4) that minimises Σ w ‖q − (R p + t)‖² for the pairs summed by `kernels.pair_moments`.

    NaN if no pair has weight. Where pairs leave a rotation open, as on a line, any of the best is returned.
    """
    weight = moments[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = moments[1:4] / weight, moments[4:7] / weight
    W = moments[7:].reshape(3, 3) - weight * np.outer(q, p)
    if not np.isfinite(W).all():
        return np.full((4, 4), np.nan)
    U, _, Vt = np.linalg.svd(W)
    # a reflection may fit better than any rotation: then the weakest direction gives way
    R = (U * [1.0, 1.0, np.linalg.det(U @ Vt)]) @ Vt
    return pose(R, q - R @ p)


def closed_form(pair: ScanPair, settings: AlignmentSettings) -> Iterator[Iterate]:
    """Align by point-to-point steps in closed form; the recorded systems are those of Gauss-Newton."""
    step, robust = PoseStep(settings.update), kernels.ROBUST[settings.kernel]

    def make(index: int, stride: int, max_distance: float, scale: float) -> Linearise:
        source = np.ascontiguousarray(pair.levels[index].source[::stride])
        target = pair.levels[index].target
        own = make_linearisation(
            source,
            target,
            factor="point",
            kernel=settings.kernel,
            kernel_scale=scale,
            max_distance=max_distance,
        )
        assert isinstance(own, NearestLinearisation)

        def advance(T: Array) -> Array:
            return rigid_motion(
                kernels.pair_moments(source, T, target.points, own.rows, robust, scale, max_distance)
            )

        return step.linearisation(own, advance)

    return align(pair, settings, step, make_linearise=make)
