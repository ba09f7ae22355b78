"""The Poisson lab's sidebar: which grid, which right-hand side, up to six solvers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from core import registry
from core.errors import InputError
from core.io.pointcloud import EXTENSIONS
from core.poisson.files import read_flags, read_matrix, read_vector
from core.poisson.matrix import make_matrix_system
from core.recipe import Recipe, make
from core.registry import MethodSpec, ProblemSpec, Value
from pages.ui.controls import (
    choice,
    ignored_parameters,
    parameter_controls,
    parameter_widget,
    seed_control,
)
from pages.ui.explain import METHOD_SLOTS, not_offered
from pages.ui.mask_painter import mask, provide_mask
from pages.ui.session import owner, uploads
from pages.ui.upload import file_uploader, scan_card, scan_uploader

LAB = "poisson"
DEFAULT_PROBLEM = "disc"
#: URL keys of the solvers, and what each one is when nothing is asked for.
SLOTS = METHOD_SLOTS[LAB]
DEFAULT_METHODS = ("cg", "mic_pcg", "npsdo", "multigrid_pcg", "pyamg_sa", "none")
#: What all solvers share.
SHARED = "rtol"
#: Cells up to which every change of the controls computes at once.
AT_ONCE_CELLS = 2**15
#: Problem → its files: parameter → (slot of the upload, label, accepted endings).
FILES: Mapping[str, Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    "matrix": {
        "matrix": ("poisson.matrix", "Matrix: Matrix Market or SciPy's NPZ", (".mtx", ".npz")),
        "rhs_file": ("poisson.rhs", "Right-hand side (white noise without one)", (".mtx", ".npy")),
    },
    "painted": {"mask": ("poisson.mask", "Mask: 0 or 1 solid, 2 fluid, 3 air", (".npy",))},
    "scan": {"scan": ("poisson.scan", "Scan: every voxel with a point is solid", tuple(EXTENSIONS))},
}
#: The file without which a problem cannot be posed.
NEEDED = {"matrix": "matrix", "scan": "scan"}


def solvers() -> tuple[MethodSpec, ...]:
    """Return the lab's solvers."""
    return tuple(m for m in registry.methods(LAB) if m.kind == "solver")


def poisson_controls() -> tuple[Recipe, ...]:
    """Draw the sidebar and return the recipes it asks for; none while something is missing or refused."""
    st.subheader("Problem")
    spec = _problem_picker()
    files = _files(spec)
    values = parameter_controls(spec, "p")
    seed = seed_control("of the right-hand side, the coefficient and random obstacles")
    st.subheader("Solvers")
    methods, own_values = _solvers()
    shared = _shared(methods)
    not_offered(LAB)
    if NEEDED.get(spec.key, "") not in ("", *files):
        return ()
    try:
        return tuple(
            make(
                LAB,
                spec.key,
                m.key,
                values | files,
                _with_shared(m, own, shared),
                seed,
                ("?p.", f"?{slot}."),
            )
            for slot, m, own in zip(SLOTS, methods, own_values, strict=True)
            if m is not None
        )
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return ()


def _with_shared(
    method: MethodSpec, own: Mapping[str, Value], shared: Mapping[str, Value]
) -> dict[str, Value]:
    names = {p.name for p in method.parameters}
    return {**own, **{name: value for name, value in shared.items() if name in names}}


def computes_at_once(recipes: Sequence[Recipe]) -> bool:
    """Whether what is asked for takes no time to speak of."""
    if not recipes:
        return False
    params = recipes[0].problem_params
    if recipes[0].problem == "painted":
        return mask().size <= AT_ONCE_CELLS
    cells = int(params.get("n", 0)) ** int(params.get("dim", 0)) if "n" in params else 0
    return 0 < cells <= AT_ONCE_CELLS


def empty_sentence(problem: str) -> str:
    """Say what is missing."""
    return {
        "matrix": "Choose a matrix to begin.",
        "scan": "Choose a scan to begin.",
    }.get(problem, "Choose a solver to begin.")


def _problem_picker() -> ProblemSpec:
    specs = {spec.key: spec for spec in registry.problems(LAB)}
    titles = {key: spec.title for key, spec in specs.items()}
    spec = specs[choice("Problem", titles, DEFAULT_PROBLEM, "p", hide=True)]
    st.caption(" ".join(spec.doc.split()))
    return spec


def _files(spec: ProblemSpec) -> dict[str, Value]:
    """Draw the uploaders of a problem; returns the paths of what is there, by parameter."""
    wanted = FILES.get(spec.key, {})
    if spec.key == "painted":
        provide_mask()
    for name, (slot, label, endings) in wanted.items():
        if name == "scan":
            scan_uploader(slot, label)
        else:
            file_uploader(slot, label, endings, _check(name))
    there = uploads().get(owner())
    found = {name: there[slot] for name, (slot, _, _) in wanted.items() if slot in there}
    if found:
        names = {p.name: p.label for p in spec.parameters}
        scan_card([(names[name], f"{u.name}, {u.size / 1e6:.2f} MB") for name, u in found.items()])
    if "rhs_file" in found:
        st.button(
            "Remove the right-hand side", icon=":material/close:", key="rhs.remove", on_click=_remove_rhs,
            help="White noise takes its place",
        )  # fmt: skip
    return {name: str(upload.path) for name, upload in found.items()}


def _remove_rhs() -> None:
    uploads().empty(owner(), FILES["matrix"]["rhs_file"][0])


def _check(parameter: str) -> Callable[[Path], None]:
    """Return what reads a file once before it replaces the one in use."""

    def matrix(path: Path) -> None:
        A = read_matrix(path)
        make_matrix_system(A, np.zeros(A.shape[0]), path.name)

    def vector(path: Path) -> None:
        values = read_vector(path)
        held = uploads().get(owner()).get(FILES["matrix"]["matrix"][0])
        rows = read_matrix(held.path).shape[0] if held is not None else len(values)
        if held is not None and len(values) != rows:
            raise InputError(path.name, f"{rows:,} numbers, one a row of {held.name}", f"{len(values):,}")

    checks: dict[str, Callable[[Path], object]] = {
        "matrix": matrix, "rhs_file": vector, "mask": read_flags,
    }  # fmt: skip

    def check(path: Path) -> None:
        checks[parameter](path)

    return check


def _solvers() -> tuple[list[MethodSpec | None], list[dict[str, Value]]]:
    """Draw six pickers with the settings of each beside it."""
    specs = {spec.key: spec for spec in solvers()}
    titles = {"none": "nothing", **{key: spec.title for key, spec in specs.items()}}
    methods: list[MethodSpec | None] = []
    values: list[dict[str, Value]] = []
    for i, (slot, default) in enumerate(zip(SLOTS, DEFAULT_METHODS, strict=True)):
        picker, settings = st.columns([5, 1], vertical_alignment="center", gap="xsmall")
        with picker:
            chosen = choice(
                f"Solver {i + 1}", titles, default if default in titles else "none", slot, hide=True
            )
        spec = specs.get(chosen)
        methods.append(spec)
        own: dict[str, Value] = {}
        if spec is not None and any(p.name != SHARED for p in spec.parameters):
            with settings, st.popover("", icon=":material/tune:", help=f"Settings of {spec.title}"):
                st.markdown(f"**{spec.title}**")
                own = parameter_controls(spec, slot, skip=(SHARED,))
        values.append(own)
    return methods, values


def _shared(methods: Sequence[MethodSpec | None]) -> dict[str, Value]:
    """Draw the tolerance that all solvers share."""
    for spec in methods:
        for parameter in spec.parameters if spec is not None else ():
            if parameter.name == SHARED:
                value = parameter_widget(parameter, "m")
                st.caption("All get the same system, start x = 0, tolerance and precision.")
                return {SHARED: value}
    return {}


def ignored_in_link(query: Mapping[str, str]) -> tuple[str, ...]:
    """Say which parts of the address cannot be used."""
    messages = []
    chosen: dict[str, MethodSpec | ProblemSpec] = {}
    problems = {spec.key: spec for spec in registry.problems(LAB)}
    methods = {spec.key: spec for spec in solvers()}
    asked = query.get("p", DEFAULT_PROBLEM)
    if asked not in problems:
        messages.append(f"ignored ?p={asked}: expected one of {', '.join(problems)}")
    chosen["p"] = problems.get(asked, problems[DEFAULT_PROBLEM])
    for slot, default in zip(SLOTS, DEFAULT_METHODS, strict=True):
        asked = query.get(slot, default if default in methods else "none")
        if asked in methods:
            chosen[slot] = methods[asked]
        elif asked != "none":
            messages.append(f"ignored ?{slot}={asked}: expected one of {', '.join(methods)}")
    return (*messages, *ignored_parameters(query, chosen))
