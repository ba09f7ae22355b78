"""What is trained on what: the presets A to F, and C with separate levels.

Steps, not seconds, define a preset: the same recipe gives the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any

import numpy as np

from core.errors import InputError
from core.poisson import obstacles
from core.poisson.obstacles import Mask
from core.poisson.problem import all_fluid, sides_of
from core.poisson.system import AIR, SOLID, Grid, make_grid


@dataclass(frozen=True, slots=True)
class Layouts:
    """The grids that a network is trained on.

    Attributes
    ----------
    sides : cells a side; obstacle layouts take them in turn, and each has an empty grid.
    obstacles : how many grids have random obstacles.
    boundary : "box" (open all round) or "open_box" (walls, a layer of air on the high side of axis 0).
    vectors : Lanczos steps on each grid.
    """

    dim: int
    sides: tuple[int, ...]
    obstacles: int
    boundary: str
    vectors: int

    def grids(self, rng: np.random.Generator) -> list[Grid]:
        """Return the grids, the empty ones last."""
        shapes = [(self.sides[i % len(self.sides)],) * self.dim for i in range(self.obstacles)]
        solids = [obstacles.blobs(shape, rng) for shape in shapes]
        shapes += [(side,) * self.dim for side in self.sides]
        solids += [np.zeros(shape, bool) for shape in shapes[self.obstacles :]]
        return [self._grid(shape, solid) for shape, solid in zip(shapes, solids, strict=True)]

    def _grid(self, shape: tuple[int, ...], solid: Mask) -> Grid:
        flags = all_fluid(shape)
        flags[solid] = SOLID
        if self.boundary == "open_box":
            flags[-1] = AIR
        return make_grid(flags, sides_of(self.boundary, self.dim))


@dataclass(frozen=True, slots=True)
class Preset:
    """A training that is known to work, with its budget.

    Attributes
    ----------
    network : "direction" (DCDM) or "stencil" (NPSDO).
    architecture : arguments of that network's architecture.
    low_share, low_gain : the lower share of the Ritz vectors and the factor of their coefficients.
    white, own : share of each batch that is white noise; that is residuals which the network itself left.
        The latter is for linear networks: a half-trained one that is not linear makes them adversarial.
    loss : "scaled" = squared residual after the best step along the output; "norm" = residual after the
        output itself.
    probe : problem and parameters of the system that is solved now and then.
    seconds : what the steps take on one core of a recent machine; of the large ones it is an estimate.
    """

    key: str
    title: str
    network: str
    architecture: Mapping[str, Any]
    layouts: Layouts
    loss: str
    rate: float
    batch: int
    steps: int
    probe: tuple[str, Mapping[str, Any]]
    seconds: int
    low_share: float = 0.55
    low_gain: float = 9.0
    white: float = 0.0
    own: float = 0.0

    @property
    def large(self) -> bool:
        """Whether it is meant for a CUDA device: a 3-D grid of 64 cells a side and more."""
        return self.layouts.dim == 3 and max(self.layouts.sides) >= 64

    def document(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        problem, parameters = self.probe
        return plain | {
            "architecture": dict(self.architecture), "layouts": asdict(self.layouts),
            "probe": [problem, dict(parameters)],
        }  # fmt: skip


_PAPER_2D = {"dim": 2, "channels": 16, "pools": 1, "blocks": (1, 3, 2), "closing": True, "bias": True}
_EMPTY_64 = Layouts(2, (64,), 0, "box", 300)
_BOX, _DISC = ("box", MappingProxyType({"n": 64})), ("disc", MappingProxyType({"n": 64}))
_BOX_3D = ("box", MappingProxyType({"n": 32, "dim": 3}))
_BALL = ("disc", MappingProxyType({"n": 32, "dim": 3}))

PRESETS: Mapping[str, Preset] = MappingProxyType({
    preset.key: preset
    for preset in (
        Preset(
            "a", "DCDM as published, 2-D", "direction", _PAPER_2D, _EMPTY_64,
            "scaled", 1e-3, 16, 425, _BOX, 50,
        ),
        Preset(
            "b", "DCDM, deep U-Net, 2-D", "direction",
            {"dim": 2, "channels": 16, "pools": 3, "blocks": (1, 2, 1), "closing": False, "bias": False},
            _EMPTY_64, "scaled", 1e-3, 16, 580, _BOX, 60,
        ),
        Preset(
            "c", "scale-shared NPSDO (this app), 2-D, open all round", "stencil", {"dim": 2, "levels": 0},
            Layouts(2, (64, 32), 0, "box", 300), "norm", 3e-3, 16, 2796, _BOX, 25,
        ),
        Preset(
            "c4", "NPSDO, four separate levels, 2-D, open all round", "stencil", {"dim": 2, "levels": 4},
            _EMPTY_64, "norm", 3e-3, 16, 2054, _BOX, 20,
        ),
        Preset(
            "d", "scale-shared NPSDO (this app), 2-D, walls and obstacles", "stencil",
            {"dim": 2, "levels": 0}, Layouts(2, (64, 32), 16, "open_box", 300), "norm", 3e-3, 16, 2782,
            _DISC, 30,
        ),
        Preset(
            "e", "DCDM as published, 3-D, narrow", "direction", {**_PAPER_2D, "dim": 3, "channels": 8},
            Layouts(3, (32,), 0, "box", 400), "scaled", 1e-3, 4, 673, _BOX_3D, 200,
        ),
        Preset(
            "f", "scale-shared NPSDO (this app), 3-D, walls and obstacles", "stencil",
            {"dim": 3, "levels": 0}, Layouts(3, (32, 16), 8, "open_box", 150), "norm", 3e-3, 8, 1910,
            _BALL, 150, white=0.25, own=0.5,
        ),
        Preset(
            "e64", "DCDM as published, 3-D, N = 64", "direction", {**_PAPER_2D, "dim": 3},
            Layouts(3, (64,), 0, "box", 300), "scaled", 1e-3, 10, 2000, _BOX_3D, 40_000,
        ),
        Preset(
            "e128", "DCDM as published, 3-D, N = 128", "direction",
            {**_PAPER_2D, "dim": 3, "blocks": (2, 5, 3)},
            Layouts(3, (128,), 0, "box", 100), "scaled", 1e-3, 4, 2000, _BOX_3D, 200_000,
        ),
        Preset(
            "f64", "scale-shared NPSDO (this app), 3-D, up to 64 cells a side", "stencil",
            {"dim": 3, "levels": 0}, Layouts(3, (64, 32), 8, "open_box", 150), "norm", 3e-3, 8, 1910,
            _BALL, 1_200, white=0.25, own=0.5,
        ),
    )
})  # fmt: skip


def preset(key: str) -> Preset:
    """Return the preset of that name, in either case; InputError if there is none."""
    found = PRESETS.get(key.lower())
    if found is None:
        raise InputError("preset", " | ".join(p.upper() for p in PRESETS), repr(key))
    return found
