"""The plane that holds most of a training's way, and how much a random walk would have held in its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Array, Iterate
from core.optimizers.methods.loss_surface import SURFACE_SCALARS, surface_items
from core.optimizers.trained import Trained, TrainedNetwork
from core.registry import method, param

#: Principal directions whose share of the variance is told.
SHOWN = 5


def principal(path: Array) -> tuple[Array, Array]:
    """Return the principal directions (r, n), orthonormal, and their shares (r,) of the variance.

    Parameters
    ----------
    path : (points, n), more than one point.
    """
    _, sizes, directions = np.linalg.svd(path - path.mean(axis=0), full_matrices=False)
    total = float((sizes**2).sum())
    return directions, sizes**2 / total if total > 0 else np.zeros_like(sizes)


def random_walk_shares(points: int, walks: int = 1) -> Array:
    """Return the shares that the centred paths of random walks in many dimensions have.

    They are the eigenvalues of C L Lᵀ C with L summing increments and C centring; for many points of one walk
    6/(π²k²).

    Parameters
    ----------
    points : of each walk.
    walks : that start at the same point and go apart.

    References
    ----------
    Antognini & Sohl-Dickstein 2018, PCA of high dimensional random walks with comparison to neural network
    training, NeurIPS.
    """
    L = np.tril(np.ones((points, points)))
    L[:, 0] = 0.0
    sums = np.kron(np.eye(walks), L)
    centred = sums - sums.mean(axis=0)
    values = np.linalg.eigvalsh(centred @ centred.T)[::-1]
    return np.asarray(np.maximum(values, 0.0) / values.sum())


def around(values: Array, margin: float, count: int) -> Array:
    """Return coordinates (count,) over values and the margin beside them, as a share of their width."""
    low, high = float(values.min()), float(values.max())
    room = margin * max(high - low, 1e-6)
    return np.linspace(low - room, high + room, count)


@method(
    "trajectory_plane", lab="optimizers", title="Plane of a training's way", example="digits_mlp",
    source="Li, Xu, Taylor, Studer & Goldstein 2018, NeurIPS; random-walk reference by Antognini & "
    "Sohl-Dickstein 2018, NeurIPS", assumes="a network", scalars=SURFACE_SCALARS, colour=45, kind="analysis",
    order=85,
)  # fmt: skip
@dataclass(frozen=True)
class TrajectoryPlane(TrainedNetwork):
    """The loss over the first two principal directions of the saved parameters; the origin is the end.

    A random walk has six tenths of its variance along its first direction: a large share alone is no sign of
    structure. The reference stands beside the shares.
    """

    saved: int = param(60, low=3, high=400, doc="points of the way that are saved")
    resolution: int = param(31, low=5, high=101, doc="points along each side")
    margin: float = param(0.3, low=0.0, high=2.0, doc="room around the way, in its width")

    def points(self) -> int:
        """Return how many points are saved."""
        return self.saved

    def iterate(self, problem: Trained) -> Iterator[Iterate]:
        """Yield the surface so far.

        Yields
        ------
        x : (resolution, resolution, 1) loss on the subset; NaN = not yet.
        arrays : ``x_axis``, ``y_axis``; ``way`` (points, 2) in the plane; ``off`` (points,) distances to it;
            ``steps`` (points,); ``explained`` and ``random_walk`` (shares of the variance by direction).
        """
        return self._loop(problem)

    def _loop(self, trained: Trained) -> Iterator[Iterate]:
        path, end = trained.path.astype(np.float64), trained.end.astype(np.float64)
        directions, shares = principal(path)
        plane = directions[:2]
        if len(plane) < 2:  # two points: any second direction will do
            plane = np.vstack([plane, np.zeros_like(plane)])
        offsets = path - end
        way = offsets @ plane.T
        arrays = {
            "way": way,
            "off": np.linalg.norm(offsets - way @ plane, axis=1),
            "steps": trained.steps.astype(np.float64),
            "explained": shares[:SHOWN],
            "random_walk": random_walk_shares(len(path))[:SHOWN],
        }
        alphas, betas = (around(column, self.margin, self.resolution) for column in way.T)
        yield from surface_items(
            trained.f, trained.f.value(trained.end), (end, plane[0], plane[1]), alphas, betas, arrays
        )
