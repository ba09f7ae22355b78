"""Grids of poses: order, displacement, projection."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.iterate import drain
from core.linalg.lie import exp_se3
from core.registration.methods.basin_map import BasinMap
from core.registration.methods.icp_plane import IcpPlane
from core.registration.pose_grid import PoseGrid, prepare_grid, project, project_trace
from core.registration.problem import ScanPair
from core.trace import Trace
from tests.oracles_clouds import box_surface, make_pair

CENTRE = exp_se3(np.array([0.3, -0.2, 1.0, 2.0, -1.0, 0.5]))
MOTIONS = ("x", "y", "z", "roll", "pitch", "yaw")
T_TRUE = exp_se3(np.array([0.0, 0.0, 0.02, 0.1, 0.05, 0.0]))


def grid(first: str = "x", second: str = "yaw", n: int = 5) -> PoseGrid:
    return PoseGrid(CENTRE, (first, second), (np.linspace(-1, 1, n), np.linspace(-0.5, 0.5, n)))


def pair(**settings: object) -> ScanPair:
    target = box_surface(3000, 0)
    source = (box_surface(800, 1) - T_TRUE[:3, 3]) @ T_TRUE[:3, :3]
    return make_pair(source, target, np.eye(4), T_true=T_TRUE, **settings)  # type: ignore[arg-type]


@given(st.integers(1, 60), st.integers(1, 60))
def test_every_cell_comes_once(rows: int, columns: int) -> None:
    cells = list(
        PoseGrid(CENTRE, ("x", "y"), (np.arange(float(columns)), np.arange(float(rows)))).coarse_to_fine()
    )
    assert sorted(cells) == [(r, c) for r in range(rows) for c in range(columns)]


@pytest.mark.parametrize(("n", "coarse"), [(21, 36), (41, 36), (11, 36), (101, 49)])
def test_the_first_cells_span_the_whole_grid(n: int, coarse: int) -> None:
    rows, columns = zip(*list(grid(n=n).coarse_to_fine())[:coarse], strict=True)
    for indices in (rows, columns):
        gaps = np.diff(sorted({0, n - 1, *indices}))
        assert gaps.max() <= n / 4
    assert len(set(zip(rows, columns, strict=True))) == coarse


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(MOTIONS, 2)))
def test_a_cell_displaces_the_source_by_its_two_motions(first: str, second: str) -> None:
    cells = grid(first, second)
    np.testing.assert_array_equal(cells.pose(2, 2), CENTRE)
    for row, column in ((0, 2), (2, 1), (4, 0)):
        amounts = {first: cells.offsets[0][column], second: cells.offsets[1][row]}
        # P by one-parameter motions: translation, then yaw, pitch, roll about the source's axes
        P = exp_se3([0, 0, 0, *(amounts.get(a, 0.0) for a in "xyz")])
        for axis, name in ((2, "yaw"), (1, "pitch"), (0, "roll")):
            twist = np.zeros(6)
            twist[axis] = amounts.get(name, 0.0)
            P = P @ exp_se3(twist)
        np.testing.assert_allclose(cells.pose(row, column), CENTRE @ P, atol=1e-14)


@pytest.mark.parametrize("second", ["y", "roll", "pitch", "yaw"])
@pytest.mark.parametrize("first", ["x", "z"])
def test_a_pose_of_the_grid_projects_onto_its_offsets(first: str, second: str) -> None:
    cells = grid(first, second)
    where = [(0, 0), (3, 1), (2, 4)]
    path = project(cells, np.array([cells.pose(*cell) for cell in where]))
    np.testing.assert_allclose(path.first, [cells.offsets[0][c] for _, c in where], atol=1e-12)
    np.testing.assert_allclose(path.second, [cells.offsets[1][r] for r, _ in where], atol=1e-12)
    np.testing.assert_allclose(path.left_translation, 0.0, atol=1e-12)
    np.testing.assert_allclose(path.left_rotation, 0.0, atol=1e-7)
    assert path.k.tolist() == [0, 1, 2]


def test_what_a_projection_leaves_out_is_measured() -> None:
    off = exp_se3(np.array([0, 0, 0, 0.2, 0.3, 0.4]))
    path = project(grid("x", "yaw"), (CENTRE @ off)[None])
    assert path.first[0] == pytest.approx(0.2)
    assert path.left_translation[0] == pytest.approx(0.5)
    turned = project(grid("x", "y"), (CENTRE @ exp_se3(np.array([0, 0, 0.3, 0, 0, 0])))[None])
    assert (turned.first[0], turned.left_rotation[0]) == (0.0, pytest.approx(0.3))


def test_the_centre_is_the_pose_that_was_asked_for() -> None:
    given_start = pair()
    reached = list(IcpPlane().iterate(given_start))[-1].x()  # type: ignore[operator]
    expected = {"auto": T_TRUE, "true": T_TRUE, "initial": np.eye(4), "final": reached}
    for centre, T in expected.items():
        prepared = drain(prepare_grid(BasinMap(centre=centre), given_start))
        np.testing.assert_allclose(prepared.grid.centre, T, atol=1e-12)
        np.testing.assert_allclose(prepared.T_reference, T_TRUE, atol=1e-12)


def test_without_a_true_pose_the_pose_reached_stands_in_for_it() -> None:
    unknown = make_pair(box_surface(800, 1), box_surface(3000, 0), T_TRUE)
    reached = list(IcpPlane().iterate(unknown))[-1].x()  # type: ignore[operator]
    prepared = drain(prepare_grid(BasinMap(), unknown))
    np.testing.assert_array_equal(prepared.T_reference, reached)
    np.testing.assert_array_equal(prepared.grid.centre, reached)


def test_impossible_grids_are_refused_in_words() -> None:
    with pytest.raises(InputError, match="second motion"):
        drain(prepare_grid(BasinMap(first="z", second="z"), pair()))
    with pytest.raises(InputError, match="true pose"):
        drain(
            prepare_grid(BasinMap(centre="true"), make_pair(box_surface(99, 1), box_surface(999, 0), T_TRUE))
        )


def test_a_trace_is_projected_in_the_frames_of_the_grid() -> None:
    moved = pair(source_offset=(0.4, -0.2, 0.1), target_offset=(1.0, 2.0, -1.0))
    settings = BasinMap(resolution=2, translation_range=0.01, rotation_range=0.1)
    analysis, alignment = Trace(("rmse", "done", "success_share"), "rmse", newest_only=True), None
    for item in settings.iterate(drain(settings.prepare(moved))):
        analysis.append(item, 0.0)
    for item in IcpPlane().iterate(moved):
        alignment = alignment or Trace(item.scalars, "rmse")
        alignment.append(item, 0.0)
    assert alignment is not None
    path = project_trace(moved, analysis.view(), alignment.view())
    assert path.k.tolist() == alignment.view().k.tolist()
    # it starts at the identity: the reference point of the source is then T_true⁻¹ away from its true place
    start = np.linalg.inv(moved.to_internal(T_TRUE)) @ moved.to_internal(np.eye(4))
    assert path.first[0] == pytest.approx(start[0, 3])
    assert path.second[0] == pytest.approx(math.atan2(start[1, 0], start[0, 0]))
    assert abs(path.first[-1]) < 1e-3
