"""What every registered problem promises."""

from __future__ import annotations

import inspect
from collections.abc import Generator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import registry
from core.errors import InputError
from core.iterate import Progress, drain
from core.recipe import make
from core.registry import ProblemSpec
from core.run import Run, State
from tests.contract.parameters import assert_bounds_hold, values_of

LABS = [lab.key for lab in registry.labs()]
PROBLEMS = [spec for lab in LABS for spec in registry.problems(lab)]

each_problem = pytest.mark.parametrize("spec", PROBLEMS, ids=lambda spec: f"{spec.lab}-{spec.key}")
each_lab = pytest.mark.parametrize("lab", LABS)


def needs_files(spec: ProblemSpec) -> bool:
    return any(p.form == "file" and not p.default for p in spec.parameters)


@each_lab
def test_every_module_of_the_lab_can_be_imported(lab: str) -> None:
    # a package that pip alone does not give may be missing, and says so
    lacking = {m.key for m in registry.unavailable(lab) if "is not installed: pip install" in m.sentence}
    assert lacking <= {"petsc_pcg"}
    assert {m.key for m in registry.unavailable(lab)} == lacking
    assert registry.problems(lab)
    assert registry.methods(lab)


@each_lab
def test_every_method_names_an_example_that_needs_no_file(lab: str) -> None:
    for method in registry.methods(lab):
        assert not needs_files(registry.problem_spec(lab, method.example)), method.key


@each_lab
def test_methods_that_share_a_chart_have_colours_of_their_own(lab: str) -> None:
    colours = [method.colour for method in registry.methods(lab)]
    assert len(set(colours)) == len(colours)


@each_problem
def test_it_says_what_it_is(spec: ProblemSpec) -> None:
    assert spec.title
    assert spec.doc
    assert all(p.doc for p in spec.parameters), [p.name for p in spec.parameters if not p.doc]
    assert spec.key.isidentifier()
    assert spec.key == spec.key.lower()


@each_problem
def test_it_is_built_in_stages_that_can_be_shown(spec: ProblemSpec) -> None:
    assert inspect.isgeneratorfunction(spec.cls.build)
    preparation = spec.cls().build(0)
    if needs_files(spec):
        with pytest.raises(InputError):
            drain(preparation)
        return
    stages: list[Progress] = []

    def watched() -> Generator[None, None, object]:
        while True:
            try:
                stages.append(next(preparation))
            except StopIteration as end:
                return end.value
            yield

    assert drain(watched()) is not None
    for stage in stages:
        assert isinstance(stage, Progress)
        assert stage.stage
        assert stage.done >= 0
        assert stage.total == 0 or stage.done <= stage.total


@each_problem
def test_building_can_be_broken_off_at_any_stage(spec: ProblemSpec) -> None:
    if needs_files(spec):
        pytest.skip("needs files")
    stage = 0
    while True:
        preparation = spec.cls().build(0)
        if sum(1 for _, _ in zip(preparation, range(stage), strict=False)) < stage:
            break
        preparation.close()
        assert next(preparation, None) is None
        stage += 3


@each_problem
def test_the_seed_decides_everything_random(spec: ProblemSpec) -> None:
    if needs_files(spec):
        pytest.skip("needs files")
    method = next(m for m in registry.methods(spec.lab))

    # a few steps of a training tell as much as all of them
    short = {p.name: 20 for p in method.parameters if p.name == "steps"}

    def trace_hash() -> str:
        run = Run([make(spec.lab, spec.key, method.key, {}, short, seed=5)]).inline()
        assert run.state in (State.FINISHED, State.FAILED) and (run.error is None or run.refused)  # noqa: PT018
        return run.view().members[0].view.trace_hash()

    assert trace_hash() == trace_hash()


@each_problem
def test_every_parameter_takes_its_ends_and_nothing_beyond(spec: ProblemSpec) -> None:
    assert_bounds_hold(spec, "-p ")


@each_problem
@settings(max_examples=25)
@given(data=st.data())
def test_any_values_in_range_survive_texts(spec: ProblemSpec, data: st.DataObject) -> None:
    values = data.draw(values_of(spec))
    method = next(m for m in registry.methods(spec.lab))
    try:
        recipe = make(spec.lab, spec.key, method.key, values)
    except InputError:  # a combination that the class refuses
        return
    texts = {name: repr(v) if isinstance(v, float) else str(v) for name, v in values.items()}
    assert make(spec.lab, spec.key, method.key, texts).hash() == recipe.hash()
