"""diffGrad: Adam whose step is braked, by up to one half, where the gradient has stopped changing.

Dubey et al. 2020, IEEE TNNLS 31(11). The torch class `DiffGrad` stands in `core.optimizers.optim.diffgrad`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.special import expit

from core.iterate import Array, Iterate, Lazy
from core.optimizers.descent import State, Stepper, descend
from core.optimizers.explanation import Line, Step
from core.optimizers.landscape import Landscape
from core.optimizers.methods.adam import effective_rate
from core.optimizers.overlays import Tint
from core.optimizers.panels import Bands, Course, Panel, along_kept
from core.optimizers.steps import SCALARS, FirstOrder
from core.optimizers.training import Training
from core.registry import method, param
from core.trace import Snapshot, TraceView

if TYPE_CHECKING:
    import torch

    from core.optimizers.optim.diffgrad import DiffGrad


def __getattr__(name: str) -> Any:
    if name == "DiffGrad":
        from core.optimizers.optim.diffgrad import DiffGrad

        return DiffGrad
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@method(
    "diffgrad",
    lab="optimizers",
    title="diffGrad",
    source="Dubey, Chakraborty, Roy, Mukherjee, Singh & Chaudhuri 2020, diffGrad: An Optimization Method for "
    "Convolutional Neural Networks, IEEE TNNLS 31(11), arXiv 1909.11015",
    example="rosenbrock",
    scalars=SCALARS,
    colour=0,
    order=10,
)
@dataclass(frozen=True)
class DiffGradMethod(FirstOrder):
    """Adam times a friction ξ = σ(|g_{k−1} − g_k|), elementwise, between ½ and 1.

    Where the gradient changes by much less than 1 from step to step, ξ is ½ and this is Adam at half the
    learning rate; where it changes by much more, it is Adam. So, unlike Adam, it feels the loss's units.
    """

    lr: float = param(0.01, low=1e-7, high=10.0, log=True, label="learning rate", doc="learning rate")
    beta1: float = param(0.9, low=0.0, high=0.9999, label="β₁", doc="memory of the momentum")
    beta2: float = param(0.999, low=0.0, high=0.99999, label="β₂", doc="memory of the squared gradient")
    eps: float = param(1e-8, low=1e-30, high=0.1, advanced=True, label="ε", doc="added to √v")
    weight_decay: float = param(0.0, low=0.0, high=1.0, advanced=True, doc="added to the gradient, times x")
    version: str = param(
        "second", choices={"second": "second: remembers a copy", "first": "first: keeps a reference"},
        doc="of the authors' code. The first keeps a reference to the gradient in place of a copy, so that "
        "no change is seen: ξ = ½ after the first step, and diffGrad is Adam at half the rate",
    )  # fmt: skip

    recorded: ClassVar[Mapping[str, str]] = {
        "momentum": "exp_avg", "second_moment": "exp_avg_sq", "previous_gradient": "previous_grad"
    }  # fmt: skip
    elementwise: ClassVar[bool] = True

    def build(self, params: list[torch.Tensor]) -> DiffGrad:
        """Return the torch optimizer."""
        from core.optimizers.optim.diffgrad import DiffGrad
        from core.optimizers.optim.diffgrad_first import DiffGradFirst

        kind = DiffGradFirst if self.version == "first" else DiffGrad
        return kind(params, self.lr, (self.beta1, self.beta2), self.eps, self.weight_decay)

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the points of the descent; see `core.optimizers.descent.descend`."""
        return descend(self, problem)

    def preconditioned(self, gradient: Array, state: State) -> Array:
        """Return g/(√v + ε)."""
        return gradient / np.maximum(np.sqrt(state["second_moment"]) + self.eps, 1e-300)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        x, g, t = step["x"], step["gradient"], step.k + 1
        if self.weight_decay:
            raw, g = g, g + self.weight_decay * x
            yield Line("g", r"<g> + <decay> <x>", {"g": raw, "decay": self.weight_decay, "x": x}, g)
        m, v, g_old = (step[f"{name}_before"] for name in self.recorded)
        m_ = self.beta1 * m + (1 - self.beta1) * g
        yield Line(
            "m_", r"<beta1> <m> + (1-<beta1>) <g>", {"beta1": self.beta1, "m": m, "g": g}, m_, "momentum"
        )
        v_ = self.beta2 * v + (1 - self.beta2) * g**2
        yield Line("v_", r"<beta2> <v> + (1-<beta2>) <g>^2", {"beta2": self.beta2, "v": v, "g": g}, v_,
                   "squared gradient")  # fmt: skip
        if self.version == "first" and step.k:
            g_old = g  # the reference
        xi = expit(np.abs(g_old - g))
        yield Line("xi", r"\frac{1}{1+\exp(-|<g_old> - <g>|)}", {"g_old": g_old, "g": g}, xi, "friction")
        size = self.lr * math.sqrt(1 - self.beta2**t) / (1 - self.beta1**t)
        yield Line("size", r"<lr> \frac{\sqrt{1-<beta2>^{<t>}}}{1-<beta1>^{<t>}}",
                   {"lr": self.lr, "beta1": self.beta1, "beta2": self.beta2, "t": float(t)}, size,
                   "rate with bias correction")  # fmt: skip
        x_ = x - size * (xi * m_) / (np.sqrt(v_) + self.eps)
        yield Line("x_", r"<x> - <size> \frac{<xi> <m_>}{\sqrt{<v_>} + <eps>}",
                   {"x": x, "size": size, "xi": xi, "m_": m_, "v_": v_, "eps": self.eps}, x_)  # fmt: skip

    def friction(self, snapshot: Snapshot) -> Array:
        """Return ξ (n,) of the step that leaves a kept iterate of a landscape."""
        before = snapshot["previous_gradient_before"]
        g = snapshot["gradient"] + self.weight_decay * snapshot["x"]
        if self.version == "first" and snapshot["second_moment_before"].any():
            before = g
        return np.asarray(expit(np.abs(before - g)))

    def tint(self, view: TraceView) -> Tint:
        """Return the mean of ξ, which colours the path."""
        ks = np.array([k for k in view.kept if "step" in view.snapshots[int(k)]], dtype=np.int64)
        means = [float(self.friction(view.snapshots[int(k)]).mean()) for k in ks]
        return Tint("mean friction ξ", ks, np.array(means), 0.5, 1.0)

    def panels(self, problem: Landscape, view: TraceView, k: int) -> Iterator[Panel]:
        """Yield the friction over the run and the rate that it leaves; on a network, layer by layer."""
        if isinstance(problem, Training):
            yield from _on_network(problem, view)
            return

        def friction(snapshot: Snapshot) -> Array | None:
            return self.friction(snapshot) if "step" in snapshot else None

        yield Course(
            "friction", "Friction ξ, mean over the coordinates",
            along_kept(view, lambda s: None if (xi := friction(s)) is None else float(xi.mean())),
            level=0.5, words=FRICTION,
        )  # fmt: skip
        yield effective_rate(
            view,
            lambda s, t: self.lr * math.sqrt(1 - self.beta2**t) * self.friction(s)
            / (np.sqrt(s["second_moment"]) + self.eps),
        )  # fmt: skip

    def keeps(self, stepper: Stepper, training: Training) -> dict[str, Lazy]:
        """Return what a network's kept iterate holds of ξ.

        Returns
        -------
        ``friction_mean`` and ``friction_share`` (tensors,), the mean of ξ and the share of coordinates with ξ
        above `FAST`; ``friction_histogram`` (tensors, bins) counts between `EDGES`.
        """

        @cache
        def parts() -> list[Array]:
            norm = math.sqrt(float(np.dot(stepper.g, stepper.g)))
            clipped = training.clip / norm if 0 < training.clip < norm else 1.0
            g = clipped * stepper.g + self.weight_decay * stepper.x
            before = stepper.state()
            is_reference = self.version == "first" and before["second_moment"].any()
            xi = expit(np.abs((g if is_reference else before["previous_gradient"]) - g))
            ends = np.cumsum([math.prod(shape) for shape in training.tensor_shapes])
            return np.split(xi, ends[:-1])

        return {
            "friction_mean": lambda: np.array([part.mean() for part in parts()]),
            "friction_share": lambda: np.array([(part > FAST).mean() for part in parts()]),
            "friction_histogram": lambda: np.array([np.histogram(part, EDGES)[0] for part in parts()]),
        }


#: A coordinate above this friction changes its gradient by more than 0.2 a step.
FAST = 0.55
#: Layers that have a histogram each.
FEW = 4
#: Bins of ξ in the histograms of a network.
EDGES = np.linspace(0.5, 1.0, 26)
FRICTION = (
    "ξ = σ(|g − g of the step before|). At ½, the dotted line, the gradient hardly changes and diffGrad is "
    "Adam at half the rate; towards 1 it is Adam."
)


def _on_network(training: Training, view: TraceView) -> Iterator[Panel]:
    """Yield the panels of ξ on a network; a layer is a tensor of two or more dimensions."""
    sizes = np.array([math.prod(shape) for shape in training.tensor_shapes])

    def over_all(name: str) -> Array:
        return along_kept(view, lambda s: float(s[name] @ sizes / sizes.sum()) if name in s else None)

    yield Course("friction", "Friction ξ, mean over all weights", over_all("friction_mean"), level=0.5,
                 words=FRICTION)  # fmt: skip
    yield Course("friction_share", f"Share of weights with ξ > {FAST}", over_all("friction_share"))
    ks = np.array([k for k in view.kept if "friction_mean" in view.snapshots[int(k)]], dtype=np.int64)
    if not len(ks):
        return
    layers = [i for i, shape in enumerate(training.tensor_shapes) if len(shape) > 1]
    means = np.stack([view.snapshots[int(k)]["friction_mean"][layers] for k in ks], axis=1)
    names = tuple(training.network.names[i] for i in layers)
    yield Bands("friction_layers", "Mean friction ξ of every layer", ks, means, names=names)
    # of many layers one histogram has to do for all
    parts = (
        dict(zip(names, ([i] for i in layers), strict=True)) if len(layers) <= FEW else {"all weights": None}
    )
    for name, rows in parts.items():
        chosen = slice(None) if rows is None else rows
        counts = np.stack(
            [view.snapshots[int(k)]["friction_histogram"][chosen].sum(axis=0) for k in ks], axis=1
        )
        yield Bands(
            f"friction_histogram.{name}", f"Share of {name} in each bin of ξ", ks,
            counts / sizes[chosen].sum(), edges=EDGES, y_title="friction ξ", log=True,
        )  # fmt: skip
