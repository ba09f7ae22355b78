"""Training of a factor network on the matrix at hand, and its factor as a preconditioner.

The loss needs neither solutions nor a factorisation: E ‖(L Lᵀ − S) z‖² = ‖L Lᵀ − S‖_F² for z ~ N(0, I).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from core.errors import InputError
from core.iterate import Array, Preparation, Progress
from core.poisson.learned.factor_network import FactorNetwork
from core.poisson.learned.matrix_graph import MatrixGraph, matrix_graph, patches, unit_diagonal

#: Entries of the lower triangle of a training patch, and how many patches there are.
PATCH_ENTRIES, PATCHES = 6000, 8
#: Steps of warm-up; what is left of the learning rate at the end; largest norm of a gradient.
WARM_UP, LAST_RATE, CLIP = 20, 0.02, 1.0
#: Random vectors of a step, and of the estimate at the end.
SKETCH, PROBES = 1, 32


@dataclass(frozen=True, slots=True)
class FactorSettings:
    """How a factor is learned; see `core.poisson.methods.neural_ic`."""

    steps: int
    rate: float
    hidden: int
    blocks: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class LearnedFactor:
    """A lower triangular L with A ≈ L Lᵀ.

    Attributes
    ----------
    starts, columns, values : Lᵀ in CSR form, the diagonal first in each row.
    residual : estimate of ‖L Lᵀ − S‖_F / ‖S‖_F, both scaled to S's unit diagonal.
    losses : of every training step.
    """

    starts: np.ndarray
    columns: np.ndarray
    values: Array
    residual: float
    losses: tuple[float, ...]


def difference(graph: MatrixGraph, L: Tensor, z: Tensor) -> Tensor:
    """Return (L Lᵀ − S) z for z (n, m), without a matrix."""
    row, column = graph.row, graph.column
    zero = torch.zeros_like(z)
    lower, upper = z.index_select(0, column), z.index_select(0, row)
    through = zero.index_add(0, column, L[:, None] * upper)
    product = zero.index_add(0, row, L[:, None] * through.index_select(0, column))
    S = graph.entries[:, None]
    beside = S * ~graph.on_diagonal[:, None]
    return product - zero.index_add(0, row, S * lower).index_add(0, column, beside * upper)


def sketched_loss(graph: MatrixGraph, L: Tensor, z: Tensor) -> Tensor:
    """Return ‖(L Lᵀ − S) z‖² for each unknown, the mean over the columns of z."""
    return difference(graph, L, z).square().sum(0).mean() / graph.size


def relative_residual(graph: MatrixGraph, L: Tensor, generator: torch.Generator) -> float:
    """Return an estimate of ‖L Lᵀ − S‖_F / ‖S‖_F."""
    z = torch.randn(graph.size, PROBES, generator=generator)
    squares = graph.entries.square()
    size = float(2.0 * squares.sum() - squares[graph.on_diagonal].sum())
    return math.sqrt(float(sketched_loss(graph, L, z)) * graph.size / size)


def learn_factor(A: sparse.csr_array, settings: FactorSettings) -> Preparation[LearnedFactor]:
    """Train a network on patches of A and let it write the factor of the whole of A.

    Parameters
    ----------
    A : (n, n) symmetric with a positive diagonal, sorted indices.

    Raises
    ------
    InputError
        If the training runs away.
    """
    torch.set_num_threads(1)
    S = unit_diagonal(A)
    yield Progress("graph of the matrix")
    rng = np.random.default_rng(settings.seed)
    graphs = [matrix_graph(patch) for patch in patches(S, PATCH_ENTRIES, PATCHES, rng)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = FactorNetwork(settings.hidden, settings.blocks)
    generator = torch.Generator().manual_seed(settings.seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.rate, foreach=False)
    losses = []
    for step in range(settings.steps):
        yield Progress("training the factor", step, settings.steps)
        graph = graphs[int(rng.integers(len(graphs)))]
        z = torch.randn(graph.size, SKETCH, generator=generator)
        loss = sketched_loss(graph, network(graph), z)
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise InputError("training", "a finite loss", f"{losses[-1]} at step {step + 1}", "lower -m rate")
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * _schedule(step, settings.steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
    yield Progress("factor")
    whole = matrix_graph(S) if len(graphs) > 1 else graphs[0]
    with torch.no_grad():
        L = network(whole)
        residual = relative_residual(whole, L, generator)
    if not torch.isfinite(L).all():
        raise InputError("training", "a finite factor", "infinite entries", "lower -m rate")
    starts = np.concatenate([[0], np.cumsum(whole.in_column[:, 0].numpy().astype(np.int64))])
    rows = whole.row.numpy()
    values = L.numpy().astype(np.float64) * np.sqrt(A.diagonal())[rows]
    return LearnedFactor(starts, rows, values, residual, tuple(losses))


def _schedule(step: int, steps: int) -> float:
    """Return the share of the learning rate: a linear warm-up times half a cosine."""
    cosine = 0.5 * (1.0 + math.cos(math.pi * step / steps))
    return min((step + 1) / WARM_UP, 1.0) * (LAST_RATE + (1.0 - LAST_RATE) * cosine)
