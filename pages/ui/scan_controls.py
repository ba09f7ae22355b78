"""The registration lab's sidebar: which scans, from which start, by which methods."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core import registry
from core.errors import InputError
from core.iterate import Array
from core.linalg import lie
from core.recipe import Recipe, make
from core.registry import MethodSpec, ProblemSpec, Value
from pages.ui import sequence_views
from pages.ui.controls import choice, ignored_parameters, parameter_controls, seed_control
from pages.ui.session import owner, uploads
from pages.ui.upload import scan_card, scan_uploader

LAB = "registration"
OWN_SCANS, BUILDER = "scans", "built"
DEFAULT_PROBLEM, DEFAULT_METHODS = "corridor", ("dcreg", "icp_plane")
POSES = ("initial", "truth")
_AXES = (("x", "m"), ("y", "m"), ("z", "m"), ("roll", "°"), ("pitch", "°"), ("yaw", "°"))


def pair_problems() -> tuple[ProblemSpec, ...]:
    """Return the problems that are two scans."""
    return tuple(spec for spec in registry.problems(LAB) if spec.key not in sequence_views.PROBLEMS)


def pair_methods() -> tuple[MethodSpec, ...]:
    """Return the methods that align two scans."""
    methods = registry.methods(LAB)
    return tuple(m for m in methods if m.kind == "solver" and m.key != sequence_views.METHOD)


def scan_controls() -> tuple[Recipe, ...]:
    """Draw the sidebar and return the recipes it asks for; none while something is missing or refused."""
    st.subheader("Scans")
    spec = _problem_picker()
    files = _own_scans() if spec.key == OWN_SCANS else {}
    names = {p.name for p in spec.parameters}
    what = "Preparation" if spec.key == OWN_SCANS else "Scene and preparation"
    with st.expander(what, key="p_settings", expanded=spec.key == BUILDER):
        values = parameter_controls(spec, "p", skip=POSES)
    st.subheader("Start")
    with st.expander("Start pose" + (" and true pose" if "truth" in names else ""), key="p_poses"):
        values |= _pose_controls(names)
    st.subheader("Methods")
    first, second = _method_pickers()
    with st.expander(f"{first.title}: settings", key="m_settings"):
        first_values = parameter_controls(first, "m")
    second_values: Mapping[str, Value] = {}
    if second is not None:
        shared = {p.name for p in second.parameters} & set(first_values)
        own = [p for p in second.parameters if p.name not in shared]
        if own:
            with st.expander(f"{second.title}: settings", key="m2_settings"):
                second_values = parameter_controls(second, "m2", skip=shared)
        second_values = {**second_values, **{name: first_values[name] for name in shared if name != "solver"}}
        st.caption("Both get the same scans, start, distances, kernel, tolerances and precision.")
    seed = seed_control("of simulated noise")
    return _recipes(spec, values | files, (first, first_values), (second, second_values), seed)


def _recipes(
    spec: ProblemSpec,
    problem_params: Mapping[str, Value],
    first: tuple[MethodSpec, Mapping[str, Value]],
    second: tuple[MethodSpec | None, Mapping[str, Value]],
    seed: int,
) -> tuple[Recipe, ...]:
    if spec.key == OWN_SCANS and not {"source", "target"} <= problem_params.keys():
        return ()
    try:
        return tuple(
            make(LAB, spec.key, method.key, problem_params, values, seed, ("?p.", "?m."))
            for method, values in (first, second)
            if method is not None
        )
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return ()


def _problem_picker() -> ProblemSpec:
    specs = {spec.key: spec for spec in pair_problems()}
    titles = {key: spec.title for key, spec in specs.items() if key != OWN_SCANS}
    titles[OWN_SCANS] = specs[OWN_SCANS].title
    spec = specs[choice("Scan pair", titles, DEFAULT_PROBLEM, "p", hide=True)]
    st.caption(" ".join(spec.doc.split()))
    return spec


def _own_scans() -> dict[str, Value]:
    """Draw the uploaders; returns the paths of what is there."""
    scan_uploader("source", "Source: the scan that moves")
    scan_uploader("target", "Target: the scan that stays")
    there = {slot: u for slot, u in uploads().get(owner()).items() if slot in ("source", "target")}
    if there:
        scan_card([(slot, f"{u.name}, {u.size / 1e6:.1f} MB") for slot, u in sorted(there.items())])
    if len(there) == 2:
        st.button(
            "Swap source and target",
            icon=":material/swap_horiz:",
            on_click=lambda: uploads().swap(owner(), "source", "target"),
            key="swap",
        )
    return {slot: str(upload.path) for slot, upload in there.items()}


def _method_pickers() -> tuple[MethodSpec, MethodSpec | None]:
    specs = {spec.key: spec for spec in pair_methods()}
    titles = {key: spec.title for key, spec in specs.items()}
    first = choice("Method", titles, DEFAULT_METHODS[0], "m")
    second = choice("Compare with", {"none": "nothing", **titles}, DEFAULT_METHODS[1], "m2")
    return specs[first], specs.get(second) if second != first else None


def _pose_controls(names: set[str]) -> dict[str, Value]:
    """Draw the start pose as text and as six numbers that write the text; the true pose as text."""
    values: dict[str, Value] = {}
    values["initial"] = st.text_area(
        "T_target_source, start",
        key="p.initial",
        bind="query-params",
        height=100,
        placeholder="identity, or the scene's own start",
        help="16 or 12 numbers row by row, or x y z roll pitch yaw in m and degrees; "
        "maps source points into the target's frame",
    ) or ""  # fmt: skip
    start = _numbers(str(values["initial"]))
    columns = st.columns(2)
    for i, (axis, unit) in enumerate(_AXES):
        with columns[i // 3]:
            reach = 20.0 if unit == "m" else 180.0
            st.session_state[f"start.{axis}"] = float(min(max(start[i], -reach), reach))
            st.slider(
                f"{axis} [{unit}]", -reach, reach, step=0.01, key=f"start.{axis}", on_change=_write_start
            )
    if "truth" in names:
        values["truth"] = st.text_area(
            "T_target_source, true",
            key="p.truth",
            bind="query-params",
            height=100,
            placeholder="unknown",
            help="errors are given against it; it never helps a method",
        ) or ""  # fmt: skip
    return values


def _numbers(text: str) -> list[float]:
    """Return a pose text as x y z roll pitch yaw; zeros where it is empty or refused."""
    try:
        return (
            [float(v) for v in lie.xyzrpy(lie.parse_pose(text, "start", files=False))] if text else [0.0] * 6
        )
    except InputError:
        return [0.0] * 6


def _write_start() -> None:
    st.session_state["p.initial"] = " ".join(f"{st.session_state[f'start.{axis}']:g}" for axis, _ in _AXES)


def use_as_start(T_target_source: Array) -> None:
    """Let a result be the next run's start."""
    st.session_state["p.initial"] = lie.format_pose(T_target_source)


def ignored_in_link(query: Mapping[str, str]) -> tuple[str, ...]:
    """Say which parts of the address cannot be used."""
    messages = []
    chosen: dict[str, MethodSpec | ProblemSpec] = {}
    choices = {"p": pair_problems(), "m": pair_methods(), "m2": pair_methods()}
    defaults = dict(zip(choices, (DEFAULT_PROBLEM, *DEFAULT_METHODS), strict=True))
    for key, specs in choices.items():
        by_key = {spec.key: spec for spec in specs}
        asked = query.get(key, defaults[key])
        if asked not in by_key and not (key == "m2" and asked == "none"):
            messages.append(f"ignored ?{key}={asked}: expected one of {', '.join(by_key)}")
        chosen[key] = by_key.get(asked, by_key[defaults[key]])
    return (*messages, *ignored_parameters(query, chosen))
