"""Traces as tables and files: for the data view and for download."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.run import MemberView
from core.trace import to_parquet


def iterates(member: MemberView) -> pd.DataFrame:
    """Return one row an iterate: k, seconds, every recorded number, work."""
    view = member.view
    columns = {"k": view.k, "seconds": view.seconds} | dict(view.scalars)
    columns |= {f"work {name}": column for name, column in view.work.items() if np.any(column)}
    return pd.DataFrame(columns)


def csv(members: Sequence[MemberView]) -> bytes:
    """Return all methods' iterates as CSV; the first lines name the units."""
    spec = members[0].recipe.method_spec
    units = ", ".join(f"{name} [{scalar.unit}]" for name, scalar in spec.scalars.items() if scalar.unit)
    frames = [iterates(m).assign(method=m.recipe.method) for m in members]
    table = pd.concat(frames).set_index("method").reset_index()
    body = table.to_csv(index=False, float_format="%.17g", lineterminator="\n")
    return f"# {members[0].recipe.lab}: {members[0].recipe.problem}; seconds [s], {units}\n{body}".encode()


def parquet(member: MemberView) -> bytes:
    """Return one method's trace with its snapshots and its recipe in the schema."""
    buffer = io.BytesIO()
    to_parquet(member.view, buffer, {"recipe": json.loads(member.recipe.to_json())})
    return buffer.getvalue()
