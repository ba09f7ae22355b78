"""Matrices with labels: the numbers against numpy, the units against a change of units."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.registration.annotated_matrices import AnnotatedMatrix, annotated_matrices
from tests.oracles_schur import golden_system, named_modes, random_rows, schur


def matrices(H: np.ndarray) -> dict[str, AnnotatedMatrix]:
    return {m.key: m for m in annotated_matrices(H)}


def test_schur_complements_and_eigenvectors_are_those_of_numpy() -> None:
    H = golden_system()[0]
    found = matrices(H)
    np.testing.assert_array_equal(found["hessian"].values, H)
    for block, kind in enumerate(("rotation", "translation")):
        S = schur(H, block)
        np.testing.assert_allclose(found[f"schur_{kind}"].values, S, atol=1e-12)
        _, vectors = named_modes(S)
        np.testing.assert_allclose(found[f"eigenvectors_{kind}"].values, vectors, atol=1e-12)
    assert found["eigenvectors_rotation"].flagged == (False, False, True)
    assert found["eigenvectors_rotation"].notes[2].startswith("λ = 1.002 m²/rad², λ_max/λ = 36.1")


@pytest.mark.parametrize("seed", range(5))
def test_whole_motions_have_the_eigenvalue_as_their_information(seed: int) -> None:
    J = random_rows(seed)
    H = J.T @ J
    for block, kind in enumerate(("rotation", "translation")):
        Z = matrices(H)[f"motions_{kind}"].values
        values, vectors = named_modes(schur(H, block))
        np.testing.assert_allclose(Z[3 * block : 3 * block + 3], vectors, atol=1e-9)
        # the directions do not mix either: Zᵀ H Z is the diagonal of eigenvalues
        np.testing.assert_allclose(Z.T @ H @ Z, np.diag(values), atol=1e-9 * H.max())


def test_units_say_how_the_numbers_change_with_the_unit_of_length() -> None:
    J = random_rows(3)
    # lengths in cm: lever arms (columns 0 to 2) and residuals grow by 100, normals do not
    in_cm = np.hstack([100 * J[:, :3], J[:, 3:]])
    metres, centimetres = matrices(J.T @ J), matrices(in_cm.T @ in_cm)
    power = {"m²/rad²": 2, "m/rad": 1, "": 0, "rad/m": -1}
    for key in ("hessian", "schur_rotation", "schur_translation", "motions_rotation", "motions_translation"):
        m = metres[key]
        factors = np.array([[100.0 ** power[unit] for unit in row] for row in m.units])
        np.testing.assert_allclose(
            centimetres[key].values,
            m.values * factors,
            rtol=1e-6,
            atol=1e-7 * np.abs(m.values * factors).max(),
        )
        np.testing.assert_allclose(centimetres[key].shade, m.shade, atol=1e-6)


def test_labels_fit_and_shades_stay_within_one() -> None:
    for H in (golden_system()[0], np.zeros((6, 6)), np.diag([0, 0, 5.0, 1, 2, 0])):
        for m in annotated_matrices(H):
            assert m.values.shape == m.shade.shape == (len(m.rows), len(m.columns))
            assert np.shape(m.units) == m.values.shape
            assert len(m.notes) == len(m.flagged) == len(m.columns)
            assert np.abs(m.shade).max() <= 1.0
            json.dumps(m.as_dict(), allow_nan=False)


def test_the_shade_of_the_hessian_is_its_correlation() -> None:
    J = random_rows(0)
    unit = J / np.linalg.norm(J, axis=0)
    np.testing.assert_allclose(matrices(J.T @ J)["hessian"].shade, unit.T @ unit, atol=1e-12)


def test_a_matrix_that_is_no_hessian_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        annotated_matrices(np.full((6, 6), np.nan))
