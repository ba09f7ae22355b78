"""Messages of the 3-D surface."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.registration.degeneracy import MOTIONS
from core.registration.pose_grid import Path
from pages.figures import maps, style
from pages.figures.pack import unpack
from pages.figures.surface import SurfaceTrack, number, paths_payload, surface_payload

NAMES = {"view": "v", "group": "g", "x_title": "x [m]", "y_title": "y [m]", "z_title": "f"}


def grid(rows: int = 5, columns: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y = np.linspace(-2.0, 2.0, columns), np.linspace(0.0, 1.0, rows)
    return x, y, 0.01 + x[None, :] ** 2 + y[:, None]


def test_a_surface_travels_with_its_axes_and_holes() -> None:
    x, y, z = grid()
    z[1, 2], z[3, 3] = np.nan, np.inf
    arrays, meta = unpack(surface_payload(x, y, z, **NAMES))
    np.testing.assert_array_equal(arrays["x"], x)
    np.testing.assert_array_equal(arrays["y"], y)
    expected = np.where(np.isfinite(z), z, np.nan).astype(np.float32)
    np.testing.assert_array_equal(arrays["heights"], expected)
    assert meta["titles"] == ["x [m]", "y [m]", "f"]
    assert meta["colours"] == list(style.SEQUENTIAL)


def test_logarithms_are_taken_in_double_precision_and_stop_at_the_smallest_positive_height() -> None:
    x, y, z = grid()
    z[0, 0], z[1, 1], z[2, 2] = 1e-200, 0.0, -3.0
    arrays, meta = unpack(surface_payload(x, y, z, log=True, **NAMES))
    assert meta["floor"] == 1e-200
    expected = np.log10(np.where(z > 0.0, z, 1e-200))
    np.testing.assert_allclose(arrays["heights"], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("levels", [5, 14])
@pytest.mark.parametrize("scale", [1e-6, 0.3, 4e4])
def test_contour_levels_are_even_within_the_heights_and_not_too_many(log, levels, scale) -> None:
    x, y, z = grid()
    meta = unpack(surface_payload(x, y, scale * z, log=log, levels=levels, **NAMES))[1]
    heights = np.log10(scale * z) if log else scale * z
    found = np.array(meta["levels"])
    assert 2 <= len(found) <= levels
    assert heights.min() < found[0]
    assert found[-1] < heights.max()
    np.testing.assert_allclose(np.diff(found), found[1] - found[0], rtol=1e-9)


def test_levels_can_be_given_as_values() -> None:
    x, y, z = grid()
    meta = unpack(surface_payload(x, y, z, log=True, levels=(0.1, 1.0, 100.0), **NAMES))[1]
    np.testing.assert_allclose(meta["levels"], [-1.0, 0.0], atol=1e-15)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("low", "high"), [(1e-9, 1e3), (0.02, 0.9), (3.1, 3.4), (7e-5, 1e-4)])
def test_height_ticks_stand_where_their_text_says(log, low, high) -> None:
    x, y, _ = grid()
    z = np.linspace(low, high, 45).reshape(5, 9)
    ticks = unpack(surface_payload(x, y, z, log=log, **NAMES))[1]["ticks"][2]
    assert 2 <= len(ticks) <= 7
    for height, text in ticks:
        value = 10.0**height if log else height
        hair = 1e-8 * (high - low)
        assert low - hair <= value <= high + hair
        assert text == number(float(f"{value:.6g}"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.5, "−0.5"),
        (1e-3, "0.001"),
        (1e-6, "10⁻⁶"),
        (-2e-6, "−2·10⁻⁶"),
        (5e7, "5·10⁷"),
        (20.0, "20"),
    ],
)
def test_round_numbers_are_written_for_people(value, text) -> None:
    assert number(value) == text


def test_a_plane_keeps_its_shape_only_where_its_axes_share_a_unit() -> None:
    x, y, z = grid()
    sides = unpack(surface_payload(x, y, z, **NAMES))[1]["sides"]
    assert sides == [1.0, 0.5]  # 4 m by 1 m, but no longer than two to one
    other = {**NAMES, "y_title": "yaw [°]"}
    assert unpack(surface_payload(x, y, z, **other))[1]["sides"] == [1.0, 1.0]


def test_a_surface_without_heights_is_no_error() -> None:
    x, y, z = grid()
    arrays, meta = unpack(surface_payload(x, y, np.full_like(z, np.nan), log=True, **NAMES))
    assert np.isnan(arrays["heights"]).all()
    assert all(math.isfinite(level) for level in meta["levels"])


@pytest.mark.parametrize("axis", [[0.0], [0.0, 0.0, 1.0], [1.0, 0.0, -1.0]])
def test_an_axis_must_ascend(axis) -> None:
    with pytest.raises(ValueError, match="ascending"):
        surface_payload(axis, [0.0, 1.0], np.zeros((2, len(axis))), **NAMES)


def test_heights_must_fit_the_axes() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        surface_payload([0.0, 1.0, 2.0], [0.0, 1.0], np.zeros((3, 2)), **NAMES)


def test_paths_travel_by_method_and_lie_on_the_surface_where_they_have_no_height() -> None:
    k = np.array([0, 2, 5])
    tracks = [
        SurfaceTrack("Adam", 3, k, np.arange(3.0), -np.arange(3.0), np.array([3.0, 1e-60, 0.0])),
        SurfaceTrack("SGD", 0, k, np.zeros(3), np.zeros(3)),
    ]
    arrays, meta = unpack(paths_payload(tracks, group="g", rev="r"))
    assert meta == {
        "group": "g", "rev": "r",
        "members": [{"title": "Adam", "colour": 3}, {"title": "SGD", "colour": 0}],
    }  # fmt: skip
    np.testing.assert_array_equal(arrays["0.k"], k)
    np.testing.assert_array_equal(arrays["0.z"], [3.0, 1e-60, 0.0])
    assert np.isnan(arrays["1.z"]).all()
    with pytest.raises(ValueError, match="same length"):
        paths_payload([SurfaceTrack("Adam", 0, k, np.zeros(2), np.zeros(3))], group="g", rev=0)


def lightness_and_steps(colours: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lightness of colours in CIELAB and the distances of neighbours."""
    rgb = np.array([[int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)] for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
    return lab[:, 0], np.linalg.norm(np.diff(lab, axis=0), axis=1)


def test_the_colours_grow_lighter_in_even_steps() -> None:
    lightness, _ = lightness_and_steps(style.SEQUENTIAL)
    steps = np.diff(lightness)
    assert steps.min() > 0.7 * steps.mean()
    assert steps.max() < 1.3 * steps.mean()
    # neither end is lost on a dark (L 4) or a light page (L 97)
    assert lightness[0] > 20
    assert lightness[-1] < 95


def landscape(values: np.ndarray) -> dict[str, np.ndarray]:
    rows, columns = values.shape
    return {
        "motions": np.array([MOTIONS.index("x"), MOTIONS.index("yaw")]),
        "first": np.linspace(-1.0, 1.0, columns), "second": np.linspace(-0.5, 0.5, rows),
        "objective": values, "rmse": values, "fitness": values,
    }  # fmt: skip


def test_a_grid_computed_coarse_to_fine_is_bilinear_in_what_is_done() -> None:
    rows, columns = np.mgrid[0:9, 0:11].astype(float)
    plane = 2.0 * rows - 3.0 * columns
    done = np.zeros(plane.shape, bool)
    done[::2, ::2] = True
    done[1, 1] = True
    filled = maps.refined(np.where(done, plane, np.nan), done)
    np.testing.assert_allclose(filled, plane, atol=1e-12)
    np.testing.assert_array_equal(maps.refined(plane, np.ones_like(done)), plane)


def test_the_landscape_becomes_a_surface_with_holes_and_paths_in_the_units_of_the_page() -> None:
    snapshot = landscape(np.arange(1.0, 26.0).reshape(5, 5))
    snapshot["rmse"] = np.where(np.arange(25).reshape(5, 5) == 7, np.nan, snapshot["rmse"])
    path = Path(np.array([0, 3]), np.array([0.2, 0.0]), np.array([0.1, 0.0]), np.zeros(2), np.zeros(2))
    surface, tracks = maps.pose_surface(
        snapshot, maps.LANDSCAPE[1], [("DCReg", 0, path)], view="v", group="registration"
    )
    arrays, meta = unpack(surface)
    assert np.isnan(arrays["heights"]).sum() == 1
    np.testing.assert_allclose(arrays["y"], np.degrees(snapshot["second"]))
    assert meta["titles"] == ["x from the centre [m]", "yaw from the centre [°]", "RMSE of the pairs [m]"]
    assert meta["group"] == "registration"
    sent, _ = unpack(tracks)
    np.testing.assert_allclose(sent["0.y"], np.degrees([0.1, 0.0]))
