"""A step explained: from the numbers that are shown, formulas written here again give the next point."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from core.iterate import Array
from core.optimizers.explanation import Explanation, Line, explain, latex, term_histories
from core.recipe import make
from core.run import Run
from core.trace import TraceView

Shown = Mapping[str, Any]


def ran(problem: str, method: str, **settings: object) -> tuple[Any, TraceView]:
    recipe = make("optimizers", problem, method, {}, {"steps": 40, **settings}, seed=1)
    run = Run([recipe]).inline()
    assert run.error is None, run.error
    return recipe.build_method(), run.view().members[0].view


def adam(s: Shown) -> Array:
    m = s["beta1"] * s["m"] + (1 - s["beta1"]) * s["g"]
    v = s["beta2"] * s["v"] + (1 - s["beta2"]) * s["g"] ** 2
    m_hat, v_hat = m / (1 - s["beta1"] ** s["t"]), v / (1 - s["beta2"] ** s["t"])
    return np.asarray(
        s["x"] * (1 - s["lr"] * s.get("decay", 0.0)) - s["lr"] * m_hat / (np.sqrt(v_hat) + s["eps"])
    )


def diffgrad(s: Shown) -> Array:
    m = s["beta1"] * s["m"] + (1 - s["beta1"]) * s["g"]
    v = s["beta2"] * s["v"] + (1 - s["beta2"]) * s["g"] ** 2
    friction = 0.5 * (1 + np.tanh(np.abs(s["g_old"] - s["g"]) / 2))
    rate = s["lr"] * math.sqrt(1 - s["beta2"] ** s["t"]) / (1 - s["beta1"] ** s["t"])
    return np.asarray(s["x"] - rate * friction * m / (np.sqrt(v) + s["eps"]))


def sgd(s: Shown) -> Array:
    b = s["mu"] * s["b"] + s["g"]
    return np.asarray(s["x"] - s["lr"] * b)


def nesterov(s: Shown) -> Array:
    return np.asarray(s["x"] - s["lr"] * (s["g"] + s["mu"] * (s["mu"] * s["b"] + s["g"])))


def off_axis(u: Array, w: Array) -> Array:
    return np.asarray(u - w * (w @ u))


def sgdp(s: Shown) -> Array:
    return np.asarray(s["x"] - s["lr"] * off_axis(s["mu"] * s["b"] + s["g"], s["w"]))


def adamp(s: Shown) -> Array:
    u = (adam({**s, "x": 0.0 * s["x"], "lr": 1.0})) * (1 - s["beta1"] ** s["t"])
    return np.asarray(s["x"] + s["lr"] / (1 - s["beta1"] ** s["t"]) * off_axis(u, s["w"]))


def conda_on_a_point(s: Shown) -> Array:
    m = s["beta1"] * s["m"] + (1 - s["beta1"]) * s["g"]
    v = s["beta2"] * s["v"] + (1 - s["beta2"]) * s["g"] ** 2
    rate = s["lr"] * math.sqrt(1 - s["beta2"] ** s["t"]) / (1 - s["beta1"] ** s["t"])
    return np.asarray(s["x"] - rate * (m / (np.sqrt(v) + s["eps"])).ravel())


def nexus(s: Shown) -> Array:
    parts = [s[f"g{i}"] / (s[f"n{i}"] + s["eps"]) for i in (1, 2)]
    G = 0.5 * (s["n1"] + s["n2"]) * (parts[0] + parts[1])
    return np.asarray(s["x"] - s["lr"] * (s.get("mu", 0.0) * s.get("b", 0.0) + G))


def private(s: Shown) -> Array:
    return np.asarray(s["x"] - s["lr"] * (s.get("release_old", 0.0) + s["clipped"] + s["noise"]))


INSIDE = {"base": "sgd", "lr": 0.05}
CASES: list[tuple[str, str, dict[str, object], Callable[[Shown], Array]]] = [
    ("rosenbrock", "diffgrad", {}, diffgrad),
    ("himmelblau", "adam", {}, adam),
    ("himmelblau", "adam_half", {}, adam),
    ("himmelblau", "adamw", {"weight_decay": 0.3}, adam),
    ("beale", "sgd", {"lr": 1e-3}, sgd),
    ("beale", "sgd", {"lr": 1e-3, "nesterov": True}, nesterov),
    ("scale_invariant_rosenbrock", "sgdp", {"lr": 1e-4}, sgdp),
    ("scale_invariant_rosenbrock", "adamp", {"lr": 1e-3}, adamp),
    ("rosenbrock", "sgdp", {"lr": 1e-4}, sgd),
    ("rosenbrock", "conda", {}, conda_on_a_point),
    ("nexus_valley", "nexus", INSIDE, nexus),
    ("noisy_valley", "nexus", {**INSIDE, "settings": "momentum=0.5", "gamma": 0.6}, nexus),
    ("nexus_valley", "nexus_still", INSIDE, nexus),
    ("dp_regression", "diff2", {}, private),
    ("dp_regression", "dp_gd", {}, private),
    ("rosenbrock", "rmsprop", {},
     lambda s: s["x"] - s["lr"] * s["g"] / (np.sqrt(s["beta2"] * s["v"] + (1 - s["beta2"]) * s["g"] ** 2)
                                            + s["eps"])),
    ("rosenbrock", "adagrad", {},
     lambda s: s["x"] - s["lr"] * s["g"] / (np.sqrt(s["v"] + s["g"] ** 2) + s["eps"])),
]  # fmt: skip


def before_the_step(explanation: Explanation) -> Shown:
    """All numbers that the formulas start from: those of a symbol's first appearance."""
    found: dict[str, Any] = {}
    for line in explanation.lines:
        for name, value in line.numbers.items():
            found.setdefault(name, value)
    return found


@pytest.mark.parametrize(
    ("problem", "method", "settings", "again"), CASES, ids=lambda v: getattr(v, "__name__", str(v))
)
def test_the_numbers_shown_give_the_next_point(
    problem: str, method: str, settings: dict[str, object], again: Callable[[Shown], Array]
) -> None:
    instance, view = ran(problem, method, **settings)
    for k in (0, 1, 17, 39):
        explanation = explain(instance, view, k)
        recorded = view.snapshots[k + 1]["x"]
        scale = 1e-12 * max(1.0, np.abs(recorded).max())
        assert np.abs(np.ravel(again(before_the_step(explanation))) - recorded).max() <= scale
        last = explanation.lines[-1]
        assert last.name == "x_"
        assert np.abs(last.value - recorded).max() <= scale
        np.testing.assert_array_equal(last.numbers["x"], view.snapshots[k]["x"])


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("conda", {"update_proj_gap": 7}),
        ("conda", {"weight_decay": 0.05}),
        ("sgdp", {"delta": 1.0, "weight_decay": 0.05}),
        ("adamp", {"delta": 1.0, "nesterov": True, "weight_decay": 0.05}),
        ("diffgrad", {"weight_decay": 0.1}),
    ],
)
def test_matrices_decay_and_look_ahead_are_explained_too(method: str, settings: dict[str, object]) -> None:
    instance, view = ran("matrix_factorization", method, **settings)
    for k in (0, 7, 23, 39):
        explanation = explain(instance, view, k)
        recorded = view.snapshots[k + 1]["x"]
        assert np.abs(explanation.lines[-1].value - recorded).max() <= 1e-12


def test_methods_without_formulas_show_their_step() -> None:
    instance, view = ran("himmelblau", "radam")
    (line,) = explain(instance, view, 3).lines
    np.testing.assert_allclose(line.value, view.snapshots[4]["x"], rtol=0, atol=1e-15)


def test_the_last_item_is_explained_by_the_step_before_it() -> None:
    instance, view = ran("rosenbrock", "adam")
    assert explain(instance, view, 40).k == 39


def test_a_trace_without_a_step_cannot_be_explained() -> None:
    instance, view = ran("rosenbrock", "lbfgs", rtol=0.0)
    start = Run([make("optimizers", "rosenbrock", "lbfgs", {"start": "1,1"}, {"rtol": 1e-8})]).inline()
    assert len(start.view().members[0].view) == 1
    with pytest.raises(ValueError, match="no step"):
        explain(instance, start.view().members[0].view, 0)
    assert len(view) > 1


def test_every_line_can_be_set_in_latex_with_symbols_and_with_numbers() -> None:
    for problem, method, settings, _ in CASES:
        instance, view = ran(problem, method, **settings)
        for line in explain(instance, view, 5).lines:
            for text in (line.symbolic(), line.numeric()):
                assert text.count("{") == text.count("}")
                assert not re.search(r"<\w+>", text)


def test_numbers_in_latex_keep_the_digits_asked_for() -> None:
    assert latex(1234567.0, 4) == r"1.235 \cdot 10^{6}"
    assert latex(-0.5) == "-0.5"
    assert latex(math.inf) == r"\infty"
    assert latex(-math.inf) == r"-\infty"
    assert latex(math.nan) == r"\mathrm{NaN}"
    assert latex(np.array([1.0, 2.0])) == r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"
    assert latex(np.ones((6, 6))).count(r"\cdots") == 4
    assert r"\vdots" in latex(np.ones((6, 6)))
    assert float(latex(math.pi, 17)) == math.pi
    line = Line("x_", "<x> - <lr>", {"x": 2.0, "lr": 0.5}, 1.5)
    assert line.symbolic() == r"x_{k+1} = x_k - \eta"
    assert line.numeric() == "x_{k+1} = 2 - 0.5 = 1.5"


def test_a_term_over_the_run_is_that_of_each_step() -> None:
    method, view = ran("rosenbrock", "diffgrad", steps=30)
    found = term_histories(method, view)
    assert found["xi"].words == "friction"
    assert "x_" not in found
    for k in (0, 7, 29):
        line = next(line for line in explain(method, view, k).lines if line.name == "xi")
        assert found["xi"].values[k] == np.mean(np.abs(line.value))
    assert np.isnan(found["xi"].values[30])
    assert np.isfinite(term_histories(method, view, steps=5)["xi"].values).sum() == 5


def test_a_method_without_formulas_has_no_terms() -> None:
    assert term_histories(object(), ran("rosenbrock", "lbfgs", steps=3)[1]) == {}
