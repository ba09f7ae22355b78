"""The landscapes: test functions of one to three variables, by their names in the literature.

Formulas, windows and minimisers as in Surjanovic & Bingham's library of test functions; where a start is
customary in comparisons of optimizers, it is the default.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, make_dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from core.errors import InputError
from core.iterate import Array, Preparation, Progress
from core.optimizers.expression import Formula
from core.optimizers.landscape import Landscape, parse_start, scaled, sum_of_squares
from core.optimizers.piecewise import Piecewise
from core.optimizers.valley import KNOWN_OF_SOURCES
from core.registry import param, problem

Window = tuple[tuple[float, float], ...]
START = "where every method starts: one number a coordinate, with commas between"


def loss_scale() -> Any:
    """Return the parameter of a landscape that can be had in other units of its loss."""
    return param(
        1.0, low=1e-3, high=1e3, log=True, label="loss scale c",
        doc="the methods descend c·f: the same landscape in other units of the loss. Adam does not feel them",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """A fixed landscape: everything of `core.optimizers.landscape.Landscape` but the start.

    Attributes
    ----------
    more : further attributes of that landscape.
    """

    formula: str
    window: Window
    minima: tuple[tuple[float, ...], ...]
    minimum: float | None
    log_scale: bool = False
    residuals: tuple[str, ...] = ()
    undefined_is_zero: bool = False
    bound: float = math.inf
    more: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def landscape(self, start: Array) -> Landscape:
        """Return the landscape with this start."""
        function = Formula(self.formula, undefined_is_zero=self.undefined_is_zero)
        parts = [Formula(text) for text in self.residuals]
        return Landscape(
            function, start, np.array(self.minima, dtype=np.float64).reshape(-1, 2), self.minimum,
            self.window, self.log_scale, bound=self.bound, formula=self.formula,
            approximations={"gauss_newton": sum_of_squares(parts)} if parts else {}, **self.more,
        )  # fmt: skip


def register(
    key: str,
    title: str,
    start: str,
    doc: str,
    order: int,
    build: Callable[[Array], Landscape],
    n: int = 2,
    has_scale: bool = False,
) -> None:
    """Register a landscape whose only parameters are its start and perhaps the scale of its loss."""

    def check(self: Any) -> None:
        parse_start(self.start, n)

    def prepared(self: Any, seed: int) -> Preparation[Landscape]:
        yield Progress("reading the formula")
        built = scaled(build(parse_start(self.start, n)), getattr(self, "scale", 1.0))
        return replace(built, seed=seed)

    cls = make_dataclass(
        "".join(word.title() for word in key.split("_")),
        [("start", str, param(start, doc=START)), *([("scale", float, loss_scale())] if has_scale else [])],
        frozen=True,
        namespace={"__doc__": doc, "__post_init__": check, "build": prepared},
    )
    cls.__module__ = __name__
    problem(key, lab="optimizers", title=title, order=order)(cls)


def square(half: float) -> Window:
    """Return the window [−half, half]²."""
    return ((-half, half), (-half, half))


_HIMMELBLAU = ((3.0, 2.0), (-2.8051180869527, 3.1313125182506),
               (-3.7793102533777, -3.2831859912862), (3.5844283403305, -1.8481265269644))  # fmt: skip
_CAMEL = (0.0898420131003, -0.7126564030207)

#: key: title, start, sentence, landscape
KNOWN: dict[str, tuple[str, str, str, Known]] = {
    "rosenbrock": (
        "Rosenbrock's valley", "-2,2",
        "A flat curved valley between steep walls: entering it is easy, following it is not.",
        Known("(1-x)**2 + 100*(y-x**2)**2", ((-2.0, 2.0), (-1.0, 3.0)), ((1.0, 1.0),), 0.0, True,
              ("1-x", "10*(y-x**2)")),
    ),
    "beale": (
        "Beale", "1,1.5",
        "Nearly flat around the minimum, with walls at the corners that throw large gradients.",
        Known("(1.5-x+x*y)**2 + (2.25-x+x*y**2)**2 + (2.625-x+x*y**3)**2", square(4.5), ((3.0, 0.5),), 0.0,
              True, ("1.5-x+x*y", "2.25-x+x*y**2", "2.625-x+x*y**3")),
    ),
    "himmelblau": (
        "Himmelblau", "0,0", "Four minima of equal height: which one is found depends on the method.",
        Known("(x**2+y-11)**2 + (x+y**2-7)**2", square(5.0), _HIMMELBLAU, 0.0,
              residuals=("x**2+y-11", "x+y**2-7")),
    ),
    "rastrigin": (
        "Rastrigin", "-2,3.5", "A bowl with a regular grid of local minima.",
        Known("20 + x**2 + y**2 - 10*cos(2*pi*x) - 10*cos(2*pi*y)", square(5.12), ((0.0, 0.0),), 0.0),
    ),
    "styblinski_tang": (
        "Styblinski–Tang", "0.2,0.2", "Four basins, one deeper than the others.",
        Known("0.5*(x**4-16*x**2+5*x + y**4-16*y**2+5*y)", square(5.0),
              ((-2.9035340277712, -2.9035340277712),), -78.3323314075428),
    ),
    "goldstein_price": (
        "Goldstein–Price", "-1.5,1", "Values over five orders of magnitude.",
        Known("(1+(x+y+1)**2*(19-14*x+3*x**2-14*y+6*x*y+3*y**2))"
              "*(30+(2*x-3*y)**2*(18-32*x+12*x**2+48*y-36*x*y+27*y**2))", square(2.0), ((0.0, -1.0),), 3.0,
              True),
    ),
    "six_hump_camel": (
        "Six-hump camel", "-2,1", "Six minima, two of them the deepest.",
        Known("(4-2.1*x**2+x**4/3)*x**2 + x*y + (-4+4*y**2)*y**2", ((-3.0, 3.0), (-2.0, 2.0)),
              (_CAMEL, (-_CAMEL[0], -_CAMEL[1])), -1.0316284534898774),
    ),
    "three_hump_camel": (
        "Three-hump camel", "2,2", "A shallow middle between two traps.",
        Known("2*x**2 - 1.05*x**4 + x**6/6 + x*y + y**2", square(5.0), ((0.0, 0.0),), 0.0, True),
    ),
    "booth": (
        "Booth", "-8,-8", "A plain quadratic, moderately stretched.",
        Known("(x+2*y-7)**2 + (2*x+y-5)**2", square(10.0), ((1.0, 3.0),), 0.0,
              residuals=("x+2*y-7", "2*x+y-5")),
    ),
    "mccormick": (
        "McCormick", "3,3", "A gentle slope with waves across it.",
        Known("sin(x+y) + (x-y)**2 - 1.5*x + 2.5*y + 1", ((-1.5, 4.0), (-3.0, 4.0)),
              ((0.5 - math.pi / 3, -0.5 - math.pi / 3),), -math.sqrt(3) / 2 - math.pi / 3),
    ),
    "ackley": (
        "Ackley", "-3,2", "A plain of ripples around a sharp funnel; the gradient jumps at the minimum.",
        Known("-20*exp(-0.2*sqrt(0.5*(x**2+y**2))) - exp(0.5*(cos(2*pi*x)+cos(2*pi*y))) + e + 20",
              square(5.0), ((0.0, 0.0),), 0.0, undefined_is_zero=True),
    ),
    "easom": (
        "Easom's plateau", "1,1", "Flat nearly everywhere, with one narrow hole.",
        Known("-cos(x)*cos(y)*exp(-((x-pi)**2+(y-pi)**2))", ((-2.0, 8.0), (-2.0, 8.0)),
              ((math.pi, math.pi),), -1.0),
    ),
    "levy_13": (
        "Lévy no. 13", "-4,3", "Waves of two lengths over a bowl.",
        Known("sin(3*pi*x)**2 + (x-1)**2*(1+sin(3*pi*y)**2) + (y-1)**2*(1+sin(2*pi*y)**2)", square(5.0),
              ((1.0, 1.0),), 0.0),
    ),
    "saddle": (
        "Saddle", "1,0.001", "Down along y without end; at y = 0 the gradient never points there.",
        Known("x**2 - y**2", square(2.0), (), None, bound=5.0),
    ),
    "monkey_saddle": (
        "Monkey saddle", "0.5,0.5", "Three ways down, and a Hessian that vanishes in the middle.",
        Known("x**3 - 3*x*y**2", square(2.0), (), None, bound=5.0),
    ),
    "nexus_valley": (
        "Nexus valley", "1.5,-1",
        "The mean loss of two sources: flat along y, although the sources' own minima approach each other.",
        Known("x**2", ((-2.0, 2.0), (-2.0, 3.0)), ((0.0, math.nan),), 0.0,
              more=KNOWN_OF_SOURCES),
    ),
}  # fmt: skip

for _order, (_key, (_title, _start, _doc, _known)) in enumerate(KNOWN.items()):
    register(_key, _title, _start, _doc, 10 + _order, _known.landscape)


def _ravine(kappa: float, rotation: float, start: Array, noise: float = 0.0, seed: int = 0) -> Landscape:
    c, s = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    text = f"0.5*(({c!r}*x+{s!r}*y)**2 + {kappa!r}*({c!r}*y-{s!r}*x)**2)"
    return Landscape(
        Formula(text), start, np.zeros((1, 2)), 0.0, square(3.0), noise=noise, seed=seed, formula=text
    )


@problem("ravine", lab="optimizers", title="Ravine", order=30)
@dataclass(frozen=True)
class Ravine:
    """A quadratic valley κ times as steep across as along, turned by an angle.

    f = ½ (u² + κ v²) with (u, v) the coordinates turned by the angle. Methods that scale each coordinate
    apart see through the stretching at 0° and 90° and not between; plain gradients, conjugate gradients and
    Newton's method do not feel the angle.
    """

    kappa: float = param(50.0, low=1.0, high=1e4, log=True, label="κ", doc="steepness across over along")
    rotation: float = param(0.0, low=0.0, high=90.0, unit="°", doc="angle of the valley with the x axis")
    start: str = param("-2.5,1", doc=START)
    scale: float = loss_scale()

    def __post_init__(self) -> None:
        parse_start(self.start, 2)

    def build(self, seed: int) -> Preparation[Landscape]:
        """Return the landscape; nothing is random."""
        yield Progress("reading the formula")
        return scaled(_ravine(self.kappa, self.rotation, parse_start(self.start, 2)), self.scale)


@problem("noisy_bowl", lab="optimizers", title="Noisy bowl", order=31)
@dataclass(frozen=True)
class NoisyBowl:
    """The ravine with noise on every gradient, as minibatches give it."""

    kappa: float = param(5.0, low=1.0, high=1e4, log=True, label="κ", doc="steepness across over along")
    rotation: float = param(30.0, low=0.0, high=90.0, unit="°", doc="angle of the valley with the x axis")
    sigma: float = param(
        0.5, low=0.0, high=10.0, label="noise σ", doc="standard deviation of the noise on each component"
    )
    start: str = param("-2.5,1", doc=START)

    def __post_init__(self) -> None:
        parse_start(self.start, 2)

    def build(self, seed: int) -> Preparation[Landscape]:
        """Return the landscape; the noise comes from the seed."""
        yield Progress("reading the formula")
        return _ravine(self.kappa, self.rotation, parse_start(self.start, 2), self.sigma, seed)


@problem("formula", lab="optimizers", title="Your formula", order=90)
@dataclass(frozen=True)
class UserFormula:
    """A landscape of your own in x and y.

    Numbers, + - * / **, brackets, pi, and sin, cos, exp, log, sqrt, abs, tanh. First and second derivatives
    are exact. Where the formula has no value a run ends.
    """

    formula: str = param("(x**2 - 1)**2 + 0.5*y**2 + 0.3*x", doc="f(x, y)")
    start: str = param("1.6,1.2", doc=START)
    x_center: float = param(0.0, low=-1e6, high=1e6, advanced=True, doc="middle of the drawing along x")
    y_center: float = param(0.0, low=-1e6, high=1e6, advanced=True, doc="middle of the drawing along y")
    x_half: float = param(2.0, low=1e-3, high=1e6, log=True, advanced=True, doc="half its width along x")
    y_half: float = param(2.0, low=1e-3, high=1e6, log=True, advanced=True, doc="half its width along y")

    def __post_init__(self) -> None:
        Formula(self.formula)
        parse_start(self.start, 2)

    def build(self, seed: int) -> Preparation[Landscape]:
        """Return the landscape; nothing is random."""
        yield Progress("reading the formula")
        start = parse_start(self.start, 2)
        function = Formula(self.formula)
        if not math.isfinite(function.value(start)):
            raise InputError("start", "a point where the formula has a value", self.start)
        window = (
            (self.x_center - self.x_half, self.x_center + self.x_half),
            (self.y_center - self.y_half, self.y_center + self.y_half),
        )
        return Landscape(function, start, np.empty((0, 2)), None, window, formula=self.formula)


@problem("scale_invariant_rosenbrock", lab="optimizers", title="Rosenbrock on rays", order=40)
@dataclass(frozen=True)
class ScaleInvariantRosenbrock:
    """Rosenbrock's valley in the two angles of a point of space: its length does not matter.

    φ = atan2(y, x), ψ = atan2(z, √(x²+y²)), h = (1−ψ)² + 300 (φ−ψ²)². Weights in front of a normalisation
    behave so: the gradient is orthogonal to them and falls as 1/‖w‖, and every step lengthens them. The point
    is one row of a matrix, as the weights of one output would be.
    """

    start: str = param("0.6178,-0.556,-0.556", doc=START)
    radius: float = param(
        1.0, low=0.2, high=5.0, log=True, label="start radius", doc="what the start is multiplied by"
    )

    def __post_init__(self) -> None:
        self._point()

    def _point(self) -> Array:
        start = parse_start(self.start, 3)
        if math.hypot(start[0], start[1]) == 0.0:
            raise InputError("start", "a point off the z axis", self.start)
        return self.radius * start

    def build(self, seed: int) -> Preparation[Landscape]:
        """Return the landscape; nothing is random."""
        yield Progress("reading the formula")
        psi = "atan2(z,sqrt(x**2+y**2))"
        text = f"(1-{psi})**2 + 300*(atan2(y,x)-{psi}**2)**2"
        ray = np.array([math.cos(1.0) ** 2, math.cos(1.0) * math.sin(1.0), math.sin(1.0)])

        def to_ray(x: Array) -> Any:
            along = np.maximum(x @ ray, 0.0)
            return np.linalg.norm(x - along[..., None] * ray, axis=-1)

        return Landscape(
            Formula(text, ("x", "y", "z")), self._point(), np.empty((0, 3)), 0.0, log_scale=True,
            shapes=((1, 3),), formula=text, to_minimum=to_ray, scale_invariant=(0,), rays=ray[None],
        )  # fmt: skip


def _diffgrad(key: str, title: str, doc: str, order: int, function: Piecewise, minima: Array) -> None:
    values = function.value(minima)
    best = minima[values <= values.min() + 1e-9]

    def build(start: Array) -> Landscape:
        return Landscape(function, start, best, float(values.min()), ((-1.5, 1.5),))

    register(key, title, "-1", doc, order, build, n=1, has_scale=True)


_diffgrad(
    "diffgrad_f1", "diffGrad's F1", "Two parabolas side by side: the deeper minimum comes first.", 50,
    Piecewise((0.0,), ("(x+0.3)**2", "(x-0.2)**2+0.05")), np.array([[-0.3], [0.2]]),
)  # fmt: skip
_diffgrad(
    "diffgrad_f3", "diffGrad's F3", "Slopes with corners, and a gradient that is constant on each.", 52,
    Piecewise((-0.5, -0.4, 0.0, 0.4, 0.5), ("x**2", "0.75+x", "-7*x/8", "7*x/8", "0.75-x", "x**2")),
    np.array([[0.0]]),
)  # fmt: skip


@problem("diffgrad_f2", lab="optimizers", title="diffGrad's F2", order=51)
@dataclass(frozen=True)
class DiffgradF2:
    """A steep wall, then x³ + x sin 8x: three minima, the lowest one first.

    The published notebook descends by x cos 8x where the derivative of x sin 8x has 8 x cos 8x; both can be
    chosen. The published pieces do not meet: at −0.9 the function falls from 0.850 to 0.835.
    """

    gradient: str = param(
        "true",
        choices={"true": "the function's own", "notebook": "the notebook's, without the factor 8"},
        doc="which derivative the methods descend by",
    )
    start: str = param("-1", doc=START)
    scale: float = loss_scale()

    def __post_init__(self) -> None:
        parse_start(self.start, 1)

    def build(self, seed: int) -> Preparation[Landscape]:
        """Return the landscape; nothing is random."""
        yield Progress("reading the formula")
        slopes = ("-40", "3*x**2+sin(8*x)+x*cos(8*x)") if self.gradient == "notebook" else ()
        function = Piecewise((-0.9,), ("-40*x-35.15", "x**3+x*sin(8*x)+0.85"), slopes)
        minimiser = np.array([[-0.6429185989153]])
        best = float(function.value(minimiser)[0])
        landscape = Landscape(function, parse_start(self.start, 1), minimiser, best, ((-1.5, 1.5),))
        return scaled(landscape, self.scale)
