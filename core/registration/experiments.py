"""Prepared comparisons: what is claimed about weak directions, and what a run shows.

Each check is written for a reader who has never heard of degeneracy; its numbers come from the run at hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from core.iterate import Array
from core.linalg.lie import adjoint, inverse, parse_pose, pose, rotation_angle
from core.registration.degeneracy import MOTIONS, analyse_degeneracy
from core.registration.scenes import Corridor
from core.registry import Finding, Verdict, experiment
from core.trace import TraceView

DCREG = "Hu et al. 2025, DCReg, arXiv 2509.06285"
#: Poses closer than this [m, rad] are the same for any use of them.
SAME_POSE = 1e-6
#: Another reference point for a scan: the origin of a map, say [m].
ELSEWHERE = np.array([0.0, 50.0, 0.0])


@experiment(
    "gauss_newton_step",
    lab="registration",
    title="DCReg's step is Gauss–Newton's",
    question="Why does DCReg end where plain ICP ends?",
    claim="Clamping the weak eigenvalues in the preconditioner only leaves the minimiser as it is",
    source=DCREG,
    problem="tunnel",
    methods={"dcreg": {}, "icp_plane": {}},
    order=10,
)
def gauss_newton_step(views: Mapping[str, TraceView], results: Mapping[str, Mapping[str, Any]]) -> Finding:
    """Two methods, one pose.

    Both methods match the scans, build the same six equations for the next small motion, and solve them. In a
    tunnel two of the six unknowns, sliding along it and turning about it, are nearly free. DCReg recognises
    them and changes the preconditioner, which decides on how conjugate gradients *approach* the solution. It
    does not change the equations. Solved to the end, they have one solution, and both methods take that step.

    So DCReg's merit is that it knows which motions are weak. Its pose is neither better nor worse than that
    of plain point-to-plane ICP.
    """
    plain, dcreg = views["icp_plane"], views["dcreg"]
    shared = [int(k) for k in plain.kept if int(k) in dcreg.snapshots]
    gaps = [_gap(plain.snapshots[k]["x"], dcreg.snapshots[k]["x"]) for k in shared]
    moved, turned = (max(gap[i] for gap in gaps) for i in range(2))
    is_same = len(plain) == len(dcreg) and max(moved, turned) <= SAME_POSE
    flagged = _names(results["dcreg"]["mask"])
    return Finding(
        Verdict.HOLDS if is_same else Verdict.DOES_NOT_HOLD,
        f"DCReg flagged {flagged}, and over {len(dcreg) - 1} steps its pose never differed from plain ICP's "
        f"by more than {moved:.0e} m and {math.degrees(turned):.0e}°.",
    )


@experiment(
    "corridor",
    lab="registration",
    title="The corridor",
    question="What does a registration say about a motion that the scans do not show?",
    claim="Motion along a corridor is unobservable; the value found for it is noise and scan pattern",
    source=DCREG,
    problem="corridor",
    methods={"dcreg": {}, "icp_plane": {}},
    order=20,
)
def corridor(views: Mapping[str, TraceView], results: Mapping[str, Mapping[str, Any]]) -> Finding:
    """Half a metre off, and everything looks converged.

    Walls, floor and ceiling look the same from every place along the corridor. They tell how far the sensor
    is from each of them and how it is turned, but not how far it went along. The scans still give *some*
    value for it: the rings of a spinning sensor lie equally far ahead in both scans, rings match rings, and
    the estimate is drawn to no motion at all. The start, which was nearly right, is lost on the way.

    The residual does not show it. The condition number does: x is held more than ten times worse than the
    best translation, and the mask names it. What to do about it is not in the two scans: another sensor, or a
    method that keeps the start along weak directions.
    """
    T_true = parse_pose(Corridor().motion, "motion")
    began, ended = (_off(views["dcreg"].snapshot("x", k), T_true) for k in (0, int(views["dcreg"].k[-1])))
    plain = _off(views["icp_plane"].last("x"), T_true)
    across = max(abs(ended[1]), abs(ended[2]))
    mask, condition = results["dcreg"]["mask"], results["dcreg"]["condition"]["translation"]
    lost = min(abs(ended[0]), abs(plain[0])) > 3.0 * max(across, abs(began[0]))
    return Finding(
        Verdict.HOLDS if lost and _flags(mask, "x") else Verdict.DOES_NOT_HOLD,
        f"The mask names {_names(mask)} (κ of translation {condition:.0f}). "
        f"Along x the start was {100 * abs(began[0]):.0f} cm off; ICP ends {100 * abs(plain[0]):.0f} cm and "
        f"DCReg {100 * abs(ended[0]):.0f} cm off, across the corridor at most {1000 * across:.1f} mm.",
    )


@experiment(
    "sphere",
    lab="registration",
    title="The sphere",
    question="Can a condition number see that everything is lost?",
    claim="The condition numbers of the Schur complements find every unobservable direction",
    source=DCREG,
    problem="sphere",
    methods={"dcreg": {}},
    order=30,
)
def sphere(views: Mapping[str, TraceView], results: Mapping[str, Mapping[str, Any]]) -> Finding:
    """Three directions that are lost alike.

    A condition number compares the best held direction with the worst. Inside a sphere, seen from its centre,
    no rotation moves any point off the wall: all three are lost, and none is worse than another. Their ratio
    is near one, and a test of ratios reports a well-held rotation. DCReg's author says the same of this case.

    An absolute test asks how much each direction is held, not how much less than another: the information per
    point, beside what noisy normals alone would feign. It finds all three. Both tests belong together; the
    second needs to know how noisy the scan is, the first does not.
    """
    result = results["dcreg"]
    found: set[str] = set()
    for weak in result["weak"]:
        if weak["absolute"]:
            found.update(weak.get("subspace") or [weak["axis"]])
    missed = [name for name in MOTIONS[:3] if not _flags(result["mask"], name)]
    return Finding(
        Verdict.DOES_NOT_HOLD if missed else Verdict.HOLDS,
        f"κ of rotation is {result['condition']['rotation']:.1f}, so the mask misses "
        f"{', '.join(missed) or 'nothing'}; the absolute test finds "
        f"{', '.join(n for n in MOTIONS if n in found) or 'nothing'}. The pose ends "
        f"{result['rotation_error']:.2f}° off.",
    )


@experiment(
    "same_pose",
    lab="registration",
    title="Two scans from one place",
    question="Is a method good in a corridor if it ends at the true pose?",
    claim="Two scans from the same place show how a registration copes with an unobservable motion",
    source=DCREG,
    problem="corridor",
    problem_params={"motion": "0 0 0 0 0 0", "perturbation": "0.3 0.1 0.05 1 0.5 1"},
    methods={"dcreg": {}, "icp_plane": {}},
    order=40,
)
def same_pose(views: Mapping[str, TraceView], results: Mapping[str, Mapping[str, Any]]) -> Finding:
    """Right answer, wrong reason.

    This is the corridor again, but the sensor has not moved between the scans. The start is far off along the
    corridor, nothing in the walls tells how far, and yet every method arrives. What it follows are the rings
    that a spinning sensor draws on walls and floor: they lie equally far ahead in both scans, because both
    were drawn from one place. Rings match rings, and the true pose is where they do.

    Let the sensor move by half a metre and the same rings pull the estimate to *no motion*, which is now
    wrong: that is the experiment "The corridor". A test that registers a scan to itself, or to a second one
    from the same place, hides what is lost. Move the sensor along the weak direction before believing it.
    """
    began = abs(_off(views["dcreg"].snapshot("x", 0), np.eye(4))[0])
    ended = {name: abs(_off(view.last("x"), np.eye(4))[0]) for name, view in views.items()}
    mask = results["dcreg"]["mask"]
    is_hidden = _flags(mask, "x") and max(ended.values()) < 0.2 * began
    return Finding(
        Verdict.DOES_NOT_HOLD if is_hidden else Verdict.HOLDS,
        f"The mask names {_names(mask)}, and still DCReg ends {100 * ended['dcreg']:.1f} cm and ICP "
        f"{100 * ended['icp_plane']:.1f} cm off along x, after a start {100 * began:.0f} cm off: the truth "
        "was no motion, which is where the rings of the two scans coincide.",
    )


@experiment(
    "plane_fit_artefact",
    lab="registration",
    title="A plane fit that cannot see the floor",
    question="Which motion does a round hall leave open?",
    claim="In the simulated cylinder, height (z) is the degenerate motion",
    source=DCREG + ", Table 3",
    problem="paper_cylinder",
    seed=1,
    methods={
        "dcreg": {"correspondence": "loam", "update": "so3", "max_iterations": 30},
        "icp_plane": {"kernel": "l2", "update": "so3", "max_iterations": 30},
    },
    order=50,
)
def plane_fit_artefact(views: Mapping[str, TraceView], results: Mapping[str, Mapping[str, Any]]) -> Finding:
    """One cloud, two ways to fit a plane, two answers.

    The scene is a round hall: a flat floor and a round wall. Its floor holds the height; turning on the spot
    (yaw) is what a round hall leaves open. DCReg's publication finds it the other way round.

    The reason is the way the plane at each point is fitted. It is written n·x = −1, which no plane through
    the origin satisfies, and in this cloud the floor, half of all points, passes exactly through the origin.
    Its points get a wrong plane or none, so that little is left to hold the height. The other method takes
    the direction in which the neighbours spread least, wherever the origin lies, and names yaw.

    Lower the floor (set "floor at" to −1.5 m): nothing about the hall changes, the second answer stays, and
    the first becomes another one.
    """
    loam, nearest = results["dcreg"], results["icp_plane"]
    points = round(views["icp_plane"].scalars["correspondences"][-1] / nearest["fitness"])
    is_artefact = loam["mask"] != nearest["mask"] and not _flags(nearest["mask"], "z")
    return Finding(
        Verdict.DOES_NOT_HOLD if is_artefact else Verdict.HOLDS,
        f"With planes n·x = −1 the mask names {_names(loam['mask'])}, from {loam['correspondences']} of "
        f"{points} points; with normals from the neighbours' covariance it names "
        f"{_names(nearest['mask'])}, from {nearest['correspondences']}.",
    )


@experiment(
    "origin_of_translation",
    lab="registration",
    title="The reference point",
    question="Does it matter where the origin of a scan lies?",
    claim="Which translation is weak is a property of the scans alone",
    source=DCREG,
    problem="room",
    methods={"dcreg": {}},
    order=60,
)
def origin_of_translation(
    views: Mapping[str, TraceView], results: Mapping[str, Mapping[str, Any]]
) -> Finding:
    """Other origin, other verdict.

    A pose says how the source is turned and where its *origin* goes. If the origin is the sensor, amid the
    points, a small doubt about the rotation hardly moves it. If it is that of a map, far away, the same doubt
    swings it through a wide arc, as a small turn of the wrist moves the end of a long rod. The position of
    that far point is then badly known, and the condition number of translation says so.

    The check takes the equations of the last step and writes them for an origin 50 m to the side. Nothing is
    measured anew. The condition number of rotation stays as it is, that of translation does not, and motions
    are flagged that were well held. So express a scan in the frame of its sensor, or have it recentred
    ("reference point" among the scan settings), before reading its weak translations.
    """
    view = views["dcreg"]
    snapshot = view.snapshots[int(view.kept[-1])]
    H = np.asarray(snapshot.get("plane_hessian", snapshot["H"]))
    here, there = analyse_degeneracy(H), analyse_degeneracy(move_origin(H, ELSEWHERE))
    depends = here.mask_text[3:] != there.mask_text[3:]
    return Finding(
        Verdict.DOES_NOT_HOLD if depends else Verdict.HOLDS,
        f"Seen from the sensor κ of translation is {here.condition_translation:.1f} and the mask names "
        f"{_names(here.mask_text)}; from an origin {np.linalg.norm(ELSEWHERE):.0f} m aside it is "
        f"{there.condition_translation:.0f} and the mask names {_names(there.mask_text)}. κ of rotation is "
        f"{here.condition_rotation:.1f} and {there.condition_rotation:.1f}.",
    )


def move_origin(H: Array, origin: Array) -> Array:
    """Return H (6, 6) for the source frame whose origin is the point `origin` (3,) of the present one [m].

    p becomes p − c, so that a row [p × ñ, ñ] becomes [p × ñ − c × ñ, ñ].
    """
    to_present = adjoint(pose(np.eye(3), origin))
    moved: Array = to_present.T @ H @ to_present
    return moved


def _gap(A: Array, B: Array) -> tuple[float, float]:
    """Return how far two poses are apart, in m and rad."""
    E = inverse(A) @ B
    return float(np.linalg.norm(E[:3, 3])), rotation_angle(E[:3, :3])


def _off(T: Array, T_true: Array) -> list[float]:
    """Return the error of the translation along the scene's axes (3) [m]."""
    error: list[float] = (T[:3, 3] - T_true[:3, 3]).tolist()
    return error


def _flags(mask: str, motion: str) -> bool:
    """Whether a result's mask flags a motion."""
    return mask[MOTIONS.index(motion)] == "1"


def _names(mask: str) -> str:
    """Return the flagged motions in words."""
    return " and ".join(name for name in MOTIONS if _flags(mask, name)) or "nothing"
