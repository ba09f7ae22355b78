"""Lengths and turns of weights whose length does not count, against the theory of scale invariance."""

from __future__ import annotations

import numpy as np
import pytest

from core import registry
from core.iterate import drain
from core.optimizers.directions import direction_panels, radial_shares, tensor_parts, turns
from core.optimizers.training import Training
from core.recipe import make
from core.run import MemberView, Run

LR, MU, STEPS = 2e-4, 0.9, 60


def race(method: str, problem: str = "scale_invariant_rosenbrock", **settings: object) -> MemberView:
    values = {"lr": LR, "steps": STEPS, **settings}
    return Run([make("optimizers", problem, method, {}, values)]).inline().view().members[0]


def courses(member: MemberView, problem: object) -> dict[str, np.ndarray]:
    return {c.key.split(".")[1]: c.values for c in direction_panels(problem, member.view)}  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rays() -> object:
    spec = registry.problem_spec("optimizers", "scale_invariant_rosenbrock")
    return drain(registry.instantiate(spec, {}, "-p ").build(0))


def test_momentum_lengthens_by_the_closed_form(rays: object) -> None:
    """‖w₊‖² = ‖w‖² + η²‖pₜ‖² + 2η² Σ_{k<t} βᵗ⁻ᵏ‖pₖ‖², from ⟨w, ∇f(w)⟩ = 0 alone."""
    member = race("sgd", momentum=MU)
    steps = [member.view.snapshots[k]["step"] for k in range(STEPS)]
    p2 = np.array([float(s @ s) for s in steps]) / LR**2
    length = courses(member, rays)["length"]
    for t in range(STEPS):
        tail = sum(MU ** (t - k) * p2[k] for k in range(t))
        expected = length[t] ** 2 + LR**2 * (p2[t] + 2 * tail)
        assert length[t + 1] ** 2 == pytest.approx(expected, rel=1e-12)


def test_a_projected_step_has_no_radial_share_and_turns_by_its_length_over_that_of_the_weights(
    rays: object,
) -> None:
    member = race("sgdp", momentum=MU)
    found = courses(member, rays)
    # ŵ = w/(‖w‖ + ε) leaves 2ε of the radial part, which is many times longer than the rest
    assert found["radial"][:-1].max() < 1e-6
    length, step = found["length"], member.view.scalars["step_norm"]
    np.testing.assert_allclose(length[1:] ** 2, length[:-1] ** 2 + step[1:] ** 2, rtol=1e-6)
    # the step is tangent
    np.testing.assert_allclose(found["turn"][1:], np.degrees(np.arctan2(step[1:], length[:-1])), rtol=1e-7)
    np.testing.assert_allclose(found["rate"], LR / length**2, rtol=1e-12)
    assert np.isnan(found["turn"][0])
    assert np.isnan(found["radial"][-1])


def test_turns_are_exact_where_an_arc_cosine_would_not_be() -> None:
    angles = np.array([0.0, 1e-9, 0.3, 2.0])
    X = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[1.0], [3.0], [0.2], [5.0]]
    np.testing.assert_allclose(turns(X), np.degrees(np.diff(angles)), rtol=1e-7)
    assert radial_shares(np.array([[0.0, 2.0], [0.0, 5.0], [1.0, 5.0]])) == pytest.approx([1.0, 0.0])


def test_the_tensors_named_by_a_network_do_not_feel_their_length() -> None:
    spec = registry.problem_spec("optimizers", "digits_cnn")
    training = drain(registry.instantiate(spec, {}, "-p ").build(0))
    assert isinstance(training, Training)
    f, x, parts = training.subset(), training.start, tensor_parts(training)
    value = f.value(x)
    for place, part in enumerate(parts):
        longer = x.copy()
        longer[part] *= 2.0
        # batch normalisation adds 1e-5 to each variance
        is_felt = abs(f.value(longer) - value) > 1e-3 * abs(value)
        if len(training.shapes[place]) > 1:
            assert is_felt == (place not in training.scale_invariant)


def test_a_training_shows_the_relative_length_of_each_convolution() -> None:
    member = race("sgdp", "digits_cnn", lr=0.05, steps=4)
    spec = registry.problem_spec("optimizers", "digits_cnn")
    training = drain(registry.instantiate(spec, {}, "-p ").build(0))
    found = [c for c in direction_panels(training, member.view) if c.key == "direction.length"]
    assert [c.name for c in found] == ["convolution 1", "convolution 2", "convolution 3"]
    for course, place in zip(found, (0, 3, 6), strict=True):
        part = tensor_parts(training)[place]
        norms = [np.linalg.norm(member.view.snapshots[k]["x"][part].astype(float)) for k in range(5)]
        np.testing.assert_allclose(course.values, np.array(norms) / norms[0], rtol=1e-12)
