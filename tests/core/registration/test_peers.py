"""Peers as methods: their own iterates, one at a time, and nothing loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core import registry, warm_up
from core.errors import InputError
from core.iterate import Iterate, Status, drain
from core.linalg.lie import T_from_xyzrpy
from core.recipe import Recipe
from core.registration import libraries
from core.registration.methods.gicp import Gicp
from core.registration.methods.icp_plane import IcpPlane
from core.registration.methods.open3d_plane import Open3dPlane
from core.registration.methods.small_gicp_peers import SmallGicpGicp, SmallGicpPlane
from core.registration.problem import ScanPair
from tests.oracles_clouds import box_surface, make_pair

START = T_from_xyzrpy(0.1, -0.05, 0.05, 1.0, -1.0, 1.5)
TIGHT: dict[str, Any] = {"rtol_rotation": 1e-11, "rtol_translation": 1e-11}
has_small_gicp = pytest.mark.skipif(not libraries.peer_version("small_gicp"), reason="small_gicp is absent")


def pair(**changes: Any) -> ScanPair:
    source, target = (box_surface(2000, seed, noise=0.01) for seed in (1, 0))
    return make_pair(source, target, START, planarity=0.34, **changes)


def x(item: Iterate) -> NDArray[np.float64]:
    return item.x() if callable(item.x) else item.x


def open3d_clouds(made: ScanPair) -> tuple[Any, Any, Any]:
    open3d = libraries.load_open3d()
    level, vectors = made.levels[-1], open3d.utility.Vector3dVector
    source = open3d.geometry.PointCloud(vectors(level.source))
    target = open3d.geometry.PointCloud(vectors(level.target.points))
    target.normals = vectors(level.target.normals)
    return source, target, open3d.pipelines.registration


@pytest.mark.parametrize("kernel", ["l2", "tukey"])
def test_item_k_is_open3ds_pose_after_k_iterations(kernel: str) -> None:
    made = pair()
    source, target, registration = open3d_clouds(made)
    loss = registration.L2Loss() if kernel == "l2" else registration.TukeyLoss(0.1)
    estimation = registration.TransformationEstimationPointToPlane(loss)
    for item in Open3dPlane(kernel=kernel, kernel_scale=0.1).iterate(made):
        criteria = registration.ICPConvergenceCriteria(0.0, 0.0, item.k)
        theirs = registration.registration_icp(source, target, 1.0, START, estimation, criteria)
        np.testing.assert_allclose(x(item), theirs.transformation, atol=1e-10)
        assert item.scalars["fitness"] == pytest.approx(theirs.fitness)


@pytest.mark.parametrize("kernel", ["l2", "huber", "cauchy", "geman_mcclure", "tukey"])
def test_open3d_ends_where_ours_ends_with_every_kernel(kernel: str) -> None:
    made, settings = pair(), {"kernel": kernel, "kernel_scale": 0.1, **TIGHT}
    ours, theirs = (list(cls(**settings).iterate(made))[-1] for cls in (IcpPlane, Open3dPlane))
    np.testing.assert_allclose(x(theirs), x(ours), atol=1e-9)
    assert theirs.scalars["rmse"] == pytest.approx(ours.scalars["rmse"], rel=1e-6)


def test_open3d_takes_the_same_step_with_l1() -> None:
    """The weight has a pole at r = 0, so that later paths part: one step is compared."""
    made, settings = pair(), {"kernel": "l1", "max_iterations": 1}
    ours, theirs = (list(cls(**settings).iterate(made))[-1] for cls in (IcpPlane, Open3dPlane))
    # Open3D turns its step into a rotation by Euler angles: they part in second order, steps are 0.03
    np.testing.assert_allclose(x(theirs), x(ours), atol=1e-3)
    assert np.abs(x(ours) - START).max() > 0.02


@has_small_gicp
def test_small_gicps_gicp_ends_where_ours_ends() -> None:
    for made in (pair(), pair(voxels=(0.4, 0.2))):
        ours = list(Gicp(kernel="l2", **TIGHT).iterate(made))[-1]
        theirs = list(SmallGicpGicp(**TIGHT).iterate(made))[-1]
        assert theirs.status is Status.CONVERGED
        np.testing.assert_allclose(x(theirs), x(ours), atol=1e-8)
        assert theirs.scalars["rmse"] == pytest.approx(ours.scalars["rmse"], rel=1e-6)


@has_small_gicp
def test_small_gicps_iterates_lead_to_the_pose_of_a_whole_run() -> None:
    import small_gicp

    made = pair()
    level = made.levels[0]
    target, source = small_gicp.PointCloud(level.target.points), small_gicp.PointCloud(level.source)
    tree = small_gicp.KdTree(target)
    small_gicp.estimate_normals(target, tree, 10)
    whole = small_gicp.align(
        target, source, tree, START, registration_type="PLANE_ICP", max_iterations=200,
        rotation_epsilon=1e-11, translation_epsilon=1e-11,
    )  # fmt: skip
    items = list(SmallGicpPlane(**TIGHT).iterate(made))
    assert len(items) > 3  # one iteration a step, not a whole run in the first
    np.testing.assert_allclose(x(items[-1]), whole.T_target_source, atol=1e-8)


def test_the_recorded_system_is_ours_at_the_peers_pose() -> None:
    made = pair()
    items = list(Open3dPlane(kernel="l2").iterate(made))
    first = next(IcpPlane(kernel="l2").iterate(made))
    assert items[0].scalars == first.scalars
    assert (items[-1].scalars["rmse"], items[0].scalars["step_rotation"]) != (first.scalars["rmse"], None)
    assert items[1].scalars["step_rotation"] > 0.0


def test_a_kernel_that_open3d_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel"):
        Open3dPlane(kernel="linear").iterate(pair())


def test_titles_name_the_library_and_its_version() -> None:
    titles = {m.key: m.title for m in registry.methods("registration")}
    assert titles["open3d_plane"] == f"Point-to-plane ICP by Open3D {libraries.peer_version('open3d')}"
    installed = libraries.peer_version("small_gicp")
    assert {"small_gicp_plane", "small_gicp_gicp"} <= set(titles) or installed is None
    if installed:
        assert titles["small_gicp_gicp"].endswith(f"by small_gicp {installed}")


def test_finding_the_methods_loads_no_peer() -> None:
    code = (
        "import sys; from core import registry; registry.methods('registration'); "
        "print({'open3d', 'small_gicp', 'torch'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_warming_up_runs_our_solvers_and_no_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    warmed: list[str] = []

    class Recorder:
        def __init__(self, recipes: list[Recipe]) -> None:
            warmed.extend(recipe.method for recipe in recipes)

        def inline(self) -> None:
            pass

    monkeypatch.setattr(warm_up, "Run", Recorder)
    warm_up.warm_up()
    assert {"gicp", "vgicp", "icp_point", "dcreg"} <= set(warmed)
    assert not [key for key in warmed if key.startswith(("open3d", "small_gicp"))]


def test_an_absent_library_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert libraries.peer_version("no-such-package-anywhere") is None
    monkeypatch.setitem(sys.modules, "small_gicp", None)
    monkeypatch.setitem(sys.modules, "open3d", None)
    for method in (SmallGicpGicp(), SmallGicpPlane(), Open3dPlane()):
        with pytest.raises(InputError, match="the package"):
            drain(method.prepare(pair()))
        with pytest.raises(InputError, match="the package"):
            method.iterate(pair())
