"""Which view of a tensor the projection acts on, against the torch function that steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.optimizers.optim.projection import project_
from core.optimizers.projections import CHANNEL, LAYER, NONE, detected
from core.recipe import make
from core.run import Run


@pytest.mark.parametrize("seed", range(12))
def test_the_state_is_what_the_torch_projection_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, g, u = (rng.standard_normal((3, 2, 2)) for _ in range(3))
    W, G = w.reshape(3, -1), g.reshape(3, -1)
    if seed % 3:
        # orthogonal row by row, or as a whole only
        rows = (W, G) if seed % 3 == 1 else (W.reshape(1, -1), G.reshape(1, -1))
        shares = (rows[0] * rows[1]).sum(axis=1) / (rows[0] ** 2).sum(axis=1)
        g = (rows[1] - shares[:, None] * rows[0]).reshape(w.shape)
    state = detected(w, g, 0.1)
    after = torch.from_numpy(u.copy())
    ratio = project_(torch.from_numpy(w), torch.from_numpy(g), after, 0.1, 0.5, 1e-8)
    assert (ratio < 1.0) == (state != NONE)
    by_row = np.abs((W * after.numpy().reshape(3, -1)).sum(axis=1)).max()
    whole = abs(float((w * after.numpy()).sum()))
    assert (by_row < 1e-6) == (state == CHANNEL)
    assert (whole < 1e-6) == (state != NONE)
    if seed % 3:
        assert state == (CHANNEL if seed % 3 == 1 else LAYER)


def test_without_a_threshold_and_on_vectors_nothing_is_detected() -> None:
    w, g = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert detected(w, g, 0.1) == CHANNEL
    assert detected(w, g, 0.0) == NONE
    assert detected(w[0], g[0], 0.1) == NONE


def test_a_training_takes_convolutions_before_a_normalisation_for_scale_invariant() -> None:
    from core.optimizers.methods.sgdp import SgdpMethod

    run = Run([make("optimizers", "digits_cnn", "sgdp", {}, {"lr": 0.05, "steps": 3})]).inline()
    view = run.view().members[0].view
    (strip,) = SgdpMethod().panels(run.problem, view, 0)
    assert strip.rows == ("convolution 1", "convolution 2", "convolution 3", "weight")
    assert strip.values.shape == (4, 4)
    assert (strip.values[:3] == CHANNEL).all()
    assert (strip.values[3] == NONE).all()


def test_on_a_landscape_the_state_follows_from_what_was_recorded() -> None:
    for problem, state in (("scale_invariant_rosenbrock", CHANNEL), ("matrix_factorization", NONE)):
        run = Run([make("optimizers", problem, "adamp", {}, {"lr": 0.01, "steps": 5})]).inline()
        view = run.view().members[0].view
        (strip,) = run.view().members[0].recipe.build_method().panels(run.problem, view, 0)
        assert (strip.values == state).all()
        assert list(strip.k) == [0, 1, 2, 3, 4]
