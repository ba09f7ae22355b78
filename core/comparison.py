"""Two traces side by side: who leads from where on, and by how much in the end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.trace import TraceView


@dataclass(frozen=True, slots=True)
class Comparison:
    """How column `name` of trace A relates to that of trace B; smaller counts as better.

    Attributes
    ----------
    first_lead : first k at which A is below B; None if it never is.
    crossings : k at which the leader changes.
    final_ratio : last value of A over last value of B; NaN if B's is zero or either is missing.
    equal : whether all shared values agree to a relative 1e-9.
    """

    first_lead: int | None
    crossings: tuple[int, ...]
    final_ratio: float
    equal: bool


def compare(a: TraceView, b: TraceView, name: str) -> Comparison:
    """Compare a recorded number over the iterates that both traces have.

    Parameters
    ----------
    name : a column of both.
    """
    n = min(len(a), len(b))
    x, y = (np.asarray(view.scalars[name][:n], dtype=np.float64) for view in (a, b))
    known = np.isfinite(x) & np.isfinite(y)
    tie = np.isclose(x, y, rtol=1e-9, atol=0.0)
    sign = np.where(known & ~tie, np.sign(x - y), 0.0)
    leads = np.flatnonzero(sign < 0)
    led = np.flatnonzero(sign)
    changes = led[1:][np.diff(sign[led]) != 0]
    last_a, last_b = (float(view.scalars[name][-1]) if len(view) else np.nan for view in (a, b))
    return Comparison(
        first_lead=int(a.k[leads[0]]) if len(leads) else None,
        crossings=tuple(int(k) for k in a.k[changes]),
        final_ratio=last_a / last_b if last_b else float("nan"),
        equal=bool(n) and bool(np.all(tie | ~known)),
    )
