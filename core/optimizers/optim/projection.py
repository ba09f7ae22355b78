"""The projection of AdamP and SGDP: no radial component where the loss does not feel the weights' length.

Heo et al. 2021, AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant Weights, ICLR.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

#: Ways to project: not at all, row by row, all numbers as one.
NOT, BY_ROW, AS_WHOLE = range(3)


def project_(w: Tensor, g: Tensor, u: Tensor, delta: float, wd_ratio: float, eps: float) -> float:
    """Remove from `u`, in place, its component along `w` if the weights look scale-invariant.

    A loss that does not depend on ‖w‖ has a gradient orthogonal to w. So if |cos(g, w)| < δ/√n for every row
    (an output channel; n its length), or for the tensor as a whole, u loses ŵ⟨ŵ, u⟩, row by row or whole.

    Parameters
    ----------
    w, g, u : weights before the step, their raw gradient and the proposed update, of one shape, two axes or
        more.
    delta : threshold δ of the test; 0 = never.
    wd_ratio : factor on weight decay for projected tensors.
    eps : lower bound of the norms.

    Returns
    -------
    `wd_ratio` if u was projected, 1 otherwise.
    """
    rows, gradient_rows = w.reshape(w.shape[0], -1), g.reshape(g.shape[0], -1)
    norms = rows.norm(dim=1)
    dots, gradient_norms = torch.linalg.vecdot(gradient_rows, rows), gradient_rows.norm(dim=1)
    cosines = dots.abs() / (norms.clamp(min=eps) * gradient_norms.clamp(min=eps))
    if cosines.max() < delta / math.sqrt(rows.shape[1]):
        _remove_radial(w, u, norms.add_(eps))
        return wd_ratio
    # the whole tensor's dot and norms follow from those of its rows
    whole = dots.sum().abs() / (norms.norm().clamp(min=eps) * gradient_norms.norm().clamp(min=eps))
    if whole < delta / math.sqrt(rows.numel()):
        _remove_radial(w, u, w.reshape(1, -1).norm(dim=1).add_(eps))
        return wd_ratio
    return 1.0


def how_to_project(p: Tensor, w: Any, g: Any, settings: Mapping[str, Any], kernels: Any) -> tuple[int, float]:
    """Return how `project_` would project, and its factor on weight decay, by a compiled kernel.

    Parameters
    ----------
    w, g : the numbers of the weights `p` and of their gradient, (n,).
    """
    if p.ndim < 2:
        return NOT, 1.0
    how = kernels.alignment(w, g, len(p), settings["delta"], settings["eps"])
    return how, 1.0 if how == NOT else settings["wd_ratio"]


def remove_radial_(w: Tensor, u: Tensor, how: int, eps: float) -> None:
    """Project `u` as `how_to_project` says."""
    if how != NOT:
        _remove_radial(w, u, w.reshape(len(w) if how == BY_ROW else 1, -1).norm(dim=1).add_(eps))


def _remove_radial(w: Tensor, u: Tensor, norms: Tensor) -> None:
    """U ← u − ŵ⟨ŵ, u⟩ over as many rows as there are norms."""
    size = [-1] + [1] * (w.ndim - 1)
    direction = w / norms.view(size)
    along = (direction * u).reshape(len(norms), -1).sum(dim=1)
    u.sub_(direction.mul_(along.view(size)))


def step_together_(
    ws: list[Tensor], gs: list[Tensor], us: list[Tensor], step_size: float, decay: float,
    settings: Mapping[str, Any], *, keep: bool = False,
) -> None:  # fmt: skip
    """Project, decay and step many tensors in a number of launches that does not grow with theirs.

    w ← w(1 − decay·r) − step_size·u with u, r as `project_` gives them; nothing waits for the device.

    Parameters
    ----------
    ws, gs, us : weights, their gradients and proposed updates, of one device and dtype. Those with less than
        two axes are not projected.
    settings : δ as ``delta``, ``wd_ratio`` and ``eps`` of the projection.
    keep : leave the projected updates in `us`, which stay as they are otherwise.
    """
    vectors = [w for w in ws if w.ndim < 2]
    if vectors and decay > 0:
        torch._foreach_mul_(vectors, 1 - decay)
    matrices = [i for i, w in enumerate(ws) if w.ndim > 1]
    if not matrices:
        torch._foreach_add_(ws, us, alpha=-step_size)
        return
    some, proposed = [ws[i] for i in matrices], [us[i] for i in matrices]
    rows = _rows(tuple(w.shape for w in some), ws[0].device)
    w = rows.flat(some)
    radial, ratios = _radial_rows(
        rows, w, rows.flat([gs[i] for i in matrices]), rows.flat(proposed), settings
    )
    if keep:
        torch._foreach_sub_(proposed, rows.split(w * rows.spread(radial), proposed))
    torch._foreach_add_(ws, us, alpha=-step_size)
    shares = -decay * ratios if keep else step_size * radial - decay * ratios
    if not keep or decay > 0:
        torch._foreach_add_(some, rows.split(w.mul_(rows.spread(shares)), some))


class _Rows(NamedTuple):
    """The rows of several matrices, one after the other.

    Attributes
    ----------
    lengths, owners : (rows,) numbers in each row and the matrix that it belongs to.
    starts : (rows + 1,) where each row starts and the last one ends.
    firsts : (matrices + 1,) the first row of each and the number of rows.
    bounds, whole_bounds : (matrices,) 1/√n for the length n of its rows, and of all its numbers.
    sizes : numbers in each matrix; `total` of them in all.
    """

    lengths: Tensor
    starts: Tensor
    owners: Tensor
    firsts: Tensor
    bounds: Tensor
    whole_bounds: Tensor
    sizes: list[int]
    total: int

    def flat(self, tensors: list[Tensor]) -> Tensor:
        """Return all numbers in a row; sums of them need 32 bits."""
        dtype = torch.promote_types(tensors[0].dtype, torch.float32)
        return torch.cat([t.reshape(-1) for t in tensors]).to(dtype)

    def sums(self, flat: Tensor) -> Tensor:
        """Return the sum of each row."""
        return torch.segment_reduce(flat, "sum", offsets=self.starts, unsafe=True)

    def by_matrix(self, values: Tensor, how: str = "sum") -> Tensor:
        """Return the sum, or the largest, of each matrix's values, given by row."""
        return torch.segment_reduce(values, how, offsets=self.firsts, unsafe=True)

    def spread(self, values: Tensor) -> Tensor:
        """Return the value of its row for each number."""
        return torch.repeat_interleave(values, self.lengths, output_size=self.total)

    def split(self, flat: Tensor, like: list[Tensor]) -> list[Tensor]:
        """Return what stands in a row as matrices again."""
        parts = torch.split(flat.to(like[0].dtype), self.sizes)
        return [part.view(t.shape) for part, t in zip(parts, like, strict=True)]


@lru_cache(maxsize=16)
def _rows(shapes: tuple[torch.Size, ...], device: torch.device) -> _Rows:
    counts = torch.tensor([shape[0] for shape in shapes])
    sizes = [shape.numel() for shape in shapes]
    widths = torch.tensor([size // shape[0] for size, shape in zip(sizes, shapes, strict=True)])
    owners = torch.arange(len(shapes)).repeat_interleave(counts)
    whole_bounds = torch.tensor(sizes).double().rsqrt()
    lengths = widths[owners]
    return _Rows(
        lengths=lengths.to(device),
        starts=_starts(lengths).to(device),
        owners=owners.to(device),
        firsts=_starts(counts).to(device),
        bounds=widths.double().rsqrt().to(device),
        whole_bounds=whole_bounds.to(device),
        sizes=sizes,
        total=sum(sizes),
    )


def _starts(lengths: Tensor) -> Tensor:
    """Return where each of several pieces starts, and where the last one ends."""
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


def _radial_rows(
    rows: _Rows, w: Tensor, g: Tensor, u: Tensor, settings: Mapping[str, Any]
) -> tuple[Tensor, Tensor]:
    """Return, by row, how many times w the projection takes from u, and the factor on weight decay."""
    delta, eps = settings["delta"], settings["eps"]
    along, squares = rows.sums(u.mul_(w)), rows.sums(w * w)
    dots, gradient_squares = rows.sums(w * g), rows.sums(g.mul_(g))
    norms, gradient_norms = squares.sqrt(), gradient_squares.sqrt()
    cosines = dots.abs() / (norms.clamp(min=eps) * gradient_norms.clamp(min=eps))
    by_row = rows.by_matrix(cosines, "max") < delta * rows.bounds
    whole_norms, whole_gradient_norms = (rows.by_matrix(s).sqrt() for s in (squares, gradient_squares))
    cosines = rows.by_matrix(dots).abs() / (whole_norms.clamp(min=eps) * whole_gradient_norms.clamp(min=eps))
    as_whole = ~by_row & (cosines < delta * rows.whole_bounds)
    # filling takes a number as it is, where `torch.where` would copy it to the device
    whole = (rows.by_matrix(along) / (whole_norms + eps) / (whole_norms + eps)).masked_fill(~as_whole, 0.0)
    radial = torch.where(by_row[rows.owners], along / (norms + eps) / (norms + eps), whole[rows.owners])
    ratios = torch.ones_like(whole).masked_fill(by_row | as_whole, settings["wd_ratio"])
    return radial, ratios[rows.owners]
