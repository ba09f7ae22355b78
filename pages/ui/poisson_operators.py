"""The Poisson lab's look into operators: what a point source becomes, and the kernels a network makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.errors import InputError
from core.iterate import Array
from core.poisson.krylov import Preconditioner
from core.poisson.learned.stencil_operator import StencilOperator
from core.poisson.point_source import greens_function, preconditioner, response
from core.poisson.system import FLUID, GridSystem
from pages.figures import field, kernels
from pages.figures import poisson as figures
from pages.ui import components
from pages.ui.controls import choice
from pages.ui.poisson_views import Selection, Shown, plane

#: Methods that prepare an approximate inverse M.
WITH_M = (
    "npsdo", "dcdm", "flexible_cg", "hybrid", "multigrid_pcg", "pyamg_sa", "pyamg_rs", "fft_pcg", "mic_pcg",
    "ic_pcg",
)  # fmt: skip
#: Unknowns up to which operators are made again for the tab.
MAX_UNKNOWNS = 2**20
#: Names of the cell's coordinates; the keys of their inputs.
AXES = "ijl"
WAYS = {"down": "on the way down", "up": "on the way up"}


def operators_tab(shown: Shown) -> None:
    """Draw the response to a source in a cell and, for learned stencils, the kernels there."""
    problem = shown.problem
    if not isinstance(problem, GridSystem) or problem.unknowns > MAX_UNKNOWNS:
        st.caption(f"Operators are drawn on grids of at most {MAX_UNKNOWNS:,} unknowns.")
        return
    names = figures.labels(shown.members)
    able = {str(i): name for i, name in enumerate(names) if shown.members[i].recipe.method in WITH_M}
    picker, *numbers = st.columns([3, *(1,) * problem.grid.dim], vertical_alignment="bottom")
    M: Preconditioner | None = None
    with picker:
        if able:
            first = next(
                (i for i in able if shown.members[int(i)].recipe.method == "npsdo"), next(iter(able))
            )
            number = int(choice("Approximate inverse M of", able, first, "operator"))
            method = shown.members[number].recipe
            M = shown.kept(("M", number), lambda: preconditioner(method.build_method(), problem))
    cell = _cell(problem, numbers)
    try:
        column = shown.kept(("greens", cell), lambda: greens_function(problem, cell))
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        column = None
    if column is not None:
        _draw_source(shown, problem, cell, column, names[number] if M is not None else "", M)
    if isinstance(M, StencilOperator):
        _draw_kernels(shown, M, cell)
    elif not able:
        st.caption("Choose a preconditioned or a learned solver to see what it makes of the source.")


def _cell(problem: GridSystem, places: Sequence[Any]) -> tuple[int, ...]:
    """Ask for the cell; clicks in the fields write the same inputs."""
    fluid = np.argwhere(problem.grid.fluid())
    start = fluid[3 * len(fluid) // 4]
    cell = []
    for axis, place, n, c in zip(AXES, places, problem.grid.shape, start, strict=False):
        key = f"cell.{axis}"
        st.session_state[key] = min(int(st.session_state.get(key, c)), n - 1)
        cell.append(int(place.number_input(f"source {axis}", 0, n - 1, key=key)))
    return tuple(cell)


def _take(dim: int, factor: int = 1) -> Callable[[int, int], None]:
    """Return what writes a clicked cell; one of a coarse level stands for the middle of its children."""

    def take(row: int, column: int) -> None:
        for axis, c in zip(AXES[dim - 2 : dim], (row, column), strict=True):
            st.session_state[f"cell.{axis}"] = c * factor + factor // 2

    return take


def _view(title: str, rev: object, cell: Sequence[int], shape: Sequence[int]) -> field.View:
    """Return the view of fields that are cut at the cell's layer and may be clicked."""
    dim = len(shape)
    axes = AXES[dim - 2 : dim]
    extra = {"picks": True, "cell": [int(c) for c in cell[dim - 2 :]]}
    return field.View(title, str(rev), title, field.stride_of(shape[dim - 2 :]), (axes[0], axes[1]), extra)


def _panel(
    title: str, values: Array, flags: NDArray[np.integer[Any]], layer: int, note: str = ""
) -> field.Panel:
    cut = Selection("solution", (), 0, layer)
    frames = plane(values, cut)[None].astype(float)
    return field.Panel(title, -1, np.zeros(1, np.int64), frames, plane(flags, cut), note=note)


def _draw_source(
    shown: Shown,
    problem: GridSystem,
    cell: tuple[int, ...],
    column: Array,
    name: str,
    M: Preconditioner | None,
) -> None:
    flags = problem.grid.flags
    panels = [_panel("column of A⁻¹", column, flags, cell[0])]
    if M is not None:
        found = response(problem, M, cell, column)
        panels += [
            _panel(f"M of {name}", found.values, flags, cell[0], "times the best step"),
            _panel("difference", column - found.values, flags, cell[0]),
        ]
        left = float(np.sqrt(max(0.0, 1.0 - found.cosine**2)))
    where = ", ".join(f"{axis} = {c}" for axis, c in zip(AXES, cell, strict=False))
    title = f"A source in the cell {where}: what it does everywhere"
    view = _view(title, f"{shown.run}.{cell}.{name}", cell, problem.grid.shape)
    components.fields("greens", field.fields_payload(panels, view), _take(problem.grid.dim))
    if M is not None:
        st.caption(
            "Click a cell to move the source. Between M's answer and the truth the cosine is "
            f"{found.cosine:.4f} in the energy inner product: one step along it leaves {left:.1%} of the "
            "error. An M that answers only nearby needs many steps until a source is felt across the grid."
        )


def _draw_kernels(shown: Shown, M: StencilOperator, cell: tuple[int, ...]) -> None:
    """Draw the kernels that a stencil network made for this grid, on one of its levels."""
    st.markdown(
        "**Learned kernels.** From the picture of air, fluid and walls the network made every cell of every "
        "level a stencil of its own; M is nothing but these stencils, applied down and up the levels."
    )
    left, right = st.columns([1, 2])
    with left:
        level = int(
            choice("Level", {str(n): _level_name(M, n) for n in range(M.levels)}, "0", "kernel.level")
        )
    with right:
        way = "down"
        if level < M.levels - 1:
            way = choice("Kernels", WAYS, "down", "kernel.way")
    fields, flags = M.kernels(level, after=way == "up").astype(float), M.flags(level)
    dim = flags.ndim
    here = tuple(min(c >> level, n - 1) for c, n in zip(cell, flags.shape, strict=True))
    taps = fields.reshape(*(3,) * dim, *flags.shape)
    left, right = st.columns([3, 2])
    rev = f"{shown.run}.{id(M)}.{level}.{way}.{here}"
    inside = flags == FLUID
    with left:
        panels = [
            _panel("centre weight", np.where(inside, fields[len(fields) // 2], 0.0), flags, here[0]),
            _panel("row sum", np.where(inside, fields.sum(axis=0), 0.0), flags, here[0]),
        ]
        view = _view(f"Kernels of level {level}, {WAYS[way]}", rev, here, flags.shape)
        components.fields("kernels", field.fields_payload(panels, view), _take(dim, 2**level))
        st.caption(
            "The centre is what a smoother would call its damping over the diagonal: damped Jacobi has "
            f"ω / A_ii, {2 / 3 / 4:.3f} in the open in 2-D. Near obstacles the network changes it."
        )
    with right:
        index = (*(slice(None),) * dim, *here)
        where = ", ".join(f"{axis} = {c}" for axis, c in zip(AXES, here, strict=False))
        components.live_figure(
            "kernel.stencil", kernels.stencil(taps[index]), group="", run=rev, cursor=False, height=300,
            title=f"Kernel of the level's cell {where}",
        )  # fmt: skip
        components.live_figure(
            "kernel.levels", kernels.combinations(M.combinations()), group="", run=f"{shown.run}.{id(M)}",
            cursor=False, height=220, title="How the levels are combined",
        )  # fmt: skip
    _draw_taps(taps, flags, here, rev, level)


def _draw_taps(
    taps: Array, flags: NDArray[np.integer[Any]], here: tuple[int, ...], rev: str, level: int
) -> None:
    """Draw each entry of the kernels as a field, arranged as in the stencil; in 3-D of the cell's layer."""
    dim = flags.ndim
    own = taps if dim == 2 else taps[1]
    inside = flags == FLUID
    with st.expander("Every entry of the kernels over the grid", key="kernel_entries"):
        for row, step in ((2, "+1"), (1, ""), (0, "−1")):
            panels = [
                _panel(f"{AXES[dim - 2]}{step}, {AXES[dim - 1]}{other}", np.where(inside, own[row, c], 0.0),
                       flags, here[0])
                for c, other in enumerate(("−1", "", "+1"))
            ]  # fmt: skip
            view = _view(
                f"Weight of the neighbours at {AXES[dim - 2]}{step}", f"{rev}.{row}", here, flags.shape
            )
            components.fields(f"taps.{row}", field.fields_payload(panels, view), _take(dim, 2**level))


def _level_name(M: StencilOperator, level: int) -> str:
    size = " × ".join(str(n) for n in M.flags(level).shape)
    return f"{level}: {size}" + (", the bottom" if level == M.levels - 1 else "")
