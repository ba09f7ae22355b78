"""Conda: Adam's second moment taken in the singular basis of the momentum, on one side of each matrix.

Wang et al. 2025. The torch class `Conda` stands in `core.optimizers.optim.conda`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from core.iterate import Array, Iterate, Lazy
from core.optimizers.conda_views import keep_matrix, matrix_panels, time_panel, turned, turned_back
from core.optimizers.descent import State, Stepper, descend
from core.optimizers.explanation import Line, Step
from core.optimizers.landscape import Landscape
from core.optimizers.panels import Panel
from core.optimizers.steps import SCALARS, FirstOrder
from core.optimizers.training import Training
from core.registry import method, param
from core.trace import TraceView

if TYPE_CHECKING:
    import torch

    from core.optimizers.optim.conda import Conda


def __getattr__(name: str) -> Any:
    if name == "Conda":
        from core.optimizers.optim.conda import Conda

        return Conda
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@method(
    "conda", lab="optimizers", title="Conda", example="matrix_factorization", scalars=SCALARS, colour=14,
    source="Wang et al. 2025, Conda: Column-Normalized Adam for Training Large Language Models Faster, "
    "arXiv 2509.24218", order=14,
)  # fmt: skip
@dataclass(frozen=True)
class CondaMethod(FirstOrder):
    """Adam in the singular basis of each matrix's momentum: turning the rows' space turns the path.

    Muon makes all singular values of the step equal; Conda divides by a mean square in their basis, entry by
    entry, and keeps more of their order.
    """

    lr: float = param(0.02, low=1e-7, high=10.0, log=True, label="learning rate", doc="learning rate")
    beta1: float = param(0.9, low=0.0, high=0.9999, label="β₁", doc="memory of the momentum")
    beta2: float = param(0.99, low=0.0, high=0.99999, label="β₂", doc="memory of the squared gradient")
    update_proj_gap: int = param(100, low=1, high=2000, log=True, label="T", doc="steps between two bases")
    scale: float = param(0.25, low=0.01, high=1.0, label="s", doc="factor on the steps of matrices")
    eps: float = param(1e-8, low=1e-30, high=0.1, advanced=True, label="ε", doc="added to √v")
    weight_decay: float = param(0.0, low=0.0, high=0.1, advanced=True, doc="decoupled decay, after the step")

    recorded: ClassVar[Mapping[str, str]] = {"momentum": "exp_avg", "second_moment": "exp_avg_sq"}
    recorded_after: ClassVar[Mapping[str, str]] = {"basis": "basis"}
    #: on a vector, where it is Adam; many starts are one vector
    elementwise: ClassVar[bool] = True
    on_a_point: ClassVar[str] = "On a plain point Conda is Adam: only matrices have a singular basis."

    def build(self, params: list[torch.Tensor]) -> Conda:
        """Return the torch optimizer."""
        from core.optimizers.optim.conda import Conda

        group = {"params": params, "update_proj_gap": self.update_proj_gap, "scale": self.scale}
        return Conda([group], self.lr, (self.beta1, self.beta2), self.eps, self.weight_decay)

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the points of the descent; see `core.optimizers.descent.descend`."""
        return descend(self, problem)

    def preconditioned(self, gradient: Array, state: State) -> Array:
        """Return the gradient: it is scaled in a basis, only together with its momentum."""
        return gradient.copy()

    def keeps(self, stepper: Stepper, training: Training) -> dict[str, Lazy]:
        """Return M, v and Q of one matrix; see `core.optimizers.conda_views.keep_matrix`."""
        return keep_matrix(stepper)

    def panels(self, problem: Landscape, view: TraceView, k: int) -> Iterator[Panel]:
        """Yield momentum, the same turned, its divisor and the direction of the step; what a step takes."""
        yield from matrix_panels(problem, view, k, self.scale, self.eps)
        yield from time_panel(problem, view, self.update_proj_gap)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers, for each matrix in turn, then the whole point."""
        x, t = step["x"], step.k + 1
        shapes = step.arrays.get("shapes")
        lines: list[Line] = []
        parts: list[Array] = []
        at = at_basis = 0
        for rows, columns in [(len(x), 1)] if shapes is None else shapes.tolist():
            part = slice(at, at + rows * columns)
            G, M, v = (
                step[name][part].reshape(rows, columns)
                for name in ("gradient", "momentum_before", "second_moment_before")
            )
            side = min(rows, columns)
            Q = None if shapes is None else step["basis"][at_basis : at_basis + side**2].reshape(side, side)
            parts.append(self._explain_matrix(G, M, v, Q, lines).ravel())
            at, at_basis = at + rows * columns, at_basis + side**2
        yield from lines
        u, scale = np.concatenate(parts), 1.0 if shapes is None else self.scale
        size = scale * self.lr * math.sqrt(1 - self.beta2**t) / (1 - self.beta1**t)
        yield Line("size", r"<scale> <lr> \frac{\sqrt{1-<beta2>^{<t>}}}{1-<beta1>^{<t>}}",
                   {"scale": scale, "lr": self.lr, "beta1": self.beta1, "beta2": self.beta2, "t": float(t)},
                   size, "rate with bias correction")  # fmt: skip
        shrink = 1 - self.lr * self.weight_decay
        template = "(<x> - <size> <u>) <r>" if self.weight_decay else "<x> - <size> <u>"
        yield Line("x_", template, {"x": x, "size": size, "u": u, "r": shrink}, (x - size * u) * shrink)

    def _explain_matrix(self, G: Array, M: Array, v: Array, Q: Array | None, lines: list[Line]) -> Array:
        """Return the direction of one matrix (a column without basis if Q is None); appends its formulas."""
        beta1, beta2 = self.beta1, self.beta2
        M_ = beta1 * M + (1 - beta1) * G
        lines.append(
            Line("m_", "<beta1> <m> + (1-<beta1>) <g>", {"beta1": beta1, "m": M, "g": G}, M_, "momentum")
        )
        is_tall = M.shape[0] >= M.shape[1]
        G_, M_t = G, M_
        if Q is not None:
            G_, M_t = turned(G, Q), turned(M_, Q)
            turn = "{} <Q>" if is_tall else "<Q>^T {}"
            lines.append(
                Line("G", turn.format("<g>"), {"g": G, "Q": Q}, G_, "gradient in the momentum's basis")
            )
            lines.append(Line("M", turn.format("<m_>"), {"m_": M_, "Q": Q}, M_t, "momentum in its basis"))
        v_ = beta2 * v + (1 - beta2) * G_**2
        lines.append(
            Line("v_", "<beta2> <v> + (1-<beta2>) <G>^2", {"beta2": beta2, "v": v, "G": G_}, v_,
                 "squared gradient there")
        )  # fmt: skip
        N: Array = M_t / (np.sqrt(v_) + self.eps)
        lines.append(Line("N", r"\frac{<M>}{\sqrt{<v_>} + <eps>}", {"M": M_t, "v_": v_, "eps": self.eps}, N))
        if Q is not None:
            N = turned_back(N, Q)
            lines.append(Line("u", "<N> <Q>^T" if is_tall else "<Q> <N>", {"N": lines[-1].value, "Q": Q}, N,
                              "turned back"))  # fmt: skip
        return N
