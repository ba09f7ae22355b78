"""Declared parameters as widgets, bound to the URL: the widget's key is the URL's key."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from core.registry import MethodSpec, Parameter, ProblemSpec, Value

MOST_SEED = 2**31 - 1
MOST_ITERATES = 10**9


def parameter_controls(
    spec: MethodSpec | ProblemSpec, prefix: str, skip: Iterable[str] = ()
) -> dict[str, Value]:
    """Draw the parameters of a problem or method, the advanced ones folded away.

    Parameters
    ----------
    prefix : "p", "m" or "m2"; the key of a widget is ``<prefix>.<name>``.
    skip : parameters that the page asks for in another way.

    Returns
    -------
    The values by name. Files are never among them: a link must not name a path.
    """
    shown = [p for p in spec.parameters if p.form != "file" and p.name not in set(skip)]
    values = _grid([p for p in shown if not p.advanced], prefix)
    advanced = [p for p in shown if p.advanced]
    if advanced:
        with st.expander("Advanced", key=f"{prefix}_advanced"):
            values |= _grid(advanced, prefix)
    return values


def _grid(parameters: list[Parameter], prefix: str) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for start in range(0, len(parameters), 2):
        row = parameters[start : start + 2]
        for column, parameter in zip(st.columns(2, vertical_alignment="bottom"), row, strict=False):
            with column:
                values[parameter.name] = parameter_widget(parameter, prefix)
    return values


def parameter_widget(parameter: Parameter, prefix: str, *, hide: bool = False) -> Value:
    """Draw one parameter and return its value; its label is for screen readers only if `hide`."""
    key, help_ = f"{prefix}.{parameter.name}", parameter.doc or None
    label = parameter.label + (f" [{parameter.unit}]" if parameter.unit else "")
    if parameter.choices:
        return choice(label, parameter.choices, str(parameter.default), key, help_)
    if parameter.type is bool:
        return st.toggle(label, bool(parameter.default), key=key, help=help_, bind="query-params")
    if parameter.type is str:
        text = st.text_input(label, str(parameter.default), key=key, help=help_, bind="query-params")
        return text or ""
    number = st.number_input(
        label, value=parameter.default, key=key, help=None if hide else help_, bind=_bound(key),
        label_visibility="collapsed" if hide else "visible", **_number_options(parameter),
    )  # fmt: skip
    return parameter.default if number is None else number


def whole_number(
    label: str, low: int, high: int, default: int | None, key: str, help_: str, **options: Any
) -> int | None:
    """Draw a field for a whole number that the address holds too; None if it is empty."""
    return st.number_input(label, low, high, default, key=key, help=help_, bind=_bound(key), **options)


def whole_in_link(key: str, low: int, high: int, otherwise: int | None) -> int | None:
    """Return a whole number of the address if it is one within its bounds."""
    asked = st.query_params.get(key, "")
    # Python refuses to read thousands of digits
    is_one = asked.isdecimal() and len(asked) <= len(str(high)) and low <= int(asked) <= high
    return int(asked) if is_one else otherwise


def iterate_in_link() -> int | None:
    """Return the iterate that the address asks for."""
    return whole_in_link("k", 0, MOST_ITERATES, None)


def seed_control(help_: str) -> int:
    """Draw the field of the seed."""
    return whole_number("Seed", 0, MOST_SEED, 0, "seed", help_)


def _bound(key: str) -> str | None:
    """Return how a number is bound to the address: not at all where infinity stands there.

    Streamlit would make it a whole number before it looks whether it fits.
    """
    try:
        is_endless = math.isinf(float(st.query_params.get(key, "0")))
    except ValueError:
        is_endless = False
    return None if is_endless else "query-params"


def choice(
    label: str,
    options: Mapping[str, str],
    default: str,
    key: str,
    help_: str | None = None,
    *,
    hide: bool = False,
) -> str:
    """Draw a selectbox and keep the chosen option's key in the URL.

    Streamlit's own binding would write what the option is called on the page, which is not permanent. A value
    that the address brings wins over the widget's; without one the session's last choice comes back.

    Parameters
    ----------
    options : key → what the page calls it.
    hide : whether the label is for screen readers only.
    """
    last = f"{key}.last"
    asked = st.query_params.get(key)
    if asked in options and asked != st.session_state.get(last):
        st.session_state[key] = asked
    elif st.session_state.get(key) not in options:
        remembered = st.session_state.get(last)
        st.session_state[key] = remembered if remembered in options else default
    chosen = st.selectbox(
        label,
        list(options),
        # stated beside the session's value: a rerun may overtake the message that carries only that one
        index=list(options).index(st.session_state[key]),
        format_func=lambda k: options.get(k, k),
        key=key,
        help=help_,
        label_visibility="collapsed" if hide else "visible",
    )
    st.session_state[last] = chosen
    if chosen == default:
        st.query_params.pop(key, None)
    elif asked != chosen:
        st.query_params[key] = chosen
    return str(chosen)


def _number_options(parameter: Parameter) -> dict[str, object]:
    cast = int if parameter.type is int else float
    options: dict[str, object] = {}
    if parameter.low is not None:
        options["min_value"] = cast(parameter.low)
    if parameter.high is not None:
        options["max_value"] = cast(parameter.high)
    if parameter.type is float:
        scale = abs(float(parameter.default)) or float(parameter.high or 1.0)
        options["step"] = 10.0 ** math.floor(math.log10(scale) - (0 if parameter.log else 1))
        options["format"] = "%.4g"
    return options


def ignored_parameters(query: Mapping[str, str], specs: Mapping[str, MethodSpec | ProblemSpec]) -> list[str]:
    """Say which parts of a link cannot be used.

    Parameters
    ----------
    query : URL parameters as they arrived.
    specs : prefix → what it configures.
    """
    messages = []
    for key, value in query.items():
        prefix, dot, name = key.partition(".")
        if not dot or prefix not in specs:
            continue
        known = {p.name: p for p in specs[prefix].parameters if p.form != "file"}
        if name not in known:
            messages.append(f"ignored ?{key}={value}: {specs[prefix].title} has no parameter {name}")
            continue
        try:
            known[name].parse(value, f"?{key}")
        except ValueError as error:
            messages.append(f"ignored {error}")
    return messages
