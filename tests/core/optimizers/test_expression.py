"""The formula box: what it reads, what it refuses, and that nothing is executed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.optimizers.expression import DEEPEST, LONGEST, Formula

AT = np.array([0.7, -1.3])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x", 0.7),
        ("-x**2", -0.49),
        ("2^x", 2**0.7),
        ("2**-1", 0.5),
        ("2**3**2", 512.0),
        ("(2**3)**2", 64.0),
        ("1-2-3", -4.0),
        ("8/4/2", 1.0),
        ("--x", 0.7),
        ("x*-y", 0.91),
        ("1.5e1 + .5", 15.5),
        ("pi*e", math.pi * math.e),
        ("abs(y)+sqrt(x)", 1.3 + math.sqrt(0.7)),
        ("tanh(x) + log(x) + exp(y)", math.tanh(0.7) + math.log(0.7) + math.exp(-1.3)),
        ("x**13", 0.7**13),
        ("x**-2", 0.7**-2),
        ("x**y", 0.7**-1.3),
        ("(x+1)**0", 1.0),
    ],
)
def test_it_reads_what_is_written(text: str, value: float) -> None:
    assert Formula(text).value(AT) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x +", "(x", "x)", "x y", "2x", "sin x", "sin", "z", "x.y", "__import__('os')",
        "().__class__", "exec(x)", "lambda: x", "x if y else 0", "[x]", "x; y", "x = 1", "x == y", "'x'",
        "sin(x, y)", "1e999", "x\n\\", "x # comment", "f'{x}'", "x%y", "x//y", "x@y", "os", "atan2(x)",
        "𝐱", "x**", "*x", "1..2", "0x10", "1_000", "\x00",
    ],
)  # fmt: skip
def test_everything_else_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(InputError) as error:
        Formula(text)
    assert "\n" not in str(error.value)
    assert error.value.what == "formula"


def test_the_message_names_the_place() -> None:
    with pytest.raises(InputError, match="'z' at character 5"):
        Formula("x + z")
    with pytest.raises(InputError, match="a bracket is not closed"):
        Formula("sin(x")


def test_size_and_depth_are_bounded() -> None:
    for text in (
        "x+" * LONGEST + "x",
        "(" * 200 + "x" + ")" * 200,
        "x**" * 60 + "x",
        "sin(" * 90 + "x" + ")" * 90,
    ):
        with pytest.raises(InputError):
            Formula(text)
    deep = Formula("sin(" * (DEEPEST - 1) + "x*y" + ")" * (DEEPEST - 1))
    assert np.isfinite(deep.hessian(AT)).all()
    steep = Formula("9**9**9**9 + x")
    assert not math.isfinite(steep.value(AT))


@given(st.text(alphabet="xy0123456789.+-*/^() sincoexplgqrtabhz_,", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        formula = Formula(text)
    except InputError:
        return
    assert isinstance(formula.value(AT), float)
    assert formula.hessian(AT).shape == (2, 2)


@given(st.floats(-1e308, 1e308), st.floats(-1e308, 1e308))
def test_points_anywhere_give_numbers_and_no_exception(x: float, y: float) -> None:
    formula = Formula("x**4/y - exp(x*y) + log(y)*sqrt(x) + tanh(x)**y")
    point = np.array([x, y])
    for result in (formula.value(point), formula.gradient(point), formula.hessian(point)):
        assert np.asarray(result).dtype == np.float64
    np.testing.assert_array_equal(np.isnan(formula.value(point)), np.isnan(formula.value(point[None])[0]))


def test_equal_parts_are_computed_once() -> None:
    once = Formula("sin(x*y)")
    twice = Formula("sin(x*y) + sin(x*y)")
    assert len(twice._value.steps) == len(once._value.steps) + 1
