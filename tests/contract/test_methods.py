"""What every registered method promises (`core.iterate`), on its example problem.

A method gets all of these tests by being registered.
"""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core import registry
from core.errors import InputError
from core.iterate import Iterate, Status, Work, drain
from core.recipe import Recipe, make
from core.registry import MethodSpec
from core.run import Run, RunView, State
from tests.contract.parameters import assert_bounds_hold, values_of

METHODS = [spec for lab in registry.labs() for spec in registry.methods(lab.key)]

pytestmark = pytest.mark.parametrize("spec", METHODS, ids=lambda spec: f"{spec.lab}-{spec.key}")


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """An iterate with its arrays as they were when it came."""

    iterate: Iterate
    arrays: dict[str, NDArray[Any]]


def example(spec: MethodSpec, **method_params: object) -> Recipe:
    if spec.kind == "analysis" and "resolution" not in method_params:
        # what is promised does not depend on how many cells a map has
        method_params |= {p.name: 5 for p in spec.parameters if p.name == "resolution"}
    if spec.kind == "training" and "stop_after" not in method_params:
        # … nor on how long a training goes on
        method_params |= {p.name: 3 for p in spec.parameters if p.name == "stop_after"}
    if spec.kind == "simulation" and "frames" not in method_params:
        method_params |= {"frames": 3}
    if "training_steps" not in method_params:
        # … nor on how much a method learns before it begins
        method_params |= {p.name: 5 for p in spec.parameters if p.name == "training_steps"}
    return make(spec.lab, spec.example, spec.key, {}, method_params)


@cache
def prepared(lab: str, problem: str) -> Any:
    """The example problem, built once for all methods that name it."""
    return drain(registry.problem_spec(lab, problem).cls().build(0))


def begun(spec: MethodSpec, **method_params: object) -> tuple[Any, Any]:
    """The method on its example, and the problem as its own preparation leaves it."""
    method = example(spec, **method_params).build_method()
    problem = prepared(spec.lab, spec.example)
    return method, drain(method.prepare(problem)) if hasattr(method, "prepare") else problem


def iterates(spec: MethodSpec, **method_params: object) -> Iterator[Iterate]:
    method, problem = begun(spec, **method_params)
    return method.iterate(problem)  # type: ignore[no-any-return]


@cache
def items(lab: str, key: str) -> tuple[Item, ...]:
    """Everything that the method yields, pulled without the runner."""
    found = []
    for iterate in iterates(registry.method_spec(lab, key)):
        lazy = {"x": iterate.x, **iterate.arrays}
        arrays = {n: np.array(a() if callable(a) else a) for n, a in lazy.items()}
        found.append(Item(iterate, arrays))
    return tuple(found)


@cache
def run(lab: str, key: str, repetition: int) -> tuple[Run, RunView]:
    done = Run([example(registry.method_spec(lab, key))]).inline()
    return done, done.view()


def of(spec: MethodSpec) -> tuple[Item, ...]:
    return items(spec.lab, spec.key)


def is_analysis(spec: MethodSpec) -> bool:
    return example(spec).kind == "analysis"


def test_it_says_what_it_is(spec: MethodSpec) -> None:
    assert spec.title
    assert spec.source
    assert (spec.cls.__doc__ or "").strip()
    assert all(p.doc for p in spec.parameters), [p.name for p in spec.parameters if not p.doc]
    assert spec.key.isidentifier()
    assert spec.key == spec.key.lower()


def test_arguments_are_checked_at_the_call(spec: MethodSpec) -> None:
    # a generator function would check nothing before the first item is pulled
    assert not inspect.isgeneratorfunction(spec.cls.iterate)


def test_k_rises_by_one_from_zero(spec: MethodSpec) -> None:
    assert [item.iterate.k for item in of(spec)] == list(range(len(of(spec))))


def test_the_last_item_and_only_the_last_is_terminal(spec: MethodSpec) -> None:
    *before, last = (item.iterate.status for item in of(spec))
    assert last.terminal
    assert set(before) <= {Status.RUNNING}


def test_the_yardstick_is_recorded_at_every_k(spec: MethodSpec) -> None:
    yardstick = registry.lab(spec.lab).yardstick
    assert yardstick in spec.scalars
    values = [item.iterate.scalars[yardstick] for item in of(spec)]
    if not is_analysis(spec) and of(spec)[-1].iterate.status is not Status.DIVERGED:
        assert np.isfinite(values).all()


def test_the_scalars_are_the_declared_ones(spec: MethodSpec) -> None:
    recorded = [set(item.iterate.scalars) for item in of(spec)]
    of_problem = {} if is_analysis(spec) else registry.problem_spec(spec.lab, spec.example).scalars
    assert set().union(*recorded) == set(spec.scalars) | set(of_problem)
    assert all(isinstance(v, int | float) for item in of(spec) for v in item.iterate.scalars.values())


def test_arrays_are_finite_doubles_of_one_shape(spec: MethodSpec) -> None:
    for item in of(spec):
        assert item.arrays["x"].shape == of(spec)[0].arrays["x"].shape
        for array in item.arrays.values():
            assert array.dtype in (np.float64, np.float32, np.int64, np.bool_)
            if not is_analysis(spec) and item.iterate.status is not Status.DIVERGED:
                assert np.isfinite(array).all()


def test_yielded_arrays_belong_to_the_receiver(spec: MethodSpec) -> None:
    eager = [
        (value, item.arrays[name])
        for item in of(spec)
        for name, value in {"x": item.iterate.x, **item.iterate.arrays}.items()
        if not callable(value)
    ]
    for array, then in eager:  # nothing was written into it afterwards
        np.testing.assert_array_equal(array, then)
    for (a, _), (b, _) in itertools.combinations(eager[:20], 2):
        assert not np.shares_memory(a, b)
    source = iterates(spec)
    item = next(source)
    for value in (item.x, *item.arrays.values()):
        if callable(value):
            first, second = value(), value()
            np.testing.assert_array_equal(first, second)
            first[...] = 7  # a copy is the receiver's to change
            np.testing.assert_array_equal(value(), second)


def test_work_is_cumulative_and_counted(spec: MethodSpec) -> None:
    counts = np.array([dataclasses.astuple(item.iterate.work) for item in of(spec)])
    assert (counts >= 0).all()
    assert (np.diff(counts, axis=0) >= 0).all()
    if len(counts) > 1:
        assert counts[-1].sum() > counts[0].sum()
    assert counts.shape[1] == len(dataclasses.fields(Work))


def test_twice_the_same_recipe_gives_twice_the_same_bytes(spec: MethodSpec) -> None:
    (_, first), (_, second) = (run(spec.lab, spec.key, repetition) for repetition in (1, 2))
    assert first.state is State.FINISHED, first.note
    assert first.members[0].view.trace_hash() == second.members[0].view.trace_hash()


def test_the_runner_records_what_the_method_yields(spec: MethodSpec) -> None:
    view = run(spec.lab, spec.key, 1)[1].members[0].view
    last = of(spec)[-1]
    assert (len(view), view.status, view.note) == (len(of(spec)), last.iterate.status, last.iterate.note)
    np.testing.assert_array_equal(view.last("x"), last.arrays["x"])
    for name in last.iterate.scalars:
        np.testing.assert_array_equal(view.final_scalars()[name], last.iterate.scalars[name])
    for snapshot in view.snapshots.values():
        assert not any(array.flags.writeable for array in snapshot.values())


def test_the_lab_has_a_result_for_it_that_json_can_hold(spec: MethodSpec) -> None:
    finished, view = run(spec.lab, spec.key, 1)
    result = registry.lab(spec.lab).result(finished.problem, view.members[0].view)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_it_can_be_closed_at_any_item(spec: MethodSpec) -> None:
    method, problem = begun(spec)
    for pulled in sorted({0, 1, 2, len(of(spec)) // 2, len(of(spec))}):
        source = method.iterate(problem)
        for _ in range(min(pulled, len(of(spec)))):
            next(source)
        source.close()
        assert next(source, None) is None


def test_two_generators_of_one_method_do_not_mix(spec: MethodSpec) -> None:
    method, problem = begun(spec)
    first, second = method.iterate(problem), method.iterate(problem)
    for item in of(spec)[:5]:
        for source in (first, second):
            again = next(source)
            x = again.x() if callable(again.x) else again.x
            np.testing.assert_array_equal(x, item.arrays["x"])
            assert again.work == item.iterate.work


def test_the_iteration_limit_is_kept(spec: MethodSpec) -> None:
    limit = next((p for p in spec.parameters if p.name == "max_iterations"), None)
    if limit is None:
        pytest.skip("has no iteration limit")
    for n in {max(1, math.ceil(limit.low or 1)), min(len(of(spec)), 3)}:
        *_, last = iterates(spec, max_iterations=n)
        assert last.k <= n
        assert last.status is not Status.CONVERGED or last.k == len(of(spec)) - 1
        if last.k < len(of(spec)) - 1:
            assert last.status is Status.MAX_ITERATIONS


def test_it_prints_nothing_and_leaves_the_global_generator_alone(
    spec: MethodSpec, capfd: pytest.CaptureFixture[str]
) -> None:
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002
    for _, _ in zip(iterates(spec), range(3), strict=False):
        pass
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002
    assert capfd.readouterr() == ("", "")


def test_every_parameter_takes_its_ends_and_nothing_beyond(spec: MethodSpec) -> None:
    assert_bounds_hold(spec, "-m ")


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_values_in_range_survive_texts_and_documents(spec: MethodSpec, data: st.DataObject) -> None:
    values = data.draw(values_of(spec))
    try:
        recipe = example(spec, **values)
    except InputError:  # a combination that the class refuses
        return
    assert dict(recipe.method_params) == values
    texts = {name: repr(v) if isinstance(v, float) else str(v) for name, v in values.items()}
    assert example(spec, **texts).hash() == recipe.hash()
