"""Compiled steps over numbers in single precision: each reads and writes the memory once.

Torch's own operations pass over it once each. Arithmetic has the order and the roundings of torch's
operations, a fused multiply-add where those have one; sums, which decide only whether to project, have not.
Roots and exponentials are left to torch, whose last bits are those of its vector library.
"""

from core.optimizers.optim.kernels.elementwise import (
    adam_momenta,
    adam_update,
    apply,
    brake,
    diffgrad_momenta,
    momentum_update,
)
from core.optimizers.optim.kernels.rows import alignment

__all__ = [
    "adam_momenta",
    "adam_update",
    "alignment",
    "apply",
    "brake",
    "diffgrad_momenta",
    "momentum_update",
]
