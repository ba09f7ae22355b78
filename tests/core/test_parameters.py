"""Parameters that one class declares as another does."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from core.registry import inherited, param, parameters


@dataclass(frozen=True)
class Declared:
    tolerance: float = param(1e-5, low=1e-14, high=0.1, log=True, unit="rad", label="turn", doc="stop below")
    kernel: str = param("huber", choices={"huber": "Huber", "none": "least squares"}, advanced=True)


def test_an_inherited_parameter_is_declared_alike() -> None:
    @dataclass(frozen=True)
    class Other:
        kernel: str = inherited(Declared, "kernel")
        tolerance: float = inherited(Declared, "tolerance")

    assert parameters(Other) == parameters(Declared)[::-1]


def test_only_what_is_named_changes_in_an_inherited_parameter() -> None:
    @dataclass(frozen=True)
    class Other:
        threshold: float = inherited(Declared, "tolerance", default=0.01, doc="another sentence")

    (found,) = parameters(Other)
    expected = replace(parameters(Declared)[0], name="threshold", default=0.01, doc="another sentence")
    assert found == expected


def test_an_inherited_parameter_takes_other_choices() -> None:
    @dataclass(frozen=True)
    class Other:
        kernel: str = inherited(Declared, "kernel", default="own", choices=("own", "huber"))

    (found,) = parameters(Other)
    assert dict(found.choices) == {"own": "own", "huber": "huber"}
    assert found.default == "own"
    assert found.advanced


def test_inheriting_leaves_the_declaration_as_it_is() -> None:
    before = parameters(Declared)
    inherited(Declared, "kernel", default="none", choices={"none": "nothing"})
    assert parameters(Declared) == before


def test_what_is_declared_nowhere_cannot_be_inherited() -> None:
    with pytest.raises(ValueError, match="Declared has no parameter 'missing'"):
        inherited(Declared, "missing")
    with pytest.raises(TypeError, match="lowest"):
        inherited(Declared, "tolerance", lowest=0.0)
