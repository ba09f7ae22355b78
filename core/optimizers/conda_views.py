"""What Conda shows of itself: its matrices at the cursor, and what its bases cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from core.iterate import Array, Lazy
from core.optimizers.descent import Stepper, is_point
from core.optimizers.directions import tensor_parts
from core.optimizers.landscape import Landscape
from core.optimizers.panels import Course, Matrices
from core.optimizers.training import Training
from core.optimizers.update_matrices import Weight, weights
from core.trace import TraceView

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


def keep_matrix(stepper: Stepper) -> dict[str, Lazy]:
    """Return M, v and Q of the fullest matrix that is not too large, as the last step left them.

    Returns
    -------
    ``matrix`` (1,) its place among the tensors, ``matrix_momentum`` and ``matrix_second_moment`` (m, n) and
    ``matrix_basis`` (min(m, n), min(m, n)); empty before the first step.
    """
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


def matrix_panels(
    problem: Landscape, view: TraceView, k: int, scale: float, eps: float
) -> Iterator[Matrices]:
    """Yield momentum, the same turned, its divisor and the direction of the step of every known matrix."""
    for weight, (M, v, Q) in _moments(problem, view, k):
        M_t = turned(M, Q)
        side, basis = ("M Q", "right") if M.shape[0] >= M.shape[1] else ("QᵀM", "left")
        N = scale * turned_back(M_t / (np.sqrt(v) + eps), Q)
        yield Matrices(
            "conda.matrices", f"{weight.name}, {weight.rows} × {weight.columns}",
            {"M": M, side: M_t, "√v": np.sqrt(v), "N": N},
            words=f"M the momentum; {side} in its {basis} singular basis Q, where each entry is divided "
            "by its own √v + ε; N the same turned back, times s: the direction of the step. Where M "
            "changed since the basis was taken, its rows (columns) there are orthogonal no more.",
        )  # fmt: skip


def time_panel(problem: Landscape, view: TraceView, gap: int) -> Iterator[Course]:
    """Yield what each step took, and say what of it were new bases."""
    if is_point(problem) or len(view) < 2:
        return
    times = step_seconds(view.seconds, isinstance(problem, Training))
    share = basis_share(times, gap)
    words = f"A new basis every {gap} steps"
    if share is not None:
        words += f": {share:.0%} of the time, by what those steps take beyond the median of the others"
    yield Course(
        "conda.seconds", "Time of a step [ms], its gradient included", np.append(1e3 * times, np.nan),
        log=True, words=f"{words}.",
    )  # fmt: skip


def _moments(
    problem: Landscape, view: TraceView, k: int
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
