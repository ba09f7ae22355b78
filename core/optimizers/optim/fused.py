"""Whether the compiled kernels can do a step, to the same bits as torch's operations."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from types import ModuleType

import torch
from torch import Tensor

#: Numbers from which on a step is worth loading the compiler; below, torch's operations are fast enough.
LARGE = 2**20


def kernels_for(params: Iterable[Tensor]) -> ModuleType | None:
    """Return the kernels if they suit a step of these parameters.

    They do not where the model is small, where torch may use several threads (the kernels use one), and on a
    machine on which torch rounds otherwise.
    """
    if torch.get_num_threads() > 1 or sum(p.numel() for p in params if p.device.type == "cpu") < LARGE:
        return None
    return _kernels()


def can_do(tensors: Iterable[Tensor]) -> bool:
    """Return whether all are what kernels take: single precision, on the CPU, numbers in a row."""
    return all(t.dtype == torch.float32 and t.device.type == "cpu" and t.is_contiguous() for t in tensors)


@lru_cache(maxsize=1)
def _kernels() -> ModuleType | None:
    from core.optimizers.optim import kernels

    return kernels if _agrees_with_torch(kernels) else None


def _agrees_with_torch(kernels: ModuleType) -> bool:
    """Return whether torch's operations round as the kernels do; that depends on how torch uses the CPU."""
    generator = torch.Generator().manual_seed(0)
    # the end of an odd number of elements is not done in vectors
    g, w, m, v, root, e = (torch.randn(5011, generator=generator) for _ in range(6))
    v, root, e, gap, new = v.square(), root.abs(), e.abs(), torch.empty_like(g), torch.zeros_like(g)
    step = torch.addcdiv(new, (e + 1.0).reciprocal().mul_(m), root + 1e-8, value=-0.01)
    x = g.add(w, alpha=0.1)
    m_after = (m * 0.9).add_(x, alpha=1 - 0.9)
    v_after = (v * 0.999).addcmul_(x, x, value=1 - 0.999)
    kernels.brake(*(t.numpy() for t in (new, m, root, e)), 1e-8, 0.01)
    kernels.diffgrad_momenta(*(t.numpy() for t in (w, g, m, v, x, gap)), 0.9, 0.999, 0.1)
    return torch.equal(new, step) and torch.equal(m, m_after) and torch.equal(v, v_after)
