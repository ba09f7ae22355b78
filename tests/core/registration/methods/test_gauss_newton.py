"""Gauss-Newton with each linear solver: alike on regular systems, each in its own way on a singular one."""

from __future__ import annotations

import numpy as np
import pytest

from core import registry
from core.iterate import Iterate, Status, drain
from core.registration.problem import ScanPair
from core.registration.scenes import Room
from tests.oracles_clouds import make_pair

KEYS = ("gn_eigen", "gn_ldlt", "gn_qr")


def last_of(key: str, pair: ScanPair) -> Iterate:
    *_, last = registry.method_spec("registration", key).cls().iterate(pair)
    return last


def x(item: Iterate) -> np.ndarray:
    return item.x() if callable(item.x) else item.x


def test_all_end_where_point_to_plane_icp_ends_in_a_room() -> None:
    pair = drain(Room().build(0))
    plain = last_of("icp_plane", pair)
    for key in KEYS:
        last = last_of(key, pair)
        assert last.k == plain.k
        np.testing.assert_allclose(x(last), x(plain), atol=1e-10)


@pytest.mark.parametrize("key", KEYS)
def test_each_has_its_solver_and_offers_no_other(key: str) -> None:
    solver = next(p for p in registry.method_spec("registration", key).parameters if p.name == "solver")
    assert solver.default == key.removeprefix("gn_")
    assert list(solver.choices) == [solver.default]


def test_on_an_exact_plane_only_the_eigenvalue_solver_takes_a_step() -> None:
    rng = np.random.default_rng(0)
    target = np.column_stack([rng.uniform(-5, 5, (3000, 2)), np.zeros(3000)])
    source = np.column_stack([rng.uniform(-4, 4, (1000, 2)), np.full(1000, -0.1)])
    pair = make_pair(source, target, np.eye(4))
    expected = np.eye(4)
    expected[2, 3] = 0.1
    np.testing.assert_allclose(x(last_of("gn_eigen", pair)), expected, atol=1e-12)
    for key in ("gn_ldlt", "gn_qr"):
        last = last_of(key, pair)
        assert last.status is Status.BREAKDOWN
        assert "no finite solution" in last.note
