"""Rigid motions: SO(3), SE(3), and the texts in which people write them down.

A pose ``T`` is a (4, 4) array that maps points of one frame to another. A twist is ``delta = [omega, v]`` in
radians and metres, rotation first; poses are perturbed on the right, ``T @ exp_se3(delta)``. Angles in texts
are degrees, and six numbers ``x y z roll pitch yaw`` compose as R = Rz(yaw) Ry(pitch) Rx(roll).

Formulas: Barfoot, State Estimation for Robotics, 2nd ed., chapter 8; Sola et al., arXiv 1812.01537.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import InputError

Array = NDArray[np.float64]

#: Below this angle [rad] the series of the trigonometric factors is exact to double precision.
_SMALL_ANGLE = 1e-4
#: Largest deviation of RᵀR from I that is taken for rounding and projected away.
_ROUNDING = 1e-3
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf)", re.IGNORECASE)
_EXPECTED = (
    "16 or 12 numbers of a matrix row by row, or x y z roll pitch yaw in m and degrees, or a file with either"
)
_LARGEST_FILE = 65_536


def hat(omega: ArrayLike) -> Array:
    """Return the (3, 3) skew matrix with ``hat(a) @ b == cross(a, b)``."""
    x, y, z = np.asarray(omega, dtype=np.float64).tolist()
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def _factors(theta: float) -> tuple[float, float, float]:
    """Return sin θ/θ, (1 − cos θ)/θ², (θ − sin θ)/θ³."""
    squared = theta * theta
    if theta < _SMALL_ANGLE:
        return 1.0 - squared / 6.0, 0.5 - squared / 24.0, 1.0 / 6.0 - squared / 120.0
    sine = math.sin(theta)
    half = math.sin(0.5 * theta)  # 1 - cos θ = 2 sin²(θ/2), without cancellation
    return sine / theta, 2.0 * half * half / squared, (theta - sine) / (squared * theta)


def exp_so3(omega: ArrayLike) -> Array:
    """Return the rotation by ‖omega‖ about omega (Rodrigues).

    Parameters
    ----------
    omega : (3,) rad.
    """
    R, _ = _exponential(*np.asarray(omega, dtype=np.float64).tolist())
    return np.array([R[0:3], R[3:6], R[6:9]])


def _exponential(x: float, y: float, z: float) -> tuple[list[float], list[float]]:
    """Return Exp([x, y, z]) and its V, row by row; plain floats, since arrays this small cost more."""
    xx, yy, zz, xy, xz, yz = x * x, y * y, z * z, x * y, x * z, y * z
    a, b, c = _factors(math.sqrt(xx + yy + zz))

    def combine(p: float, q: float) -> list[float]:
        """I + p [ω]× + q [ω]ײ."""
        return [1.0 - q * (yy + zz), q * xy - p * z, q * xz + p * y,
                q * xy + p * z, 1.0 - q * (xx + zz), q * yz - p * x,
                q * xz - p * y, q * yz + p * x, 1.0 - q * (xx + yy)]  # fmt: skip

    return combine(a, b), combine(b, c)


def quaternion(T: Array) -> Array:
    """Return the unit quaternion (x, y, z, w), w ≥ 0, of a rotation.

    Parameters
    ----------
    T : (4, 4) pose or (3, 3) rotation.

    Notes
    -----
    The largest of the four components is found first (Shepperd), so no angle loses digits.
    """
    m = T[:3, :3].tolist()
    trace = m[0][0] + m[1][1] + m[2][2]
    squares = [m[0][0], m[1][1], m[2][2], trace]
    largest = squares.index(max(squares))
    if largest == 3:
        q = [m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1], 1.0 + trace]
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        q = [0.0, 0.0, 0.0, m[k][j] - m[j][k]]
        q[i] = 1.0 + m[i][i] - m[j][j] - m[k][k]
        q[j] = m[i][j] + m[j][i]
        q[k] = m[i][k] + m[k][i]
    scale = math.copysign(1.0 / math.sqrt(sum(c * c for c in q)), q[3])
    return np.array([c * scale for c in q])


def log_so3(R: Array) -> Array:
    """Return the rotation vector (3,) [rad] of length ≤ π; at π the sign of the axis is arbitrary."""
    x, y, z, w = quaternion(R).tolist()
    sine = math.sqrt(x * x + y * y + z * z)
    # angle / sin(angle/2); the series holds where the ratio is 0/0
    factor = 2.0 / w if sine < 1e-8 else 2.0 * math.atan2(sine, w) / sine
    return np.array([x * factor, y * factor, z * factor])


def rotation_angle(R: Array) -> float:
    """Return the angle of a (3, 3) rotation in [0, π] rad, accurate near both ends."""
    x, y, z, w = quaternion(R).tolist()
    return 2.0 * math.atan2(math.sqrt(x * x + y * y + z * z), w)


def pose(R: ArrayLike, t: ArrayLike) -> Array:
    """Return the (4, 4) pose with rotation R (3, 3) and translation t (3,)."""
    T = np.eye(4)
    T[:3, :3] = R
    T[:3, 3] = t
    return T


def exp_se3(delta: ArrayLike) -> Array:
    """Return the pose reached by following a constant twist for unit time.

    Exp([omega, v]) = [[Exp(omega), V v], [0, 1]], V = I + (1 − cos θ)/θ² [omega]× + (θ − sin θ)/θ³ [omega]ײ.

    Parameters
    ----------
    delta : (6,) twist [omega, v], rad and m.
    """
    x, y, z, u, v, w = np.asarray(delta, dtype=np.float64).tolist()
    R, V = _exponential(x, y, z)
    T = [R[0], R[1], R[2], V[0] * u + V[1] * v + V[2] * w,
         R[3], R[4], R[5], V[3] * u + V[4] * v + V[5] * w,
         R[6], R[7], R[8], V[6] * u + V[7] * v + V[8] * w, 0.0, 0.0, 0.0, 1.0]  # fmt: skip
    return np.array(T).reshape(4, 4)


def log_se3(T: Array) -> Array:
    """Return the twist (6,) [omega, v] with ``exp_se3`` of it equal to T; ‖omega‖ ≤ π."""
    omega, t = log_so3(T[:3, :3]), T[:3, 3]
    theta = math.sqrt(float(omega @ omega))
    a, b, _ = _factors(theta)
    squared = theta * theta
    # V⁻¹ = I − ½[ω]× + d [ω]ײ with d = (1 − a/(2b))/θ²
    d = 1.0 / 12.0 + squared / 720.0 if theta < _SMALL_ANGLE else (1.0 - a / (2.0 * b)) / squared
    across = _cross(omega, t)
    return np.concatenate([omega, t - 0.5 * across + d * _cross(omega, across)])


def _cross(a: Array, b: Array) -> Array:
    """Return a × b for single vectors; np.cross costs ten times as much."""
    ax, ay, az = a.tolist()
    bx, by, bz = b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def inverse(T: Array) -> Array:
    """Return the inverse of a pose, [[Rᵀ, −Rᵀt], [0, 1]]."""
    R = T[:3, :3].T
    return pose(R, -R @ T[:3, 3])


def adjoint(T: Array) -> Array:
    """Return Ad (6, 6) with ``T @ exp_se3(delta) == exp_se3(Ad @ delta) @ T``, rotation first."""
    Ad = np.zeros((6, 6))
    Ad[:3, :3] = Ad[3:, 3:] = T[:3, :3]
    Ad[3:, :3] = hat(T[:3, 3]) @ T[:3, :3]
    return Ad


def T_from_xyzrpy(  # noqa: N802 (T is the pose's symbol throughout)
    x: float, y: float, z: float, roll: float, pitch: float, yaw: float
) -> Array:
    """Return the pose of a position [m] and angles [degrees], R = Rz(yaw) Ry(pitch) Rx(roll)."""
    cr, sr = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    cp, sp = math.cos(math.radians(pitch)), math.sin(math.radians(pitch))
    cy, sy = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    R = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    return pose(R, [x, y, z])


def xyzrpy(T: Array) -> Array:
    """Return (6,) x, y, z [m], roll, pitch, yaw [degrees]; with pitch = ±90° the roll is set to 0."""
    R = T[:3, :3]
    across = math.hypot(R[0, 0], R[1, 0])
    pitch = math.atan2(-R[2, 0], across)
    if across > 1e-9:
        roll, yaw = math.atan2(R[2, 1], R[2, 2]), math.atan2(R[1, 0], R[0, 0])
    else:  # roll and yaw turn about one axis: only their combination is seen
        roll, yaw = 0.0, math.atan2(-R[0, 1], R[1, 1])
    return np.array([*T[:3, 3], math.degrees(roll), math.degrees(pitch), math.degrees(yaw)])


def parse_pose(text: str, where: str, *, files: bool = True) -> Array:
    """Return the pose (4, 4) that a text or a text file states; see `read_pose`."""
    return read_pose(text, where, files=files)[0]


def read_pose(text: str, where: str, *, files: bool = True) -> tuple[Array, str]:
    """Read a pose and say what had to be corrected.

    Parameters
    ----------
    text : 16 or 12 numbers of the matrix row by row, or six numbers x y z roll pitch yaw (m, degrees),
        separated by blanks, commas, semicolons, line ends or brackets, ``#`` starts a comment; or the path
        of a text file with either.
    where : how the user knows the parameter, for the message.
    files : whether a path is accepted.

    Returns
    -------
    The pose (4, 4), and a sentence if its rotation was visibly not orthonormal (else ``""``).

    Raises
    ------
    InputError
        If it is none of these, not finite, or not a rigid motion.
    """
    return _pose_of(_numbers(text, where, files), where)


def canonical_pose(text: str, where: str, *, files: bool = True) -> str:
    """Return the numbers of a pose as one line of six or sixteen, so that a recipe needs no file.

    The numbers are those of the text, unchanged; the line parses to the same pose bit for bit.

    Raises
    ------
    InputError
        As `read_pose`.
    """
    numbers = _numbers(text, where, files)
    _pose_of(numbers, where)
    return " ".join(repr(n) for n in numbers)


def format_pose(T: Array) -> str:
    """Return the sixteen numbers of a pose, row by row, such that `parse_pose` returns it unchanged."""
    return " ".join(repr(float(n)) for n in T.ravel())


def _numbers(text: str, where: str, files: bool) -> list[float]:
    """Return the 6 or 16 numbers that a text, or the file it names, holds."""
    numbers = _numbers_in(text)
    if numbers is None and files:
        numbers = _numbers_in(_file_text(text.strip(), where))
        if numbers is None:
            raise InputError(where, _EXPECTED, f"a file with other text ({text.strip()})")
    if numbers is None or len(numbers) not in (6, 12, 16):
        got = "no number" if not numbers else f"{len(numbers)} numbers"
        raise InputError(where, _EXPECTED, got if numbers is not None else repr(text[:60]))
    if not all(math.isfinite(n) for n in numbers):
        raise InputError(where, "finite numbers", "nan or inf")
    return [*numbers, 0.0, 0.0, 0.0, 1.0] if len(numbers) == 12 else numbers


def _numbers_in(text: str) -> list[float] | None:
    """Return the numbers of a text, or None if something else stands in it."""
    lines = (line.split("#", 1)[0] for line in text.splitlines())
    words = re.split(r"[\s,;\[\]()]+", " ".join(lines).strip())
    words = [w for w in words if w]
    return [float(w) for w in words] if all(_NUMBER.fullmatch(w) for w in words) else None


def _file_text(name: str, where: str) -> str:
    """Return the text of a pose file; its content is never echoed in a message."""
    try:
        path = Path(name)
        if not path.is_file():
            found = f"{name[:200]!r}, neither numbers nor the name of a file"
        elif path.stat().st_size > _LARGEST_FILE:
            found = f"a file of {path.stat().st_size} bytes"
        else:
            return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # unreadable, a name with a null byte, or not text
        found = f"an unreadable file ({type(error).__name__})"
    raise InputError(where, _EXPECTED, found)


def _pose_of(numbers: list[float], where: str) -> tuple[Array, str]:
    """Return the pose of 6 or 16 numbers and a note, after checking that it is a rigid motion."""
    if len(numbers) == 6:
        return T_from_xyzrpy(*numbers), ""
    T = np.array(numbers).reshape(4, 4)
    if np.abs(T[3] - [0.0, 0.0, 0.0, 1.0]).max() > 1e-9:
        hint = ""
        if np.abs(T[:, 3] - [0.0, 0.0, 0.0, 1.0]).max() <= 1e-9:
            hint = "the matrix looks transposed: give it row by row"
        raise InputError(where, "0 0 0 1 as the last row", " ".join(f"{n:g}" for n in T[3]), hint)
    R = T[:3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = float(np.abs(R.T @ R - np.eye(3)).max())
        determinant = float(np.linalg.det(R))
    if not deviation <= _ROUNDING:
        hint = "a scale or shear is not a rigid motion"
        raise InputError(where, "an orthonormal rotation", f"RᵀR off the identity by {deviation:.3g}", hint)
    if determinant < 0:
        raise InputError(where, "a rotation with determinant 1", f"{determinant:.6g}", "it mirrors the cloud")
    T[3] = [0.0, 0.0, 0.0, 1.0]
    if deviation <= 1e-12:
        return T, ""
    U, _, Vt = np.linalg.svd(R)
    T[:3, :3] = U @ Vt
    if deviation <= 1e-5:  # six printed digits
        return T, ""
    return T, f"{where}: the rotation was off orthonormal by {deviation:.1g}; the nearest rotation is used."
