"""Messages of the 3-D registration view: the clouds once, the poses at every tick, colours and pairs at rest.

The view works in *display frames*: file coordinates minus the cloud's centroid, one frame a cloud, since the
two files may lie millions of metres apart. The offsets are taken off in float64, so that no digits are lost
on the graphics card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pages.figures.pack import pack

Array = NDArray[np.float64]

#: Largest extent [m] at which 16 bits a coordinate still resolve 1.5 mm; beyond it positions are float32.
QUANTISED_EXTENT = 200.0
#: Points sent per cloud; more are sampled, for the display only.
DISPLAY_POINTS = 300_000
#: Pairs sent as lines at most: 24 bytes each.
MAX_PAIRS = 1_000
#: Bytes of one iterate's pose, and of its weak motions.
_POSE_BYTES, _WEAK_BYTES = 68, 90


@dataclass(frozen=True, slots=True, eq=False)
class WeakMotions:
    """Eigen-directions of the two 3×3 Schur complements over the iterates, in the source (body) frame.

    Attributes
    ----------
    translation_axes, rotation_axes : (n, 3, 3); ``axes[i, j]``, a row, is direction j at iterate i, unit.
        In aligned order j = 0, 1, 2 is the direction closest to x, y, z (roll, pitch, yaw).
    translation_std : (n, 3) predicted standard deviation along each direction [m].
    rotation_std : (n, 3) the same for rotations [rad].
    translation_condition, rotation_condition : (n, 3) lambda_max / lambda_j within its block.
    translation_flagged, rotation_flagged : (n, 3) bool, whether the direction counts as weak.
    """

    translation_axes: Array
    translation_std: Array
    translation_condition: Array
    translation_flagged: NDArray[np.bool_]
    rotation_axes: Array
    rotation_std: Array
    rotation_condition: Array
    rotation_flagged: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class PoseTrack:
    """Poses of one member of a run.

    Attributes
    ----------
    key, title : of the method; the title is shown.
    index : place of the method in the palette.
    k : (n,) recorded iterates, ascending.
    poses : (n, 4, 4) `T_target_source` in file coordinates.
    weak : directions for the same iterates, or None when the method reports none.
    """

    key: str
    title: str
    index: int
    k: NDArray[np.integer[Any]]
    poses: Array
    weak: WeakMotions | None = None


def display_offsets(source: Array, target: Array) -> Array:
    """Return (2, 3) the centroids of source and target, where the display frames have their origins."""
    return np.stack([points.mean(axis=0) if len(points) else np.zeros(3) for points in (source, target)])


def display_pose(pose: Array, offsets: Array) -> Array:
    """Express `T_target_source` (…, 4, 4) between the display frames of `display_offsets`."""
    source, target = offsets
    shown = np.array(pose, dtype=np.float64)
    shown[..., :3, 3] += shown[..., :3, :3] @ source - target
    return shown


def display_sample(count: int, limit: int) -> NDArray[np.int64]:
    """Return indices of at most `limit` of `count` points in random order, always the same ones.

    The order lets the browser draw a fair part of a cloud by drawing the first points.
    """
    return np.random.default_rng(0).permutation(count)[:limit].astype(np.int64)


def geometry_payload(
    source: Array,
    target: Array,
    *,
    view: str,
    group: str,
    initial: Array | None = None,
    truth: Array | None = None,
    source_intensity: ArrayLike | None = None,
    target_intensity: ArrayLike | None = None,
    source_total: int | None = None,
    target_total: int | None = None,
    sensor_axes: bool = True,
    limit: int = DISPLAY_POINTS,
) -> bytes:
    """Message of the two clouds, sent once per pair.

    Parameters
    ----------
    source : (N, 3) [m], source frame, file coordinates, finite.
    target : (M, 3) [m], target frame.
    view : identity of the pair: a new one resets the camera.
    group : comparison group whose cursor the view follows.
    initial, truth : (4, 4) `T_target_source` of the start and of the true pose.
    source_intensity, target_intensity : (N,), (M,) any scale.
    source_total, target_total : sizes of the clouds before any reduction, for the caption.
    sensor_axes : draw x, y, z at the target frame's origin.
    limit : points sent per cloud; more are sampled, for the display only.

    Raises
    ------
    ValueError
        If a coordinate is not finite or a shape is wrong.
    """
    clouds = {"source": np.asarray(source, np.float64), "target": np.asarray(target, np.float64)}
    for name, points in clouds.items():
        if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
            raise ValueError(f"{name} must be (N, 3) and finite, found shape {points.shape}")
    offsets = display_offsets(clouds["source"], clouds["target"])
    totals = {"source": source_total, "target": target_total}
    intensities = {"source": source_intensity, "target": target_intensity}
    arrays: dict[str, NDArray[Any]] = {}
    meta: dict[str, Any] = {"id": view, "group": group, "sensor_axes": sensor_axes, "offset": offsets[1]}
    for (name, points), offset in zip(clouds.items(), offsets, strict=True):
        kept = display_sample(len(points), limit)
        arrays[name], box = _positions(points[kept] - offset)
        meta[name] = {**box, "shown": len(kept), "total": totals[name] or len(points)}
        if intensities[name] is not None:
            arrays[f"{name}_intensity"] = _to_bytes(np.asarray(intensities[name], np.float64)[kept])
    for name, pose in (("initial", initial), ("truth", truth)):
        meta[name] = None if pose is None else display_pose(pose, offsets).T.ravel()
    return pack(arrays, meta)


def _positions(points: Array) -> tuple[NDArray[Any], dict[str, Any]]:
    """Encode (N, 3) display coordinates, with the box that the browser decodes them by."""
    if len(points) == 0:
        return np.zeros((0, 3), np.float32), {"offset": [0.0] * 3, "extent": [1.0] * 3}
    low = points.min(axis=0)
    extent = points.max(axis=0) - low
    if extent.max() > QUANTISED_EXTENT:
        return points.astype(np.float32), {"offset": [0.0] * 3, "extent": [1.0] * 3}
    step = np.where(extent > 0, extent, 1.0)
    return np.rint((points - low) / step * 65535).astype(np.uint16), {"offset": low, "extent": step}


def _to_bytes(values: Array) -> NDArray[np.uint8]:
    """Scale any numbers to 1…255 between their 2nd and 98th percentile; 0 where not finite."""
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(len(values), np.uint8)
    low, high = np.percentile(values[finite], [2, 98])
    scaled = np.clip((np.nan_to_num(values) - low) / max(high - low, 1e-300), 0, 1)
    return np.where(finite, np.rint(1 + 254 * scaled), 0).astype(np.uint8)


def poses_payload(
    tracks: Sequence[PoseTrack],
    *,
    group: str,
    rev: int | str,
    offsets: Array,
    anchor: ArrayLike = (0.0, 0.0, 0.0),
    budget: int | None = 36_000,
) -> bytes:
    """Message of all the poses so far.

    Parameters
    ----------
    tracks : one per member, drawn in this order.
    rev : changes when the content does.
    offsets : (2, 3) from `display_offsets`.
    anchor : (3,) the source-frame point, in file coordinates, at which the directions hold and are drawn.
    budget : bytes to stay under while a run ticks: longer tracks are thinned evenly, first and last iterate
        kept. None sends every iterate.
    """
    arrays: dict[str, NDArray[Any]] = {}
    members = []
    sizes = [len(track.k) * (_POSE_BYTES + (_WEAK_BYTES if track.weak else 0)) for track in tracks]
    share = 1.0 if budget is None or sum(sizes) <= budget else budget / sum(sizes)
    for number, track in enumerate(tracks):
        n = len(track.k)
        kept = np.arange(n)
        if share < 1.0:
            kept = np.unique(np.rint(np.linspace(0, n - 1, max(2, int(n * share)))).astype(np.int64))
        poses = display_pose(track.poses[kept], offsets)
        arrays[f"{number}.k"] = track.k[kept].astype(np.int32)
        arrays[f"{number}.poses"] = poses.transpose(0, 2, 1).reshape(-1, 16).astype(np.float32)
        if track.weak is not None:
            arrays |= _weak_arrays(number, track.weak, kept)
        members.append({"key": track.key, "title": track.title, "index": track.index})
    shown_anchor = np.asarray(anchor, np.float64) - offsets[0]
    meta = {"group": group, "rev": rev, "anchor": shown_anchor, "members": members}
    return pack(arrays, meta)


def _weak_arrays(number: int, weak: WeakMotions, kept: NDArray[np.int64]) -> Mapping[str, NDArray[Any]]:
    """Directions in 16 bits (3e-5 of a unit vector), numbers in float32."""
    arrays: dict[str, NDArray[Any]] = {}
    for kind in ("translation", "rotation"):
        axes = np.nan_to_num(getattr(weak, f"{kind}_axes")[kept])
        arrays[f"{number}.{kind}_axes"] = np.rint(np.clip(axes, -1, 1) * 32767).astype(np.int16)
        for what in ("std", "condition"):
            with np.errstate(over="ignore"):
                arrays[f"{number}.{kind}_{what}"] = getattr(weak, f"{kind}_{what}")[kept].astype(np.float32)
        arrays[f"{number}.{kind}_flagged"] = getattr(weak, f"{kind}_flagged")[kept].astype(np.uint8)
    return arrays


def scalars_payload(
    residuals: Array, *, group: str, rev: int | str, member: str, k: int,
    slot: int = 0, limit: float | None = None,
) -> bytes:  # fmt: skip
    """Message of the residual colours of one member at one iterate.

    Parameters
    ----------
    residuals : (N,) signed point-to-plane residual [m] of the *sent* source points, in the order of
        `display_sample`; NaN where there is no correspondence.
    slot : place of the member in its run.
    limit : half width [m] of the symmetric colour range; default the 95th percentile of |residual|.
    """
    values = np.asarray(residuals, np.float64)
    finite = np.isfinite(values)
    if limit is None:
        limit = float(np.percentile(np.abs(values[finite]), 95)) if finite.any() else 1.0
    limit = max(limit, 1e-12)
    scaled = np.clip(np.nan_to_num(values) / limit, -1, 1)
    codes = np.where(finite, np.rint(128 + 127 * scaled), 0).astype(np.uint8)
    meta = {"group": group, "rev": rev, "member": member, "slot": slot, "k": k, "limit": limit}
    return pack({"scalars": codes}, {**meta, "kind": "signed", "label": "residual", "show": ""})


def shares_payload(
    values: Array, *, group: str, rev: int | str, member: str, k: int, label: str, slot: int = 0
) -> bytes:
    """Message that colours the source by what each point adds to a sum.

    Parameters
    ----------
    values : (N,) not negative, of the *sent* source points, in the order of `display_sample`; NaN without a
        correspondence. The colour ends at the 99th percentile.
    label : what is shared, for the legend; a new one switches the view to these colours.
    slot : place of the member in its run.
    """
    values = np.asarray(values, np.float64)
    finite = np.isfinite(values)
    total = float(values[finite].sum()) or 1.0
    limit = max(float(np.percentile(values[finite], 99)) if finite.any() else 0.0, 1e-300)
    scaled = np.clip(np.nan_to_num(values) / limit, 0, 1)
    codes = np.where(finite, np.rint(1 + 254 * scaled), 0).astype(np.uint8)
    meta = {"group": group, "rev": rev, "member": member, "slot": slot, "k": k, "limit": limit / total}
    return pack({"scalars": codes}, {**meta, "kind": "share", "label": label, "show": label})


def pairs_payload(
    points: Array, partners: Array, *, group: str, view: str, slot: int, cursor: int, offsets: Array
) -> bytes:
    """Message of pairs to be drawn as lines while the cursor rests.

    Parameters
    ----------
    points : (m, 3) source points, source frame, file coordinates [m]; the browser moves them by the pose.
    partners : (m, 3) their target points, target frame.
    view : identity of the clouds, as in `geometry_payload`: pairs of other clouds are not drawn.
    slot : place of the member in its run.
    cursor : iterate where the cursor rests; elsewhere the pairs are not drawn.
    offsets : (2, 3) from `display_offsets`.

    Raises
    ------
    ValueError
        If there are more than `MAX_PAIRS`.
    """
    if len(points) > MAX_PAIRS:
        raise ValueError(f"at most {MAX_PAIRS} pairs are sent, not {len(points)}")
    ends = np.hstack([points - offsets[0], partners - offsets[1]]).astype(np.float32)
    meta = {"group": group, "view": view, "slot": slot, "cursor": cursor}
    return pack({"ends": ends}, meta)
