"""Speed beside SciPy and PyAMG: the same systems, the same true residual, ratios in one process.

Set-up counts for everybody: building the hierarchy here, the CSR matrix for SciPy and PyAMG is given to them
for free. Medians; the contenders take turns.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from scipy import fft, sparse

from core.admission import MATHS_THREADS
from core.iterate import Array, drain
from core.poisson.fast_transform import eigenvalues
from core.poisson.kernels import COMPILED
from core.poisson.krylov import conjugate_gradients
from core.poisson.learned import bench as learned
from core.poisson.learned.weights import find
from core.poisson.levels import MultigridParameters
from core.poisson.monitor import norm
from core.poisson.multigrid import build
from core.poisson.preconditioners import incomplete_cholesky
from core.poisson.problem import Box, Disc, GridParameters
from core.poisson.reference_counts import is_as_expected, rows, steps_here
from core.poisson.sparse_matrix import csr
from core.poisson.system import GridSystem

RTOL = 1e-6
#: (side, dimension) of the multigrid table, of plain CG and of MIC.
MULTIGRID_SIZES = ((96, 3), (128, 3), (1024, 2))
CG_SIZES = ((256, 2), (128, 3))
MIC_SIZES = ((256, 2),)
#: Cells up to which slow peers run more than once.
SLOW = 2**19

Contender = Callable[[], tuple[Array, int]]


@dataclass(frozen=True, slots=True)
class Timing:
    """Median time [s], steps, true relative residual and peak of allocations in vectors of unknowns."""

    seconds: float
    steps: int
    residual: float
    vectors: float


def bench(
    out: Callable[[str], None],
    *,
    data: Path | None = None,
    threads: int = 1,
    folder: Path | None = None,
    quick: bool = False,
    say: Callable[[str], None] = lambda line: None,
    train: bool = False,
    repeats: int = 5,
    multigrid_sizes: tuple[tuple[int, int], ...] = MULTIGRID_SIZES,
    cg_sizes: tuple[tuple[int, int], ...] = CG_SIZES,
    mic_sizes: tuple[tuple[int, int], ...] = MIC_SIZES,
    stencil_sizes: tuple[tuple[int, int], ...] = learned.STENCIL_SIZES,
    direction_sizes: tuple[tuple[int, int], ...] = learned.DIRECTION_SIZES,
    counted: int | None = None,
) -> None:
    """Print ratios against peers.

    Parameters
    ----------
    out : receives the text line by line.
    data : not read; every lab's bench takes it.
    threads : maths threads of the peers; with 1, CPU time is compared, with more, wall time. Our kernels use
        one.
    folder : also write the lines to ``poisson.md`` there.
    quick : one repeat.
    say : takes what is being measured.
    counted : how many of the reference counts are repeated; None = all.
    train : train the networks afresh instead of taking the weights that come with the app; some minutes.
    """
    lines: list[str] = []
    clock = time.process_time if threads == 1 else time.perf_counter
    repeats = 1 if quick else repeats

    def tell(line: str) -> None:
        lines.append(line)
        out(line)

    for _ in COMPILED.compile_all():
        pass
    with MATHS_THREADS.limited(threads):
        tell(f"Poisson: true residual ≤ {RTOL:g} of the right-hand side, white noise, x = 0 at the start, "
            f"{threads} thread(s) for the peers, one for ours, "
            f"{'CPU' if threads == 1 else 'wall'} time; set-up is in every time.")  # fmt: skip
        tell(
            f"scipy {scipy.__version__}, "
            + (f"pyamg {version('pyamg')}" if _pyamg() else "pyamg is not installed")
        )
        say("multigrid")
        _multigrid_table(tell, multigrid_sizes, repeats, clock)
        say("plain CG")
        _table(tell, "Plain CG, matrix-free, beside SciPy CG on CSR", cg_sizes, _plain, repeats, clock)
        say("MIC(0)")
        _table(tell, "MIC(0)-CG beside SciPy CG, disc", mic_sizes, _mic, repeats, clock)
        say("reference counts")
        _count_table(tell, counted)
        _learned_tables(tell, say, stencil_sizes, direction_sizes, repeats, clock, train)
    if folder is not None:
        (folder / "poisson.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


# --- contenders -----------------------------------------------------------------------------------------


def _ours(system: GridSystem, prepare: Callable[[], Any]) -> Contender:
    def run() -> tuple[Array, int]:
        for item in conjugate_gradients(system, prepare(), rtol=RTOL, max_iterations=10_000):
            last = item
        x = last.x() if callable(last.x) else last.x
        return x[system.grid.fluid()], last.k

    return run


def _multigrid(system: GridSystem) -> Contender:
    settings = MultigridParameters(coarse="rediscretised")
    return _ours(system, lambda: drain(build(system, settings)))


def _scipy_cg(A: sparse.csr_array, b: Array) -> Contender:
    def run() -> tuple[Array, int]:
        steps = [0]

        def count(_: Array) -> None:
            steps[0] += 1

        x, _ = sparse.linalg.cg(A, b, rtol=RTOL, maxiter=20_000, callback=count)
        return x, steps[0]

    return run


def _pyamg() -> Any:
    """Return the package, or None if it is missing."""
    try:
        import pyamg
    except ImportError:
        return None
    return pyamg


def _smoothed_aggregation(A: sparse.csr_array, b: Array) -> Contender:
    def run() -> tuple[Array, int]:
        steps = [0]

        def count(_: Array) -> None:
            steps[0] += 1

        M = _pyamg().smoothed_aggregation_solver(sparse.csr_matrix(A)).aspreconditioner()
        x, _ = sparse.linalg.cg(A, b, rtol=RTOL, M=M, maxiter=500, callback=count)
        return x, steps[0]

    return run


def _sine_transform(system: GridSystem) -> Contender:
    """Return SciPy's sine transforms with the closed-form eigenvalues: a box alone."""
    shape, dim = system.grid.shape, system.grid.dim
    b = system.grid.extract(system.b)

    def run() -> tuple[Array, int]:
        values = eigenvalues(shape[0], "ghost", "ghost")
        total = sum(values.reshape([-1 if a == axis else 1 for a in range(dim)]) for axis in range(dim))
        return fft.idstn(fft.dstn(b, type=1) / total, type=1).ravel(), 1

    return run


# --- tables ---------------------------------------------------------------------------------------------


def _problems(n: int, dim: int) -> list[tuple[str, GridParameters]]:
    return [
        (f"box {n}^{dim}", Box(n=n, dim=dim)),
        (f"{'disc' if dim == 2 else 'ball'}, open top {n}^{dim}", Disc(n=n, dim=dim, air="outside")),
    ]


def _multigrid_table(
    out: Callable[[str], None],
    sizes: tuple[tuple[int, int], ...],
    repeats: int,
    clock: Callable[[], float],
) -> None:
    def contenders(system: GridSystem, name: str) -> dict[str, Contender]:
        A, b = csr(system)
        found: dict[str, Contender] = {"multigrid_pcg": _multigrid(system), "scipy cg": _scipy_cg(A, b)}
        if _pyamg():
            found["pyamg sa + cg"] = _smoothed_aggregation(A, b)
        if name.startswith("box"):
            found["scipy dst"] = _sine_transform(system)
        return found

    copy = _copy_bandwidth(clock)
    out(f"A large array is copied at {copy / 1e9:.1f} GB/s (read and written bytes).")
    _table(out, "Multigrid-preconditioned CG", sizes, contenders, repeats, clock, copy)


def _plain(system: GridSystem, name: str) -> dict[str, Contender]:
    return {"cg": _ours(system, lambda: None), "scipy cg": _scipy_cg(*csr(system))}


def _mic(system: GridSystem, name: str) -> dict[str, Contender]:
    if name.startswith("box"):
        return {}
    return {
        "mic_pcg": _ours(system, lambda: incomplete_cholesky(system, 0.97, 0.25)),
        "scipy cg": _scipy_cg(*csr(system)),
    }


def _count_table(tell: Callable[[str], None], counted: int | None) -> None:
    """Print the steps of the reference problems beside those that an independent implementation needed."""
    tell("\nSteps to the tolerance, here and by an independent implementation on other seeds:\n")
    tell("| method | settings | problem | steps | reference | within a tenth or a step |")
    tell("|---|---|---|---|---|---|")
    for method, settings, problem, expected in islice(rows(), counted):
        steps, (key, n, dim) = steps_here(method, settings, problem), problem
        said = ", ".join(f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}"
                         for name, value in settings.items())  # fmt: skip
        verdict = "yes" if is_as_expected(steps, expected) else "no"
        tell(f"| {method} | {said} | {key} {n}^{dim} | {steps} | {expected} | {verdict} |")


def _learned_tables(
    out: Callable[[str], None],
    say: Callable[[str], None],
    stencil_sizes: tuple[tuple[int, int], ...],
    direction_sizes: tuple[tuple[int, int], ...],
    repeats: int,
    clock: Callable[[], float],
    train: bool,
) -> None:
    """Print both networks beside CG; their time starts with the weights in memory, kernels included."""
    wanted = {learned.STENCIL_PRESETS[dim] for _, dim in stencil_sizes}
    wanted |= {learned.DIRECTION_PRESET} if direction_sizes else set()
    weights = {}
    for preset in sorted(wanted):
        say(f"preset {preset.upper()}")
        weights[preset] = learned.fresh(preset, out) if train else find(f"poisson_{preset}")

    def beside(who: str, preset: str, system: GridSystem) -> dict[str, Contender]:
        return {
            who: learned.learned_solve(system, weights[preset], RTOL), "cg": _ours(system, lambda: None),
            "multigrid_pcg": _multigrid(system), "scipy cg": _scipy_cg(*csr(system)),
        }  # fmt: skip

    def stencil(system: GridSystem, name: str) -> dict[str, Contender]:
        return beside("npsdo", learned.STENCIL_PRESETS[system.grid.dim], system)

    def direction(system: GridSystem, name: str) -> dict[str, Contender]:
        return beside("dcdm", learned.DIRECTION_PRESET, system)

    say("learned directions")
    title = "Scale-shared NPSDO beside CG"
    _table(out, title, stencil_sizes, stencil, repeats, clock, problems=learned.stencil_problems)
    title = "DCDM beside CG: fewer steps, more seconds"
    _table(out, title, direction_sizes, direction, repeats, clock, problems=learned.direction_problems)


def _table(
    out: Callable[[str], None],
    title: str,
    sizes: tuple[tuple[int, int], ...],
    contenders: Callable[[GridSystem, str], dict[str, Contender]],
    repeats: int,
    clock: Callable[[], float],
    copy: float = 0.0,
    problems: Callable[[int, int], list[tuple[str, GridParameters]]] = _problems,
) -> None:
    """Print one table; ratio = the contender's time over ours."""
    out("")
    out(f"{title}:")
    out("")
    out("| problem | solver | steps | ms | times ours | true residual | peak memory, vectors |" +
        (" GB/s of ours |" if copy else ""))  # fmt: skip
    out("|---|---|---|---|---|---|---|" + ("---|" if copy else ""))
    for n, dim in sizes:
        for name, settings in problems(n, dim):
            system: GridSystem = drain(settings.build(0))  # type: ignore[attr-defined]
            timings = _race(system, contenders(system, name), repeats, clock)
            first = next(iter(timings.values()), None)
            for who, t in timings.items():
                assert first is not None
                ratio = t.seconds / first.seconds
                line = f"| {name} | {who} | {t.steps} | {1e3 * t.seconds:.1f} | {ratio:.2f} | "
                line += f"{t.residual:.1e} | {t.vectors:.1f} |"
                if copy:
                    line += f" {_traffic(system, t) / 1e9:.1f} |" if t is first else " |"
                out(line)


def _traffic(system: GridSystem, timing: Timing) -> float:
    """Return bytes a second that a solve moves at least: 64 a cell and step (issue of caches left aside).

    A cycle reads and writes about 20 single-precision numbers a cell over all levels, CG 11 doubles.
    """
    return system.unknowns * timing.steps * (20 * 4 + 11 * 8) / timing.seconds


def _race(
    system: GridSystem, contenders: dict[str, Contender], repeats: int, clock: Callable[[], float]
) -> dict[str, Timing]:
    """Let the contenders take turns; peak memory is taken in a round of its own that does not count."""
    A, b = csr(system)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    answers: dict[str, tuple[Array, int]] = {}
    peaks: dict[str, float] = {}
    for name, contender in contenders.items():
        if system.unknowns <= SLOW or name not in ("scipy cg", "pyamg sa + cg"):
            tracemalloc.start()
            contender()
            peaks[name] = tracemalloc.get_traced_memory()[1] / (8.0 * system.unknowns)
            tracemalloc.stop()
    for turn in range(repeats):
        for name, contender in contenders.items():
            if turn and system.unknowns > SLOW and name in ("scipy cg", "pyamg sa + cg"):
                continue
            start = clock()
            answers[name] = contender()
            seconds[name].append(clock() - start)
    return {
        name: Timing(
            float(np.median(seconds[name])), answers[name][1],
            norm(b - A @ answers[name][0]) / norm(b), peaks.get(name, float("nan")),
        )
        for name in contenders
    }  # fmt: skip


def _copy_bandwidth(clock: Callable[[], float]) -> float:
    """Return bytes a second, read and written, of copying 128 MB."""
    source = np.ones(2**24)
    target = np.empty_like(source)
    best = np.inf
    for _ in range(5):
        start = clock()
        np.copyto(target, source)
        best = min(best, clock() - start)
    return 2.0 * source.nbytes / max(best, 1e-9)
