"""Lines of stability against steps on a quadratic, Adam's divisor against its step in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.iterate import Iterate, drain
from core.optimizers.descent import Stepper
from core.optimizers.methods.adam import Adam, AdamHalf, AdamW
from core.optimizers.methods.hessian_spectrum import Sharpness
from core.optimizers.methods.sgd import Sgd
from core.optimizers.methods.sgdp import SgdpMethod
from core.optimizers.network_descent import train
from core.optimizers.stability import divisor, stability_line
from core.optimizers.tasks import DigitsMlp
from core.optimizers.training import Training


def grows(key: str, method: Any, curvature: float) -> bool:
    """Whether torch's own steps grow on ½ h x² with h the curvature; Adam's with its divisor held at 1."""
    if key in ("sgd", "sgdp"):
        stepper = Stepper(method, np.array([1.0]), ((1,),))
        sizes = []
        for _ in range(600):
            stepper.g[:] = curvature * stepper.x
            stepper.step()
            sizes.append(abs(float(stepper.x[0])))
    else:
        rate = method.lr / 2 if key == "adam_half" else method.lr
        x, m, sizes = 1.0, 0.0, []
        for _ in range(600):
            m = method.beta1 * m + (1 - method.beta1) * curvature * x
            x -= rate * m
            sizes.append(abs(x))
    return max(sizes[-50:]) > max(sizes[:50])


@pytest.mark.parametrize(
    ("key", "method"),
    [
        ("sgd", Sgd(lr=0.3, momentum=0.0)),
        ("sgd", Sgd(lr=0.3, momentum=0.9)),
        ("sgd", Sgd(lr=0.3, momentum=0.6, nesterov=True)),
        ("sgdp", SgdpMethod(lr=0.2, momentum=0.5)),
        ("adam", Adam(lr=0.02)),
        ("adamw", AdamW(lr=0.02, beta1=0.5)),
        ("adam_half", AdamHalf(lr=0.02)),
    ],
)
def test_steps_grow_above_the_line_only(key: str, method: Any) -> None:
    line = stability_line(key, method)
    assert not grows(key, method, 0.95 * line)
    assert grows(key, method, 1.05 * line)


def test_adams_line_is_38_over_the_rate() -> None:
    assert stability_line("adam", Adam(lr=0.01)) == pytest.approx(38 / 0.01)


def small(**settings: Any) -> Training:
    return drain(DigitsMlp(batch=0, width=8, depth=1, activation="tanh", **settings).build(0))


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_a_step_of_adam_is_its_momentum_over_the_divisor(clip: float) -> None:
    training, method = small(clip=clip), Adam(lr=0.01, steps=6)
    seen: list[tuple[Any, Any]] = []

    def keeps(stepper: Stepper, training: Training) -> dict[str, Any]:
        momentum = stepper.state()["momentum"].astype(np.float64)
        g = stepper.g.astype(np.float64)
        g *= min(1.0, clip / np.linalg.norm(g)) if clip else 1.0
        seen.append((method.beta1 * momentum + 0.1 * g, divisor(method, stepper, training, len(seen))))
        return {}

    xs = [item.x() for item in train(method, training, keeps=keeps) if callable(item.x)]
    for k, (momentum, P) in enumerate(seen[:-1]):
        np.testing.assert_allclose(xs[k + 1] - xs[k], -0.01 * momentum / P, atol=1e-6)


def last(method: Sharpness, training: Training) -> Iterate:
    *_, item = method.iterate(drain(method.prepare(training)))
    return item


def test_of_adam_it_is_the_largest_eigenvalue_of_the_scaled_hessian() -> None:
    training = small()
    method = Sharpness(method="adam", settings="", lr=0.01, steps=8, resolution=3, lanczos_steps=60)
    trained = drain(method.prepare(training))
    *_, item = method.iterate(trained)
    x, P = trained.path[1].astype(np.float64), trained.divisors[1]
    rows = [trained.f.value_and_gradient(x + s * 1e-5 * e)[1] for e in np.eye(len(x)) for s in (1.0, -1.0)]
    H = (np.array(rows[::2]) - np.array(rows[1::2])) / 2e-5
    root = 1 / np.sqrt(P)
    expected = np.linalg.eigvalsh(0.5 * (H + H.T) * np.outer(root, root))[-1]
    assert isinstance(item.x, np.ndarray)
    assert item.x[1, 1] == pytest.approx(expected, rel=1e-2)
    assert item.scalars["stability"] == pytest.approx(3800.0)


def test_the_line_rises_as_the_rate_falls() -> None:
    item = last(
        Sharpness(settings="momentum=0", lr=0.1, steps=4, resolution=5, lanczos_steps=5),
        small(schedule="cosine"),
    )
    assert isinstance(item.x, np.ndarray)
    np.testing.assert_allclose(item.x[:4, 3], 20.0 / (0.5 * (1 + np.cos(np.pi * np.arange(4) / 4))))
    assert np.isnan(item.x[4, 3])
