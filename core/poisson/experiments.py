"""Prepared comparisons: what is claimed about solvers of pressure equations, and what a run shows.

Each check is written for a reader who knows what a residual is and no more; its numbers come from the run at
hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from core.iterate import Status
from core.registry import Finding, Verdict, experiment
from core.trace import TraceView

Views = Mapping[str, TraceView]
Results = Mapping[str, Mapping[str, Any]]

#: A method that needs less than this share of another's steps is clearly faster.
CLEARLY = 0.6


@experiment(
    "multigrid_alone",
    lab="poisson",
    title="Multigrid alone, and inside CG",
    question="Can one and the same multigrid cycle diverge and be the best preconditioner there is?",
    claim="A cycle that diverges as a solver is still a good preconditioner of conjugate gradients",
    source="McAdams, Sifakis & Teran 2010, SCA",
    problem="disc",
    problem_params={"n": 64},
    methods={
        "multigrid": {"coarse": "unweighted", "nu": 1},
        "multigrid_pcg": {"coarse": "unweighted", "nu": 1},
        "cg": {},
    },
    order=10,
)
def multigrid_alone(views: Views, results: Results) -> Finding:
    """Two uses of the same cycle.

    A multigrid cycle takes a residual and returns an approximate correction. Used alone, it is repeated:
    x ← x + M r. That converges only if no eigenvalue of M A is larger than 2. Here the coarse grids place the
    open side a little farther out with every level, so for a few smooth shapes the correction comes out more
    than twice too large, and with every repetition their error grows.

    Conjugate gradients does not care. It takes the same correction as a direction and finds the best step
    along it, and a few odd eigenvalues cost it a few steps more. So a cycle that is useless alone becomes a
    method whose count hardly grows with the grid. With better coarse grids (Galerkin products) both converge,
    and the cycle inside CG still needs fewer steps.
    """
    alone, inside, plain = views["multigrid"], views["multigrid_pcg"], views["cg"]
    grown = float(alone.scalars["residual_norm"].max() / alone.scalars["residual_norm"][0])
    diverges = alone.status is not Status.CONVERGED and grown > 10.0
    helps = inside.status is Status.CONVERGED and len(inside) < CLEARLY * len(plain)
    end = (
        f"Alone, the residual grows to {grown:.1e} times its start in {len(alone) - 1} cycles"
        if diverges
        else f"Alone, the cycle ends after {len(alone) - 1} steps: {alone.status.value}"
    )
    return Finding(
        Verdict.HOLDS if diverges and helps else Verdict.DOES_NOT_HOLD,
        f"{end}; inside CG the same cycle reaches the tolerance in {len(inside) - 1} iterations, where plain "
        f"CG needs {len(plain) - 1}.",
    )


@experiment(
    "mic_near_walls",
    lab="poisson",
    title="MIC with τ = 1 near walls",
    question="Does keeping all of the dropped fill pay next to walls?",
    claim="Modified incomplete Cholesky with full compensation needs far fewer steps than IC(0)",
    source="Gustafsson 1978, BIT 18",
    problem="disc",
    problem_params={"n": 128},
    methods={"mic_pcg": {"tau": 1.0}, "ic_pcg": {}, "cg": {}},
    order=20,
)
def mic_near_walls(views: Views, results: Results) -> Finding:
    """Less is more.

    Incomplete Cholesky drops the entries that a factorisation would add. The modified variant subtracts what
    it drops from the diagonal, so that smooth vectors pass unharmed. In an empty box with open sides that
    cuts the steps to less than half: 40 instead of 96 at 128 × 128.

    Next to a wall no neighbour with a known value keeps the pivots up. Along walls they shrink towards zero,
    a few eigenvalues of the preconditioned matrix become huge, and most of the gain is lost. Keeping 97 % of
    the fill (τ = 0.97, the default) leaves the pivots alone: change τ in the settings of the solver and run
    again.
    """
    mic, ic = (len(views[name]) - 1 for name in ("mic_pcg", "ic_pcg"))
    reached = all(views[name].status is Status.CONVERGED for name in ("mic_pcg", "ic_pcg"))
    return Finding(
        Verdict.HOLDS if reached and mic < CLEARLY * ic else Verdict.DOES_NOT_HOLD,
        f"Around the disc, with walls on three sides, MIC with τ = 1 needs {mic} iterations and IC(0) {ic}: "
        f"{mic / ic:.0%} of its steps.",
    )


@experiment(
    "mean_left_in",
    lab="poisson",
    title="Walls all round, the mean left in",
    question="What does CG do with a system that has no solution?",
    claim="The residual first falls as if all were well, and then grows without bound",
    source="Kaasschieter 1988, Preconditioned conjugate gradients for solving singular systems",
    problem="walls",
    problem_params={"n": 32, "mean": "kept"},
    methods={"cg": {}, "minres": {}},
    order=30,
)
def mean_left_in(views: Views, results: Results) -> Finding:
    """Nobody closes the leak.

    In a box with walls all round, what flows in must flow out. A right-hand side whose mean is not zero asks
    for the opposite, and no pressure can give it. Conjugate gradients does not notice at once: it removes
    everything that can be removed, and the residual falls. What is left is the mean itself. It can never
    become smaller, directions that should be conjugate start to point along it, and steps of arbitrary length
    follow.

    The cure costs one subtraction: take the mean out of the right-hand side (the default of this problem).
    Here it was a small share of it, which is why the failure comes late and looks like bad luck.
    """
    view = views["cg"]
    norms = view.scalars["residual_norm"] / view.scalars["residual_norm"][0]
    best = int(np.argmin(norms))
    grows = norms[best] < 0.5 and norms[-1] > 10.0
    return Finding(
        Verdict.HOLDS if grows else Verdict.DOES_NOT_HOLD,
        f"CG's residual falls to {norms[best]:.2g} of its start at k = {best} and stands at {norms[-1]:.1e} "
        f"at k = {int(view.k[-1])}.",
    )


@experiment(
    "deflation",
    lab="poisson",
    title="What deflation takes away",
    question="How much of CG's work goes into the coarse picture?",
    claim="Solving for the mean of 8 × 8 blocks exactly removes the smallest eigenvalues, and most steps",
    source="Nicolaides 1987, SIAM J. Numer. Anal. 24",
    problem="disc",
    problem_params={"n": 128},
    methods={"cg": {}, "deflated_pcg": {}},
    order=40,
)
def deflation(views: Views, results: Results) -> Finding:
    """Sixty-four numbers.

    Plain CG spends most of its steps on a few smooth shapes: they belong to the smallest eigenvalues, and
    information travels one cell a step. Deflation cuts the grid into 8 × 8 blocks and solves for one number
    a block exactly, at every step. What is left for CG to do has wavelengths of a block or less.

    A step costs twice as much, because the coarse system needs one more application of A. The work units
    count it. The Ritz values show what happened: the lower end of the spectrum is gone.
    """
    plain, deflated = views["cg"], views["deflated_pcg"]
    work = [float(v.work["units"][-1]) for v in (plain, deflated)]
    reached = plain.status is deflated.status is Status.CONVERGED
    pays = reached and len(deflated) < CLEARLY * len(plain) and work[1] < work[0]
    return Finding(
        Verdict.HOLDS if pays else Verdict.DOES_NOT_HOLD,
        f"CG needs {len(plain) - 1} iterations and {work[0]:.0f} work units, with 64 blocks deflated "
        f"{len(deflated) - 1} and {work[1]:.0f}.",
    )


@experiment(
    "transform_with_obstacle",
    lab="poisson",
    title="A fast transform as if there were no obstacle",
    question="Is the solution of the empty box any good when a disc stands in it?",
    claim="CG preconditioned with the empty box needs a few steps, whatever the size of the grid",
    source="Concus & Golub 1973, SIAM J. Numer. Anal. 10",
    problem="disc",
    problem_params={"n": 128, "boundary": "box"},
    methods={"fft_pcg": {}, "multigrid_pcg": {}, "cg": {}},
    order=50,
)
def transform_with_obstacle(views: Views, results: Results) -> Finding:
    """Right almost everywhere.

    A fast sine transform solves the empty box at once. The disc changes the equations only in the cells
    beside it, so M A differs from the identity by a matrix of low rank: a cluster of Ritz values at 1 and a
    few outside. CG needs about one step for each group outside, and their number does not grow with the grid.

    A transform costs more than a pass over the grid, which the work units show. Many scattered obstacles, or
    a coefficient that varies, break it: try the maze.
    """
    fft, plain = views["fft_pcg"], views["cg"]
    few = fft.status is Status.CONVERGED and len(fft) - 1 <= 20
    work = [float(v.work["units"][-1]) for v in (fft, plain)]
    return Finding(
        Verdict.HOLDS if few else Verdict.DOES_NOT_HOLD,
        f"With the empty box as preconditioner CG needs {len(fft) - 1} iterations ({work[0]:.0f} work units) "
        f"and alone {len(plain) - 1} ({work[1]:.0f}).",
    )
