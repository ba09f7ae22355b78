"""Prepared comparisons of learned directions: what the papers claim, and what the shipped weights show.

Every one has a classical method beside the networks, because on these grids the best of them win.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.iterate import Status
from core.poisson.learned.weights import find
from core.registry import Finding, Verdict, experiment
from core.trace import TraceView

Views = Mapping[str, TraceView]
Results = Mapping[str, Mapping[str, Any]]

KANEDA = "Kaneda et al. 2023, A Deep Conjugate Direction Method, ICML"
LAN = "Lan et al. 2024, A Neural-Preconditioned Poisson Solver, ICML"
#: Several times fewer steps than CG means at least this many times.
SEVERAL = 5.0
#: Counts that differ by less than this factor are about the same.
ABOUT = 1.3
#: Fewer than this share of the steps is clearly fewer.
CLEARLY = 0.7


def steps(view: TraceView) -> int:
    """Return how many steps a run made."""
    return len(view) - 1


def work(view: TraceView) -> float:
    """Return the work of a run in applications of A."""
    return float(view.work["units"][-1])


def reached(*views: TraceView) -> bool:
    """Whether all runs reached the tolerance."""
    return all(view.status is Status.CONVERGED for view in views)


def recorded(weights: str, problem: str) -> int:
    """Return the steps that are on record for shipped weights on a system of the acceptance table."""
    rows = find(weights).about["measured"]
    return int(next(row["learned"] for row in rows if row["problem"] == problem))


def said(view: TraceView) -> str:
    """Say how a run ended."""
    if reached(view):
        return f"{steps(view)} steps"
    left = view.scalars["residual_norm"][-1] / view.scalars["residual_norm"][0]
    return f"{steps(view)} steps without reaching the tolerance ({left:.0e} of the residual is left)"


@experiment(
    "dcdm_steps",
    lab="poisson",
    title="A network instead of the residual",
    question="How many steps does a learned direction save, and what does a step cost?",
    claim="DCDM reaches a tolerance in a small number of steps, several times fewer than CG",
    source=KANEDA,
    problem="box",
    problem_params={"n": 64},
    methods={"dcdm": {}, "cg": {}, "multigrid_pcg": {}},
    order=110,
)
def dcdm_steps(views: Views, results: Results) -> Finding:
    """Fewer steps, dearer ones.

    Conjugate gradients takes the residual as its next direction and makes it conjugate to the last one. DCDM
    asks a network instead: it was shown random residuals of this grid and learned to point roughly where the
    error lies. What the network says is made conjugate to the last two directions, the step along it is
    exact, so even a wrong answer cannot make the energy error larger.

    Count the steps and the network wins clearly. Count the arithmetic and it loses by as much: one evaluation
    has 22 000 multiplications for each cell, CG about 15. On a graphics card many of them are free, here they
    are not. And a multigrid cycle, which nobody had to train, needs fewer steps still.
    """
    learned, plain, cycle = (views[name] for name in ("dcdm", "cg", "multigrid_pcg"))
    fewer = reached(learned, plain) and steps(learned) * SEVERAL <= steps(plain)
    return Finding(
        Verdict.HOLDS if fewer else Verdict.DOES_NOT_HOLD,
        f"DCDM needs {said(learned)} and CG {steps(plain)}. In work it is the other way round: "
        f"{work(learned):,.0f} applications of A against {work(plain):,.0f}. CG with a multigrid cycle needs "
        f"{steps(cycle)} steps and {work(cycle):,.0f} applications.",
    )


@experiment(
    "dcdm_larger_grid",
    lab="poisson",
    title="The same network on a larger grid",
    question="Do the steps of DCDM stay the same when the grid is refined?",
    claim="The number of steps is independent of the size of the problem",
    source=KANEDA,
    problem="box",
    problem_params={"n": 128},
    methods={"dcdm": {}, "npsdo": {}, "cg": {}},
    order=120,
)
def dcdm_larger_grid(views: Views, results: Results) -> Finding:
    """How far a network sees.

    The network of the paper halves the grid once and convolves thirteen times: what it says about a cell can
    depend on cells up to 22 away. On a grid with 64 cells a side that is a third of the way across. On one
    with 128 it is a sixth, and a smooth error needs more steps to be seen whole. These weights were trained
    on 64 cells a side.

    The stencil network beside it has as many levels as the grid allows, with the same weights on all of them,
    and sees the whole grid whatever its size. The paper trains larger networks on larger grids, in three
    dimensions, for longer than fits on a page; that is not shown here.
    """
    learned, other, plain = (views[name] for name in ("dcdm", "npsdo", "cg"))
    before = recorded("poisson_a", "empty, 64^2, white")
    same = reached(learned) and steps(learned) <= ABOUT * before
    return Finding(
        Verdict.HOLDS if same else Verdict.DOES_NOT_HOLD,
        f"Trained on 64 × 64, where it needs {before} steps, DCDM takes {said(learned)} on 128 × 128; CG "
        f"takes {steps(plain)}. The scale-shared stencil network takes {said(other)}.",
    )


@experiment(
    "shared_scales",
    lab="poisson",
    title="One set of weights for all levels",
    question="Does sharing weights between levels make the count of steps independent of the grid?",
    claim="With weights shared between the levels, a grid four times as fine needs the same number of steps",
    source="this app's variant of " + LAN,
    problem="box",
    problem_params={"n": 256},
    methods={
        "npsdo": {"weights": "poisson_c"},
        "flexible_cg": {"weights": "poisson_c4"},
        "multigrid_pcg": {},
    },
    order=130,
)
def shared_scales(views: Views, results: Results) -> Finding:
    """One level is like the next.

    The stencil network works like a multigrid cycle whose stencils were learned: down to coarser grids, up
    again. As published it has weights of its own for each of a fixed number of levels. The equation, though,
    is the same on every level up to a factor of four, so one set of weights can serve them all, and the
    number of levels can follow the grid.

    Both were trained on 64 cells a side at most. The network with four separate levels runs as flexible CG
    with its own weights, which makes no difference to the count. Multigrid, without any training, is beside
    them.
    """
    shared, separate, cycle = (views[name] for name in ("npsdo", "flexible_cg", "multigrid_pcg"))
    before = recorded("poisson_c", "empty, 64^2, white"), recorded("poisson_c4", "empty, 64^2, white")
    flat = reached(shared) and steps(shared) <= ABOUT * before[0]
    return Finding(
        Verdict.HOLDS if flat else Verdict.DOES_NOT_HOLD,
        f"From 64 × 64 to 256 × 256 the steps go from {before[0]} to {steps(shared)} with shared weights, "
        f"from {before[1]} to {steps(separate)} with four separate levels. Multigrid-CG: {steps(cycle)}.",
    )


@experiment(
    "unseen_obstacle",
    lab="poisson",
    title="An obstacle that no training showed",
    question="Does a network that was trained in an empty box cope with a disc in it?",
    claim="Trained without obstacles, DCDM solves systems with obstacles in as few steps",
    source=KANEDA,
    problem="disc",
    problem_params={"n": 64, "boundary": "box"},
    methods={"dcdm": {}, "npsdo": {"weights": "poisson_c"}, "cg": {}, "fft_pcg": {}},
    order=140,
)
def unseen_obstacle(views: Views, results: Results) -> Finding:
    """Two ways to know about the disc.

    DCDM's network sees nothing but the residual. The obstacle enters through the matrix alone: in the product
    that makes a direction conjugate, and in the length of the step. That is enough: what the network learned
    about smooth and rough residuals of an empty box stays useful.

    The stencil network does look at the obstacles, and that is its trouble here: these weights have only ever
    seen pictures of empty boxes and guess at what a solid cell means. Shown sixteen random layouts in
    training (preset D), it solves a disc that was not among them in 16 to 21 steps: the next comparison. The
    transform of the empty box, as a preconditioner, needs no training at all.
    """
    learned, stencil, plain, fft = (views[name] for name in ("dcdm", "npsdo", "cg", "fft_pcg"))
    before = recorded("poisson_a", "empty, 64^2, white"), recorded("poisson_c", "empty, 64^2, white")
    as_few = reached(learned) and steps(learned) <= ABOUT * before[0]
    return Finding(
        Verdict.HOLDS if as_few else Verdict.DOES_NOT_HOLD,
        f"DCDM takes {said(learned)} around the disc and {before[0]} without it; the stencil network that "
        f"saw only empty boxes {steps(stencil)} and {before[1]}. CG takes {steps(plain)}, CG with the "
        f"transform of the empty box {steps(fft)}.",
    )


@experiment(
    "trained_on_obstacles",
    lab="poisson",
    title="Trained on sixteen random layouts",
    question="Does a network that saw some obstacles know what to do about others?",
    claim="A network that sees the geometry generalises to shapes and sizes it was not trained on",
    source=LAN,
    problem="disc",
    problem_params={"n": 256},
    methods={"npsdo": {}, "cg": {}, "multigrid_pcg": {}},
    order=150,
)
def trained_on_obstacles(views: Views, results: Results) -> Finding:
    """Sixteen pictures are enough.

    The weights of preset D were trained for a minute on sixteen layouts of random discs and boxes and two
    empty grids, with 32 and 64 cells a side, walls on three sides and air above. This disc was not among
    them, nor was any grid of this size.

    The network makes a small stencil for every cell of every level from the picture of air, fluid and solid
    cells, before the first step; a step then costs as much as about seven applications of A. So few steps pay
    in work and in time against plain CG. A multigrid cycle does the same without training, in fewer steps and
    less time. Learned stencils are worth their trouble where the geometry changes at every frame and nobody
    has written a multigrid for it.
    """
    learned, plain, cycle = (views[name] for name in ("npsdo", "cg", "multigrid_pcg"))
    few = reached(learned, plain) and steps(learned) * SEVERAL <= steps(plain)
    return Finding(
        Verdict.HOLDS if few else Verdict.DOES_NOT_HOLD,
        f"The stencil network takes {said(learned)} and {work(learned):,.0f} applications of A "
        f"({1e3 * learned.seconds[-1]:.0f} ms), CG {steps(plain)} and {work(plain):,.0f} "
        f"({1e3 * plain.seconds[-1]:.0f} ms), multigrid-CG {steps(cycle)} and {work(cycle):,.0f} "
        f"({1e3 * cycle.seconds[-1]:.0f} ms).",
    )


@experiment(
    "conjugate_to_how_many",
    lab="poisson",
    title="Conjugate to how many?",
    question="What is it worth to make a learned direction conjugate to earlier ones?",
    claim="Conjugating learned directions to the last two saves steps; without it the network is far slower",
    source=KANEDA,
    problem="disc",
    problem_params={"n": 128},
    methods={
        "hybrid": {"every": 1}, "flexible_cg": {}, "npsdo": {"k": 20}, "multigrid_pcg": {},
    },
    order=160,
)  # fmt: skip
def conjugate_to_how_many(views: Views, results: Results) -> Finding:
    """Memory pays at once.

    Conjugate gradients needs to remember one direction: all earlier ones follow from it, because its
    preconditioner is symmetric and always the same. A network is not symmetric, so each direction kept helps
    a little. All three runs ask the same network. The first takes what it says with the best step along it
    and remembers nothing (that is `hybrid` with a correction at every step, k = 0). The second keeps one
    direction (flexible CG, k = 1), the third twenty.

    The price is memory: two vectors of the grid for each direction kept. Two, as the papers have it, is a
    good bargain: most of what can be won is won by the first.
    """
    none, one, many = (views[name] for name in ("hybrid", "flexible_cg", "npsdo"))
    saves = reached(one, many) and steps(many) <= steps(one) < CLEARLY * steps(none)
    return Finding(
        Verdict.HOLDS if saves else Verdict.DOES_NOT_HOLD,
        f"The same network takes {said(none)} when no direction is kept, {said(one)} with one and "
        f"{said(many)} with twenty; multigrid-CG takes {steps(views['multigrid_pcg'])}.",
    )


@experiment(
    "plain_pcg_stalls",
    lab="poisson",
    title="Plain PCG with a network",
    question="Can a network simply be the preconditioner of conjugate gradients?",
    claim="Ordinary preconditioned CG comes to rest when its preconditioner is learned; flexible CG does not",
    source="Notay 2000, SIAM J. Sci. Comput. 22; " + LAN,
    problem="disc",
    problem_params={"n": 128},
    methods={"flexible_cg": {"beta": "plain"}, "npsdo": {"k": 1}, "multigrid_pcg": {}},
    order=170,
)
def plain_pcg_stalls(views: Views, results: Results) -> Finding:
    """One term that may not be dropped.

    Preconditioned CG makes its new direction conjugate to the last one with a formula that is short because a
    term vanishes: the new preconditioned residual times the old residual. It vanishes if the preconditioner
    is symmetric. A network is not; its averages going down and its interpolation going up are no transposes
    of each other. Then directions slowly lose their conjugacy, and after a good start the residual crawls.

    Keep the term and all is well: that is flexible CG, which takes the same steps as DCDM's loop with k = 1
    (shown here). The cure costs one inner product a step.
    """
    plain, flexible = views["flexible_cg"], views["npsdo"]
    stalls = reached(flexible) and (not reached(plain) or steps(plain) > SEVERAL * steps(flexible))
    return Finding(
        Verdict.HOLDS if stalls else Verdict.DOES_NOT_HOLD,
        f"With the plain formula: {said(plain)}. With the flexible one: {said(flexible)}. Multigrid-CG takes "
        f"{steps(views['multigrid_pcg'])}.",
    )
