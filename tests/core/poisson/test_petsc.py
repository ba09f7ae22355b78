"""PETSc's preconditioners in the lab's CG, where petsc4py is installed; what is said where it is not."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from core import registry
from core.errors import InputError
from core.iterate import Status
from tests.oracles_poisson import solve, system, value

INSTALLED = find_spec("petsc4py") is not None
needs_petsc = pytest.mark.skipif(not INSTALLED, reason="petsc4py is not installed (it compiles PETSc)")


@pytest.mark.skipif(INSTALLED, reason="petsc4py is installed")
def test_without_petsc4py_it_says_how_to_get_it() -> None:
    with pytest.raises(InputError, match=r"petsc_pcg: .*pip install petsc petsc4py"):
        registry.method_spec("poisson", "petsc_pcg")


@needs_petsc
@pytest.mark.parametrize(("problem", "dim"), [("disc", 2), ("disc", 3), ("walls", 2), ("maze", 2)])
def test_its_incomplete_cholesky_takes_our_steps(problem: str, dim: int) -> None:
    given = system(problem, n=24, dim=dim)
    here, there = solve(given, "ic_pcg"), solve(given, "petsc_pcg", pc="icc")
    assert abs(here.k - there.k) <= 1
    x = value(here.x)
    np.testing.assert_allclose(value(there.x), x, rtol=0, atol=1e-4 * np.abs(x).max())


@needs_petsc
@pytest.mark.parametrize("pc", ["gamg", "icc", "sor", "jacobi"])
def test_a_singular_system_is_solved(pc: str) -> None:
    last = solve(system("walls", n=24), "petsc_pcg", pc=pc)
    assert last.status is Status.CONVERGED


@needs_petsc
def test_its_aggregation_takes_a_count_that_hardly_grows() -> None:
    counts = [solve(system("disc", n=n), "petsc_pcg").k for n in (32, 128)]
    assert counts[1] <= counts[0] + 3
