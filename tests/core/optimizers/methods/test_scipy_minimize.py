"""SciPy's methods as generators: the same points as SciPy alone, and a thread that always ends."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest
from scipy.optimize import minimize

from core import registry
from core.iterate import drain
from core.optimizers.landscape import Landscape

NAMES = {
    "bfgs": ("BFGS", 35), "lbfgsb": ("L-BFGS-B", 39), "newton_cg": ("Newton-CG", 275),
    "trust_ncg": ("trust-ncg", 48), "trust_krylov": ("trust-krylov", 37), "trust_exact": ("trust-exact", 30),
    "dogleg": ("dogleg", 26),
}  # fmt: skip


def rosenbrock() -> Landscape:
    landscape = drain(registry.problem_spec("optimizers", "rosenbrock").cls().build(0))
    assert isinstance(landscape, Landscape)
    return landscape


@pytest.mark.parametrize("key", NAMES)
def test_it_visits_the_points_that_scipy_visits(key: str) -> None:
    name, iterations = NAMES[key]
    landscape = rosenbrock()
    visited = [landscape.start]
    end = minimize(
        landscape.function.value, landscape.start, jac=landscape.function.gradient, method=name,
        hess=landscape.function.hessian if iterations != 35 and name != "L-BFGS-B" else None,
        callback=lambda x: visited.append(np.array(x)), options={"maxiter": 501},
    )  # fmt: skip
    items = list(registry.method_spec("optimizers", key).cls().iterate(landscape))
    assert len(items) - 1 == end.nit == iterations
    for item, x in zip(items, visited, strict=True):
        np.testing.assert_array_equal(item.x, x)
    for item, following in itertools.pairwise(items):
        np.testing.assert_allclose(item.x + item.arrays["step"], following.x, rtol=0, atol=1e-15)


def scipy_threads() -> int:
    return sum(thread.name == "scipy" for thread in threading.enumerate())


@pytest.mark.parametrize("pulled", [0, 1, 5])
def test_closing_ends_the_thread(pulled: int) -> None:
    before = scipy_threads()
    source = registry.method_spec("optimizers", "newton_cg").cls().iterate(rosenbrock())
    for _ in range(pulled):
        next(source)
    source.close()
    assert scipy_threads() == before


def test_the_thread_stands_still_while_nobody_pulls() -> None:
    landscape = rosenbrock()
    source = registry.method_spec("optimizers", "newton_cg").cls().iterate(landscape)
    next(source)
    first = next(source)
    time.sleep(0.05)
    second = next(source)
    # one iteration a pull: the work grows by what one iteration costs, however long the pause
    assert second.work.gradient - first.work.gradient <= 3
    source.close()


def test_a_fault_in_the_landscape_reaches_the_consumer() -> None:
    class Broken:
        calls = 0

        def value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
            self.calls += 1
            if self.calls > 2:
                raise RuntimeError("a fault of ours")
            return float(x @ x), 2 * x

    landscape = Landscape(Broken(), np.ones(2), np.empty((0, 2)))  # type: ignore[arg-type]
    source = registry.method_spec("optimizers", "bfgs").cls().iterate(landscape)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        list(source)
