import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pages.figures import cloud
from pages.figures.pack import unpack


def random_pose(rng, shift=2.0):
    T = np.eye(4)
    T[:3, :3] = Rotation.from_rotvec(rng.normal(size=3)).as_matrix()
    T[:3, 3] = rng.normal(size=3) * shift
    return T


def moved(T, points):
    return points @ T[:3, :3].T + T[:3, 3]


def decoded(arrays, meta, name):
    positions = arrays[name].astype(np.float64)
    unit = 65535.0 if arrays[name].dtype == np.uint16 else 1.0
    return np.array(meta[name]["offset"]) + positions / unit * np.array(meta[name]["extent"])


OFFSETS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def payload_of(source, target, **more):
    return unpack(cloud.geometry_payload(source, target, view="v", group="g", **more))


def test_a_pose_moves_the_shifted_clouds_as_it_moves_the_files():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(50, 3)) * 10 + [5e5, 5.4e6, 300.0]
    T = random_pose(rng)
    offsets = cloud.display_offsets(source, moved(T, source) + 1.0)
    shown = moved(cloud.display_pose(T, offsets), source - offsets[0])
    # 5e6 m in float64 leaves about 1e-9 m; a product with a rotation costs a few of those
    np.testing.assert_allclose(shown, moved(T, source) - offsets[1], atol=1e-7)


def test_clouds_in_frames_far_apart_both_keep_their_digits():
    rng = np.random.default_rng(12)
    local = rng.uniform(-150, 150, (2000, 3))
    T = np.eye(4)
    T[:3, 3] = [5e5, 5.4e6, 300.0]
    arrays, meta = payload_of(local, local + T[:3, 3], initial=T)
    order = cloud.display_sample(len(local), cloud.DISPLAY_POINTS)
    pose = np.array(meta["initial"]).reshape(4, 4, order="F").astype(np.float32).astype(np.float64)
    source, target = (decoded(arrays, meta, name) for name in ("source", "target"))
    # both lie on the same points of the target's display frame, to float32 at 200 m
    np.testing.assert_allclose(moved(pose, source), target, atol=1e-4)
    np.testing.assert_allclose(target + meta["offset"], local[order] + T[:3, 3], atol=1e-4)


def test_sixteen_bits_hold_a_room_to_half_a_step_per_axis():
    rng = np.random.default_rng(1)
    source = rng.uniform([-60, -20, -2], [40, 20, 8], (4000, 3))
    arrays, meta = payload_of(source + 1.0, source)
    assert arrays["target"].dtype == np.uint16
    order = cloud.display_sample(len(source), cloud.DISPLAY_POINTS)
    error = np.abs(decoded(arrays, meta, "target") + meta["offset"] - source[order])
    assert np.all(error.max(axis=0) <= np.ptp(source, axis=0) / 131_070 * (1 + 1e-6))


def test_map_coordinates_over_a_wide_field_stay_within_a_tenth_of_a_millimetre():
    rng = np.random.default_rng(2)
    source = rng.uniform([5e5, 5.4e6, 300], [5e5 + 400, 5.4e6 + 300, 340], (3000, 3))
    arrays, meta = payload_of(source, source)
    assert arrays["source"].dtype == np.float32
    order = cloud.display_sample(len(source), cloud.DISPLAY_POINTS)
    error = np.abs(decoded(arrays, meta, "source") + meta["offset"] - source[order])
    # 24 bits of 200 m around the centroid: 1.2e-5 m
    assert error.max() < 1e-4


def test_a_cloud_over_the_limit_is_sampled_and_the_caption_knows_it():
    points = np.random.default_rng(3).normal(size=(1000, 3))
    arrays, meta = payload_of(points, points, limit=100, source_total=77_000)
    assert arrays["source"].shape == (100, 3)
    assert meta["source"]["shown"] == 100
    assert meta["source"]["total"] == 77_000
    assert meta["target"]["total"] == 1000


def test_the_first_points_sent_are_a_fair_sample():
    line = np.linspace(0.0, 1.0, 10_000)
    order = cloud.display_sample(len(line), 5000)
    assert len(np.unique(order)) == 5000
    # mean of 500 uniform numbers: 1/2 ± 4 · 1/sqrt(12 · 500)
    assert abs(line[order[:500]].mean() - 0.5) < 4 / np.sqrt(12 * 500)
    np.testing.assert_array_equal(order, cloud.display_sample(len(line), 5000))


def test_poses_are_sent_column_major():
    rng = np.random.default_rng(4)
    T = random_pose(rng)
    points = rng.normal(size=(20, 3))
    _, meta = payload_of(points, points + 3.0, initial=T)
    offsets = cloud.display_offsets(points, points + 3.0)
    sent = np.array(meta["initial"]).reshape(4, 4, order="F")
    np.testing.assert_allclose(sent, cloud.display_pose(T, offsets), atol=1e-12)
    assert meta["truth"] is None


@pytest.mark.parametrize("points", [np.zeros((4, 2)), np.array([[0.0, np.nan, 0.0]])])
def test_unusable_points_are_refused(points):
    with pytest.raises(ValueError, match="source must be"):
        payload_of(points, np.zeros((3, 3)))


def test_equal_points_and_empty_clouds_can_be_sent():
    arrays, meta = payload_of(np.ones((5, 3)), np.zeros((0, 3)))
    np.testing.assert_allclose(decoded(arrays, meta, "source"), 0.0)
    assert arrays["target"].shape == (0, 3)


def track(n, rng, weak=True):
    poses = np.stack([random_pose(rng) for _ in range(n)])
    axes = Rotation.random(n, random_state=1).as_matrix()
    numbers = rng.uniform(0.01, 1, (n, 3))
    motions = cloud.WeakMotions(
        axes, numbers, 1 / numbers, numbers > 0.5, axes[::-1], 2 * numbers, 2 / numbers, numbers < 0.1
    )
    return cloud.PoseTrack("dcreg", "DCReg", 0, np.arange(n) * 2, poses, motions if weak else None)


def sent(tracks, **more):
    payload = cloud.poses_payload(tracks, group="g", rev=1, offsets=OFFSETS, **more)
    return len(payload), *unpack(payload)


def test_a_track_arrives_with_its_weak_motions():
    rng = np.random.default_rng(5)
    original = track(30, rng)
    _, arrays, meta = sent([original], anchor=(1.0, 2.0, 4.0))
    np.testing.assert_array_equal(arrays["0.k"], original.k)
    expected = cloud.display_pose(original.poses, OFFSETS)
    np.testing.assert_allclose(
        arrays["0.poses"].reshape(-1, 4, 4).transpose(0, 2, 1), expected, atol=4e-6
    )  # float32 at 30 m
    axes = arrays["0.translation_axes"] / 32767
    np.testing.assert_allclose(axes, original.weak.translation_axes, atol=0.51 / 32767)
    np.testing.assert_array_equal(arrays["0.rotation_flagged"], original.weak.rotation_flagged)
    np.testing.assert_allclose(arrays["0.rotation_std"], original.weak.rotation_std, rtol=1e-6)
    assert meta["anchor"] == [0.0, 0.0, 1.0]
    assert meta["members"] == [{"key": "dcreg", "title": "DCReg", "index": 0}]


def test_long_tracks_stay_under_the_budget_and_keep_their_ends():
    rng = np.random.default_rng(6)
    tracks = [track(700, rng), track(500, rng, weak=False)]
    size, arrays, _ = sent(tracks)
    assert size <= 40_000
    for number, original in enumerate(tracks):
        kept = arrays[f"{number}.k"]
        assert kept[0] == 0
        assert kept[-1] == original.k[-1]
        assert np.all(np.diff(kept) > 0)
    _, whole, _ = sent(tracks, budget=None)
    assert len(whole["0.k"]) == 700


def test_a_free_direction_is_sent_as_infinite():
    original = track(3, np.random.default_rng(7))
    original.weak.translation_std[:, 0] = np.inf
    original.weak.translation_condition[:, 0] = 1e300
    _, arrays, _ = sent([original])
    assert np.isposinf(arrays["0.translation_std"][:, 0]).all()
    assert np.isposinf(arrays["0.translation_condition"][:, 0]).all()


def test_a_track_without_iterates_can_be_sent():
    empty = cloud.PoseTrack("icp", "ICP", 1, np.zeros(0, int), np.zeros((0, 4, 4)))
    _, arrays, _ = sent([empty])
    assert arrays["0.poses"].shape == (0, 16)


def test_residual_colours_are_symmetric_and_say_where_there_is_none():
    residuals = np.array([-0.5, -0.1, 0.0, 0.1, 9.0, np.nan])
    arrays, meta = unpack(cloud.scalars_payload(residuals, group="g", rev=1, member="dcreg", k=3, limit=0.5))
    np.testing.assert_array_equal(arrays["scalars"], [1, 103, 128, 153, 255, 0])
    assert meta["limit"] == 0.5
    assert meta["k"] == 3


def test_the_colour_range_is_the_95th_percentile_of_the_residuals():
    residuals = np.r_[np.linspace(-1, 1, 2001), np.nan]
    _, meta = unpack(cloud.scalars_payload(residuals, group="g", rev=1, member="m", k=0))
    assert meta["limit"] == pytest.approx(0.95, abs=1e-3)
    _, empty = unpack(cloud.scalars_payload(np.full(3, np.nan), group="g", rev=1, member="m", k=0))
    assert empty["limit"] == 1.0


def test_pairs_travel_in_the_display_frames():
    rng = np.random.default_rng(7)
    points = rng.normal(size=(5, 3)) + np.array([5e5, 5.4e6, 0.0])
    partners = rng.normal(size=(5, 3)) + 100.0
    offsets = cloud.display_offsets(points, partners)
    arrays, meta = unpack(
        cloud.pairs_payload(points, partners, group="g", view="v", slot=1, cursor=3, offsets=offsets)
    )
    assert meta == {"group": "g", "view": "v", "slot": 1, "cursor": 3}
    # float32 at a few metres, and 1e-9 of the coordinates before
    np.testing.assert_allclose(arrays["ends"][:, :3], points - offsets[0], atol=1e-6)
    np.testing.assert_allclose(arrays["ends"][:, 3:], partners - offsets[1], atol=1e-6)


def test_more_pairs_than_can_be_seen_are_not_sent():
    many = np.zeros((cloud.MAX_PAIRS + 1, 3))
    with pytest.raises(ValueError, match="pairs"):
        cloud.pairs_payload(many, many, group="g", view="v", slot=0, cursor=0, offsets=np.zeros((2, 3)))
