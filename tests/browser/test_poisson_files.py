"""Files on the Poisson page in a real Chromium: a matrix with its right-hand side, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from scipy import io as matrix_market
from scipy import sparse

from tests.browser.test_live import control, status

pytestmark = pytest.mark.browser

ROWS = 200
#: A race of two that takes a file.
QUERY = "p=matrix&m=cg&m2=ic_pcg&m3=multigrid_pcg&m4=none&m5=none"


def send(page: Page, slot: str, path: Path) -> None:
    page.locator(f".st-key-upload-poisson-{slot} input[type=file]").set_input_files(path)


@pytest.fixture
def matrix(tmp_path: Path) -> sparse.csr_array:
    """A diffusion along a line with a sink: definite, and no stencil of a grid in the plane."""
    sides = -np.linspace(1.0, 2.0, ROWS - 1)
    return sparse.diags_array([sides, np.full(ROWS, 4.1), sides], offsets=[-1, 0, 1]).tocsr()


def test_a_matrix_is_solved_and_bad_files_change_nothing(
    page: Page, address: str, matrix: sparse.csr_array, tmp_path: Path
) -> None:
    good, rhs = tmp_path / "line.npz", tmp_path / "b.npy"
    sparse.save_npz(good, matrix)
    np.save(rhs, np.arange(ROWS, dtype=float))
    page.goto(f"{address}/poisson?{QUERY}")
    expect(status(page)).to_contain_text("Choose a matrix to begin")
    send(page, "matrix", good)
    expect(page.get_by_text("is left out").first).to_contain_text(
        "Multigrid-preconditioned CG is left out: problem: expected a grid"
    )
    send(page, "rhs", rhs)
    expect(page.locator(".it-card").last).to_contain_text("b.npy")
    control(page, "go").click()
    expect(page.locator(".it-finding")).to_contain_text("CG needed")
    found = page.locator(".it-finding").inner_text()

    skew = matrix.tolil()
    skew[0, 5] = 3.0
    matrix_market.mmwrite(tmp_path / "skew.mtx", skew.tocoo(), symmetry="general")
    head = "%%MatrixMarket matrix coordinate real symmetric\n90000000 90000000 900000000\n1 1 2.0\n"
    (tmp_path / "huge.mtx").write_text(head)
    np.save(tmp_path / "short.npy", np.ones(7))
    for slot, name, sentence, kept in (
        ("matrix", "skew.mtx", "expected a symmetric matrix, found |A − Aᵀ| up to 3.00e+00", "line.npz"),
        ("matrix", "huge.mtx", "found 90,000,000 rows, 900,000,000 entries", "line.npz"),
        ("rhs", "short.npy", f"expected {ROWS} numbers, one a row of line.npz, found 7", "b.npy"),
    ):
        send(page, slot, tmp_path / name)
        alert = page.get_by_role("alert").filter(has_text=name)
        expect(alert).to_contain_text(sentence)
        expect(alert).to_contain_text(f"{kept} stays loaded.")
        assert page.locator(".it-finding").inner_text() == found
    page.get_by_role("button", name="Remove the right-hand side").click()
    expect(page.locator(".it-card").last).not_to_contain_text("b.npy")
    # white noise instead: another system, ready to run
    expect(status(page)).to_contain_text("Ready: at the start")


def test_a_file_beyond_the_limit_is_not_taken(page: Page, address: str, tmp_path: Path) -> None:
    path = tmp_path / "large.npz"
    with path.open("wb") as file:
        file.truncate(65 * 2**20)
    page.goto(f"{address}/poisson?{QUERY}")
    expect(status(page)).to_contain_text("Choose a matrix to begin")
    send(page, "matrix", path)
    expect(page.locator(".st-key-upload-poisson-matrix")).to_contain_text("64.0MB or smaller")
    expect(status(page)).to_contain_text("Choose a matrix to begin")


def test_a_network_for_another_boundary_is_left_out_of_the_race(page: Page, address: str) -> None:
    page.goto(f"{address}/poisson?m=cg&m2=npsdo&m3=dcdm&m4=none&m5=none&p.n=32")
    expect(page.locator(".it-finding")).to_contain_text("NPSDO")
    note = page.get_by_text("DCDM is left out")
    expect(note).to_contain_text("expected a boundary as in training: open all round")
