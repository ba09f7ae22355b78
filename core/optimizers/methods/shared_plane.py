"""One plane for the ways of several trainings, so that none is seen in another one's slice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.iterate import Array, Iterate, Preparation
from core.optimizers.landscape import Landscape
from core.optimizers.methods.loss_surface import SURFACE_SCALARS, surface_items
from core.optimizers.methods.trajectory_plane import SHOWN, around, principal, random_walk_shares
from core.optimizers.outcomes import build_method, method_entries
from core.optimizers.trained import network_of, saved_way
from core.optimizers.training import NetworkLoss
from core.registry import method, param

MOST_METHODS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Ways:
    """Several trainings from the same first parameters.

    Attributes
    ----------
    f : loss on the fixed subset of samples.
    paths : (methods, points, n) saved parameters. steps : (points,) their step numbers.
    """

    f: NetworkLoss
    paths: Array
    steps: Array


@method(
    "shared_plane", lab="optimizers", title="Plane of several trainings' ways", example="digits_mlp",
    source="Li, Xu, Taylor, Studer & Goldstein 2018, NeurIPS; random-walk reference after Antognini & "
    "Sohl-Dickstein 2018, NeurIPS", assumes="a network", scalars=SURFACE_SCALARS, colour=50, kind="analysis",
    order=86,
)  # fmt: skip
@dataclass(frozen=True)
class SharedPlane:
    """The loss over the first two principal directions of all ways together; the origin is their mean.

    A plane through one method's end shows the others where they are not. This one treats all alike, and each
    point says how far it is off the plane. Random walks from one start have a large share in their plane too:
    the reference stands beside.
    """

    methods: str = param(
        "adam lr=0.003; sgd lr=0.1",
        doc="keys with their settings, semicolons between: adam lr=0.01; sgd lr=0.1",
    )
    steps: int = param(200, low=1, high=20_000, log=True, doc="steps of every training")
    saved: int = param(40, low=3, high=200, doc="points of every way that are saved")
    resolution: int = param(31, low=5, high=101, doc="points along each side")
    margin: float = param(0.3, low=0.0, high=2.0, doc="room around the ways, in their width")

    def __post_init__(self) -> None:
        self.trainers()

    def trainers(self) -> list[Any]:
        """Return the methods that train."""
        return [
            build_method(key, settings, {"steps": self.steps})
            for key, settings in method_entries(self.methods, MOST_METHODS)
        ]

    def prepare(self, problem: Landscape) -> Preparation[Ways]:
        """Train the network with every method.

        Raises
        ------
        InputError
            If there is no network, or a training diverges.
        ValueError
            If a method refuses it.
        """
        training = network_of(problem)
        paths, steps, trainers = [], np.zeros(0, np.int64), self.trainers()
        for number, trainer in enumerate(trainers, 1):
            stage = f"training {number} of {len(trainers)}"
            path, steps, _ = yield from saved_way(trainer, training, self.steps, self.saved, stage)
            paths.append(path)
        return Ways(training.subset(), np.array(paths, dtype=np.float64), steps.astype(np.float64))

    def iterate(self, problem: Ways) -> Iterator[Iterate]:
        """Yield the surface so far.

        Yields
        ------
        x : (resolution, resolution, 1) loss on the subset; NaN = not yet.
        arrays : ``x_axis``, ``y_axis``; ``ways`` (methods, points, 2) in the plane; ``offs`` (methods,
            points) distances to it; ``steps`` (points,); ``losses`` (methods,) at the ends; ``explained``
            and ``random_walk`` (shares of the variance by direction).
        """
        return self._loop(problem)

    def _loop(self, ways: Ways) -> Iterator[Iterate]:
        count, points, n = ways.paths.shape
        stacked = ways.paths.reshape(-1, n)
        directions, shares = principal(stacked)
        centre, plane = stacked.mean(axis=0), directions[:2]
        inside = (ways.paths - centre) @ plane.T
        losses = np.array([ways.f.value(path[-1].astype(np.float32)) for path in ways.paths])
        arrays = {
            "ways": inside,
            "offs": np.linalg.norm(ways.paths - centre - inside @ plane, axis=-1),
            "steps": ways.steps,
            "losses": losses,
            "explained": shares[:SHOWN],
            "random_walk": random_walk_shares(points, count)[:SHOWN],
        }
        alphas, betas = (around(inside[..., i], self.margin, self.resolution) for i in range(2))
        yield from surface_items(
            ways.f, float(losses.min()), (centre, plane[0], plane[1]), alphas, betas, arrays
        )
