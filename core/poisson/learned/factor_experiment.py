"""Prepared comparison of a learned factor with the preconditioners that any matrix has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.poisson.learned.experiments import CLEARLY, reached, said, steps
from core.registry import Finding, Verdict, experiment
from core.trace import TraceView


@experiment(
    "learned_factor",
    lab="poisson",
    title="A factor that a network writes",
    question="Can a network replace the factorisation of a matrix that has no grid?",
    claim="A learned incomplete factor needs clearly fewer steps than the diagonal, on any sparse matrix",
    source="Häusner, Öktem & Sjölund 2024, Neural incomplete factorization, TMLR",
    problem="model_matrix",
    problem_params={"elements": 32},
    methods={"neural_ic": {}, "jacobi_pcg": {}, "ic_pcg": {}, "cg": {}},
    order=180,
)
def learned_factor(views: Mapping[str, TraceView], results: Mapping[str, Mapping[str, Any]]) -> Finding:
    """Learning what can be computed.

    An elastic plate has two unknowns a node and entries of both signs: no grid method applies, only what
    works from the matrix alone. An incomplete Cholesky factor is found entry by entry, each from those before
    it. Here a small graph network reads the matrix and writes all entries of such a factor at once. It is
    trained on patches of the very matrix: L Lᵀ z should be A z for random vectors z. Nobody solves anything
    for it.

    The diagonal of the factor is positive by construction, so conjugate gradients may use it whatever the
    network has learned. Jacobi's preconditioner is the diagonal alone. The exact recipe, IC(0), is beside
    them: it makes the same pattern from one pass over the matrix, in a fraction of one step of the training.
    A learned factor pays where that pass cannot be made, because it must go from row to row or a pivot fails,
    or where one training serves many matrices.
    """
    learned, diagonal, exact, plain = (views[n] for n in ("neural_ic", "jacobi_pcg", "ic_pcg", "cg"))
    fewer = reached(learned, diagonal) and steps(learned) < CLEARLY * steps(diagonal)
    cost = learned.setup_seconds + float(learned.seconds[-1])
    return Finding(
        Verdict.HOLDS if fewer else Verdict.DOES_NOT_HOLD,
        f"With the learned factor CG needs {said(learned)}, with the diagonal {said(diagonal)}, alone "
        f"{said(plain)}. IC(0) needs {said(exact)}, and no training: it takes "
        f"{1e3 * (exact.setup_seconds + float(exact.seconds[-1])):.0f} ms in all, learning and solving "
        f"{cost:.1f} s.",
    )
