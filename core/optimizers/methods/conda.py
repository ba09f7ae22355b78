"""Conda: Adam's second moment taken in the singular basis of the momentum, on one side of each matrix.

Wang et al. 2025. The torch class `Conda` stands in `core.optimizers.optim.conda`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from core.iterate import Array, Iterate, Lazy
from core.optimizers.descent import State, Stepper, descend, is_point
from core.optimizers.directions import tensor_parts
from core.optimizers.explanation import Line, Step
from core.optimizers.landscape import Landscape
from core.optimizers.panels import Course, Matrices, Panel
from core.optimizers.steps import SCALARS, FirstOrder
from core.optimizers.training import Training
from core.optimizers.update_matrices import Weight, weights
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


#: Entries of a matrix of a network of which M, v and the basis are kept.
LARGEST = 2**14


def turned(A: Array, Q: Array) -> Array:
    """Return A in a basis Q of its shorter side: A Q if that is its columns, else QᵀA."""
    return np.asarray(A @ Q if A.shape[0] >= A.shape[1] else Q.T @ A)


def turned_back(A: Array, Q: Array) -> Array:
    """Undo `turned`."""
    return np.asarray(A @ Q.T if A.shape[0] >= A.shape[1] else Q @ A)


def step_seconds(seconds: Array, is_training: bool) -> Array:
    """Return what each step took (n − 1,) of iterates that were there at so many seconds (n,).

    An iterate of a landscape holds its step, which so is made before it; one of a training does not.
    """
    return np.diff(seconds) if is_training else np.diff(seconds, prepend=0.0)[:-1]


def basis_share(times: Array, gap: int) -> float | None:
    """Return the share of a run's time that new bases take, after the first; None if it cannot be told.

    Parameters
    ----------
    times : (steps,) what each step took.
    gap : a new basis is taken in the steps 0, gap, 2 gap, …; what those take beyond the median of the other
        steps is counted. The first one also warms up and is left out with its step.
    """
    renews = np.arange(len(times)) % gap == 0
    renewing, others = times[1:][renews[1:]], times[~renews]
    if not len(renewing) or not len(others):
        return None
    beyond = np.maximum(renewing - np.median(others), 0.0).sum()
    return float(beyond / times[1:].sum())


def _side(shape: Sequence[int]) -> int:
    return min(shape[0], math.prod(shape[1:]))


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
        """Return M, v and Q of the fullest matrix that is not too large, as the last step left them."""
        known = [i for i, p in enumerate(stepper.params) if p.ndim > 1 and p.numel() <= LARGEST]
        if not known:
            return {}
        place = max(known, key=lambda i: (_side(stepper.params[i].shape), i))
        p = stepper.params[place]
        state = stepper.optimizer.state.get(p, {})
        if "basis" not in state:
            return {}
        rows = p.shape[0]
        return {
            "matrix": lambda: np.array([place]),
            "matrix_momentum": lambda: state["exp_avg"].numpy().reshape(rows, -1).copy(),
            "matrix_second_moment": lambda: state["exp_avg_sq"].numpy().reshape(rows, -1).copy(),
            "matrix_basis": lambda: state["basis"].numpy().copy(),
        }

    def panels(self, problem: Landscape, view: TraceView, k: int) -> Iterator[Panel]:
        """Yield momentum, the same turned, its divisor and the direction of the step; what a step takes."""
        for weight, found in self._moments(problem, view, k):
            M, v, Q = found
            M_t = turned(M, Q)
            side, basis = ("M Q", "right") if M.shape[0] >= M.shape[1] else ("QᵀM", "left")
            N = self.scale * turned_back(M_t / (np.sqrt(v) + self.eps), Q)
            yield Matrices(
                "conda.matrices", f"{weight.name}, {weight.rows} × {weight.columns}",
                {"M": M, side: M_t, "√v": np.sqrt(v), "N": N},
                words=f"M the momentum; {side} in its {basis} singular basis Q, where each entry is divided "
                "by its own √v + ε; N the same turned back, times s: the direction of the step. Where M "
                "changed since the basis was taken, its rows (columns) there are orthogonal no more.",
            )  # fmt: skip

        if not is_point(problem) and len(view) > 1:
            times = step_seconds(view.seconds, isinstance(problem, Training))
            share = basis_share(times, self.update_proj_gap)
            words = f"A new basis every {self.update_proj_gap} steps"
            if share is not None:
                words += (
                    f": {share:.0%} of the time, by what those steps take beyond the median of the others"
                )
            yield Course(
                "conda.seconds", "Time of a step [ms], its gradient included", np.append(1e3 * times, np.nan),
                log=True, words=f"{words}.",
            )  # fmt: skip

    def _moments(
        self, problem: Landscape, view: TraceView, k: int
    ) -> Iterator[tuple[Weight, tuple[Array, Array, Array]]]:
        """Yield each known matrix with M, v and Q of the kept step at or before k, else of the first."""
        name = "matrix_basis" if isinstance(problem, Training) else "basis"
        steps = [int(j) for j in view.kept if name in view.snapshots[int(j)]]
        if not steps:
            return
        snapshot = view.snapshots[max((j for j in steps if j <= k), default=steps[0])]
        if isinstance(problem, Training):
            M, v, Q = (snapshot[f"matrix_{name}"] for name in ("momentum", "second_moment", "basis"))
            part = tensor_parts(problem)[int(snapshot["matrix"][0])]
            yield next(w for w in weights(problem) if w.part == part), (M, v, Q)
            return
        at = 0
        for weight in weights(problem):
            shape, side = (weight.rows, weight.columns), _side((weight.rows, weight.columns))
            M, v = (snapshot[part][weight.part].reshape(shape) for part in ("momentum", "second_moment"))
            yield weight, (M, v, snapshot["basis"][at : at + side**2].reshape(side, side))
            at += side**2

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
