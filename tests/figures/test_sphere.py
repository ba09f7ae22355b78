"""The message of a landscape on a sphere, against the function's own formula."""

from __future__ import annotations

import numpy as np
import pytest

from core.recipe import make
from core.run import MemberView, Run
from pages.figures import sphere
from pages.figures.pack import unpack


def _race(problem: str = "scale_invariant_rosenbrock", **settings: float) -> tuple[object, list[MemberView]]:
    run = Run(
        [make("optimizers", problem, m, settings, {"steps": 40, "lr": 1e-3}) for m in ("sgdp", "sgd")]
    ).inline()
    return run.problem, list(run.view().members)


def test_only_functions_of_directions_in_space_have_a_sphere() -> None:
    assert sphere.is_sphere(_race()[0])  # type: ignore[arg-type]
    assert not sphere.is_sphere(_race("matrix_factorization")[0])  # type: ignore[arg-type]


def test_values_stand_at_their_angles_and_the_minimum_at_the_end_of_its_ray() -> None:
    problem, _ = _race()
    arrays, meta = unpack(sphere.payload(problem, "g"))  # type: ignore[arg-type]
    phi, psi = np.meshgrid(np.radians(arrays["x"][1:-1]), np.radians(arrays["y"]))
    h = (1 - psi) ** 2 + 300 * (phi - psi**2) ** 2
    lift = 10.0 ** arrays["heights"][:, 1:-1].astype(float) - h
    # one number was added everywhere, for the logarithm
    assert np.ptp(lift) < 1e-5 * h.max()
    assert meta["log"]
    (ray,) = meta["rays"]
    assert np.arctan2(ray[1], ray[0]) == pytest.approx(1.0)
    assert np.arcsin(ray[2]) == pytest.approx(1.0)


def test_the_sphere_goes_through_the_start_and_paths_keep_their_lengths() -> None:
    problem, members = _race(radius=2.5)
    _, meta = unpack(sphere.payload(problem, "g"))  # type: ignore[arg-type]
    arrays, paths = unpack(sphere.paths_payload(members, group="g", rev="1"))
    assert [m["title"] for m in paths["members"]] == ["SGDP", "SGD"]
    for number, member in enumerate(members):
        found = np.stack([arrays[f"{number}.{axis}"] for axis in "xyz"], axis=-1)
        assert np.linalg.norm(found[0]) == pytest.approx(meta["radius"])
        np.testing.assert_array_equal(found[-1], member.view.last("x"))
