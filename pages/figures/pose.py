"""A pose as text, as its users write it."""

from __future__ import annotations

from core.iterate import Array
from core.linalg import lie

FORMS = ("4×4 matrix", "quaternion", "x y z roll pitch yaw")
#: direction → (frames in words, whether to invert T_target_source)
DIRECTIONS = {"source → target": ("T_target_source", False), "target → source": ("T_source_target", True)}


def pose_text(T_target_source: Array, form: str, direction: str) -> str:
    """Return a pose as text with its frames named.

    Parameters
    ----------
    T_target_source : (4, 4), maps source points into the target's frame.
    form : one of `FORMS`.
    direction : a key of `DIRECTIONS`.
    """
    name, inverted = DIRECTIONS[direction]
    T = lie.inverse(T_target_source) if inverted else T_target_source
    if form == FORMS[0]:
        rows = "\n".join("  ".join(f"{value: .12f}" for value in row) for row in T)
        return f"# {name}, row by row, metres\n{rows}"
    x, y, z = T[:3, 3]
    if form == FORMS[1]:
        qx, qy, qz, qw = lie.quaternion(T)
        return (
            f"# {name}: x y z [m] qx qy qz qw\n"
            f"{x:.12f} {y:.12f} {z:.12f} {qx:.12f} {qy:.12f} {qz:.12f} {qw:.12f}"
        )
    numbers = " ".join(f"{value:.12f}" for value in lie.xyzrpy(T))
    return f"# {name}: x y z [m] roll pitch yaw [deg], R = Rz(yaw) Ry(pitch) Rx(roll)\n{numbers}"
