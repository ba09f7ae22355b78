"""DCReg: the published run, and that its steps are those of point-to-plane ICP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.io.pointcloud import read
from core.iterate import Iterate, Status, drain
from core.linalg.lie import T_from_xyzrpy
from core.registration.degeneracy import analyse_degeneracy
from core.registration.methods.dcreg import DCReg
from core.registration.methods.icp_plane import IcpPlane
from core.registration.metrics import pose_error
from core.registration.problem import ScanPair
from core.registration.scenes import Corridor, Room, Tunnel
from tests.oracles_clouds import box_surface, make_pair


def x(item: Iterate) -> np.ndarray:
    return item.x() if callable(item.x) else item.x


def hessian(item: Iterate) -> np.ndarray:
    value = item.arrays["H"]
    return value() if callable(value) else value


@pytest.fixture(scope="module")
def cylinder(data: Path) -> ScanPair:
    points = read(data / "dcreg_cylinder" / "target_clouds.pcd").points
    return make_pair(
        points, points, T_from_xyzrpy(0.2, 0.8, 0.5, 0.1, 0.1, 2.0), T_true=np.eye(4), planarity=0.34
    )


@pytest.mark.data
@pytest.mark.parametrize(
    ("update", "translation", "degrees"), [("so3", 0.0271196, 0.0507195), ("se3", 0.0271197, 0.0507196)]
)
def test_the_published_run_on_the_cylinder_is_reproduced(
    cylinder: ScanPair, update: str, translation: float, degrees: float
) -> None:
    items = list(DCReg(correspondence="loam", update=update, max_iterations=30).iterate(cylinder))
    last = items[-1]
    assert (last.k, last.status) == (10, Status.CONVERGED)
    error = pose_error(x(last), np.eye(4))
    assert error[0] == pytest.approx(translation, abs=6e-8)
    assert np.degrees(error[1]) == pytest.approx(degrees, abs=6e-8)
    assert items[0].scalars["correspondences"] == 197
    assert last.scalars["correspondences"] == 882
    np.testing.assert_allclose(
        np.linalg.eigvalsh(hessian(items[0])), [0.629, 5.581, 16.772, 683.2, 1993.3, 9342.3], rtol=1e-3
    )
    found = analyse_degeneracy(hessian(last))
    np.testing.assert_allclose(found.eigenvalues[0], [13820.9, 20748.2, 27777.3], rtol=1e-4)
    np.testing.assert_allclose(found.eigenvalues[1], [15.487, 130.78, 181.76], rtol=2e-4)
    assert found.mask_text == "000001"
    assert all(item.scalars["pcg_iterations"] == 6 for item in items)
    assert all(item.scalars["pcg_fallback"] == 0 for item in items)


@pytest.mark.data
def test_plain_icp_gives_the_published_row_of_dcreg_too(cylinder: ScanPair) -> None:
    last = list(IcpPlane(correspondence="loam", update="so3", max_iterations=30).iterate(cylinder))[-1]
    error = pose_error(x(last), np.eye(4))
    assert last.k == 10
    assert error[0] == pytest.approx(0.0271196, abs=6e-8)
    assert np.degrees(error[1]) == pytest.approx(0.0507195, abs=6e-8)


@pytest.mark.data
def test_with_normals_that_can_lie_on_a_plane_through_the_origin_the_cylinder_is_weak_in_yaw(
    cylinder: ScanPair,
) -> None:
    pair = make_pair(cylinder.source.points, cylinder.target.points, cylinder.T_initial)
    found = analyse_degeneracy(hessian(list(DCReg().iterate(pair))[-1]))
    assert found.mask_text == "001000"


@pytest.mark.parametrize("scene", [Room, Corridor, Tunnel])
def test_the_poses_are_those_of_point_to_plane_icp(scene: type) -> None:
    pair = drain(scene().build(0))
    ours, plain = list(DCReg().iterate(pair)), list(IcpPlane().iterate(pair))
    assert len(ours) == len(plain)
    assert ours[-1].status is plain[-1].status
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(x(a), x(b), atol=1e-6)


@pytest.mark.parametrize("settings", [{"condition_target": 1000.0}, {"condition_threshold": 2.0}])
def test_what_is_flagged_and_clamped_does_not_change_the_pose(settings: dict[str, float]) -> None:
    pair = drain(Corridor().build(1))
    default, changed = list(DCReg().iterate(pair)), list(DCReg(**settings).iterate(pair))
    np.testing.assert_allclose(x(changed[-1]), x(default[-1]), atol=1e-6)


def test_every_item_records_the_path_of_pcg_and_its_work() -> None:
    pair = make_pair(box_surface(2000, 1), box_surface(2000, 0), T_from_xyzrpy(0.1, 0, 0, 0, 0, 1))
    products = 0
    for item in DCReg(pcg_rtol=1e-10).iterate(pair):
        residuals = item.arrays["pcg_residuals"]
        residuals = residuals() if callable(residuals) else residuals
        iterations = int(item.scalars["pcg_iterations"])
        products += iterations
        assert len(residuals) == iterations + 1
        g = item.arrays["g"]
        g = g() if callable(g) else g
        assert residuals[0] == pytest.approx(np.linalg.norm(g), rel=1e-12)
        assert item.scalars["pcg_fallback"] == 0
        assert residuals[-1] <= 1e-10 * max(1.0, residuals[0])
        assert item.work.operator == products


@pytest.mark.parametrize("settings", [{"condition_target": 1.0}, {"condition_threshold": 0.5}])
def test_condition_numbers_of_one_and_less_are_refused_at_the_call(settings: dict[str, float]) -> None:
    pair = make_pair(box_surface(500, 1), box_surface(500, 0), np.eye(4))
    with pytest.raises(ValueError, match="exceed 1"):
        DCReg(**settings).iterate(pair)
