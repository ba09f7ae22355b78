"""The benchmark: contenders solve the same system and the tables come out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from core.poisson import bench
from core.poisson.sparse_matrix import csr
from tests.oracles_poisson import system


def test_all_contenders_find_the_same_solution() -> None:
    given = system("box", n=24)
    A, b = csr(given)
    exact = np.linalg.solve(A.toarray(), b)
    found = [bench._multigrid(given), bench._scipy_cg(A, b), bench._sine_transform(given)]
    found += [*bench._plain(given, "box").values(), *bench._mic(given, "disc").values()]
    for contender in found:
        x, steps = contender()
        assert steps > 0
        assert np.linalg.norm(A @ (x - exact)) <= 2e-6 * np.linalg.norm(b)


def test_pyamg_is_a_contender_where_it_is_installed() -> None:
    if bench._pyamg() is None:
        pytest.skip("pyamg is not installed")
    A, b = csr(system("box", n=24))
    x, _ = bench._smoothed_aggregation(A, b)()
    assert np.linalg.norm(A @ x - b) <= 2e-6 * np.linalg.norm(b)


def test_the_tables_come_out(tmp_path: Path) -> None:
    lines: list[str] = []
    small = ((16, 2), (8, 3))
    bench.bench(
        lines.append, repeats=1, folder=tmp_path, multigrid_sizes=small, cg_sizes=small[:1],
        mic_sizes=small[:1], stencil_sizes=small, direction_sizes=small[:1], counted=1,
    )  # fmt: skip
    assert (tmp_path / "poisson.md").read_text() == "\n".join(lines) + "\n"
    text = "\n".join(lines)
    assert "| box 16^2 | multigrid_pcg |" in text
    assert "| ball, open top 8^3 | scipy cg |" in text
    assert text.count("| scipy dst |") == 2
    assert "| mic_pcg |" in text
    assert re.search(r"\| cg \|  \| box 64\^2 \| 1\d\d \| 168 \| yes \|", text)
    assert "| unseen disc, layer of air 16^2 | npsdo |" in text
    assert "| unseen ball, layer of air 8^3 | npsdo |" in text
    assert "| unseen disc, open all round 16^2 | dcdm |" in text
