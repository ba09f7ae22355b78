"""Strategies and checks made from the metadata of declared parameters."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import strategies as st

from core import registry
from core.errors import InputError
from core.registry import MethodSpec, Parameter, ProblemSpec


def strategy(p: Parameter) -> st.SearchStrategy[Any]:
    """Values that the parameter accepts."""
    if p.choices:
        return st.sampled_from(list(p.choices))
    if p.type is bool:
        return st.booleans()
    if p.type is str:
        return st.just(p.default)
    if p.type is int:
        return st.integers(
            -(2**53) if p.low is None else math.ceil(p.low), 2**53 if p.high is None else math.floor(p.high)
        )
    return st.floats(p.low, p.high, allow_nan=False, allow_infinity=False)


def values_of(spec: MethodSpec | ProblemSpec) -> st.SearchStrategy[dict[str, Any]]:
    """Values for every parameter."""
    return st.fixed_dictionaries({p.name: strategy(p) for p in spec.parameters})


def outside(p: Parameter) -> list[object]:
    """Values that the parameter must refuse."""
    if p.choices:
        return ["", "no such choice", None]
    if p.type is bool:
        return ["", "perhaps", 2]
    if p.type is str:
        return []
    bad: list[object] = ["", "x", "nan", "inf", None, True]
    if p.low is not None:
        bad.append(p.low - 1 if p.type is int else math.nextafter(p.low, -math.inf))
    if p.high is not None:
        bad.append(p.high + 1 if p.type is int else math.nextafter(p.high, math.inf))
    return bad + ([0.5] if p.type is int else [])


def assert_bounds_hold(spec: MethodSpec | ProblemSpec, prefix: str) -> None:
    """Check that each parameter takes both ends of its range and refuses what is outside."""
    for p in spec.parameters:
        assert p.type in (bool, str) or p.choices or (p.low is not None and p.high is not None), (
            f"{spec.key}.{p.name} has no range: a page can make no slider of it"
        )
        for end in p.choices or (p.low, p.high):
            if end is not None:
                made = registry.instantiate(spec, {p.name: end}, prefix)
                assert getattr(made, p.name) == end
        for value in outside(p):
            with pytest.raises(InputError) as error:
                registry.instantiate(spec, {p.name: value}, prefix)
            assert error.value.what == f"{prefix}{p.name}"
