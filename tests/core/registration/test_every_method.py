"""Every method that aligns two scans runs on every scene: it ends with a status and not with an exception."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import registry
from core.errors import InputError
from core.iterate import Iterate, Status, drain
from core.registration.bench_methods import pair_methods
from core.registration.detectors import DETECTORS
from core.registration.problem import ScanPair, Scans
from core.registration.scenes import Scene
from core.registration.sequence import ScanSequence, SimulatedSequence
from core.registry import MethodSpec

SCENES = tuple(s.key for s in registry.problems("registration") if issubclass(s.cls, Scene))
METHODS = pair_methods()
#: What the names of the comparison mean: detector and cure.
DECODER = {
    "me_sr", "me_tsvd", "me_treg", "fcn_sr", "cn_sr", "xicp", "superloc", "dcreg", "dcreg_map",
    "dcreg_anchored", "dcreg_truncated", "gn_eigen", "gn_ldlt", "gn_qr", "levenberg_marquardt", "gicp",
    "vgicp", "icp_point", "icp_plane",
}  # fmt: skip
ITERATIONS, VOXEL, COARSE = 12, 0.5, 4.0


@cache
def pair(scene: str) -> ScanPair:
    """Return one scan pair a scene, with coarse voxels: a few hundred points."""
    made: ScanPair = drain(registry.problem_spec("registration", scene).cls(voxel=VOXEL).build(0))
    return made


@cache
def sequence() -> ScanSequence:
    return drain(SimulatedSequence(frames=2).build(0))


def items(spec: MethodSpec, problem: ScanPair, **values: object) -> Iterator[Iterate]:
    method: Any = spec.cls(max_iterations=ITERATIONS, **values)
    prepared = drain(method.prepare(problem)) if hasattr(method, "prepare") else problem
    found: Iterator[Iterate] = method.iterate(prepared)
    return found


def assert_ends(found: list[Iterate]) -> None:
    """The last item alone ends the run, says why, and holds a rigid motion."""
    *before, last = found
    assert all(item.status is Status.RUNNING for item in before)
    assert last.status.terminal
    assert last.note
    T = last.x() if callable(last.x) else last.x
    if last.status is not Status.DIVERGED:
        np.testing.assert_allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-9)
        assert np.isfinite(T).all()


def test_all_names_of_the_comparison_are_registered() -> None:
    assert {spec.key for spec in METHODS} >= DECODER


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: spec.key)
def test_every_method_ends_with_a_status_on_every_scene(spec: MethodSpec, scene: str) -> None:
    assert_ends(list(items(spec, pair(scene))))


@pytest.mark.data
def test_every_method_ends_with_a_status_on_every_real_pair(
    data: Path, pairs: dict[str, dict[str, Any]]
) -> None:
    for name, entry in pairs.items():
        files = {role: str(data / entry[role]) for role in ("source", "target")}
        voxel = COARSE * entry["check_voxel_m"]
        real = drain(Scans(**files, voxel=voxel, planarity=0.34).build(0))
        for spec in METHODS:
            found = list(items(spec, real, max_distance=3.0 * voxel))
            assert_ends(found), (name, spec.key)


@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: spec.key)
def test_every_method_refuses_a_sequence_in_words(spec: MethodSpec) -> None:
    with pytest.raises((ValueError, InputError), match="two scans"):
        spec.cls().iterate(sequence())


DETECTING = [spec for spec in METHODS if "detector" in {p.name for p in spec.parameters}]


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("spec", DETECTING, ids=lambda spec: spec.key)
def test_every_detector_goes_with_every_cure(spec: MethodSpec, detector: str) -> None:
    for scene in ("corridor", "sphere"):
        assert_ends(list(items(spec, pair(scene), detector=detector)))
