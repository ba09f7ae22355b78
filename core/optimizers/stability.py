"""Up to which curvature the steps of a method are stable on a quadratic, and what that curvature is of.

Without a metric it is the Hessian's largest eigenvalue; methods that divide by the root of the mean squared
gradient are held against that of P^(−½) H P^(−½), with P what they divide by (Cohen et al. 2022, Adaptive
Gradient Methods at the Edge of Stability).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Iterate, Lazy

if TYPE_CHECKING:
    from core.optimizers.descent import Stepper
    from core.optimizers.training import Training

#: Methods whose line is known: with a momentum buffer, and with means of gradients and of their squares.
BUFFERED, AVERAGED = ("sgd", "sgdp"), ("adam", "adamw", "adam_half")
STABLE = (*BUFFERED, *AVERAGED)


def stability_line(key: str, method: Any) -> float:
    """Return the largest curvature at which steps do not grow; decay of weights does not count.

    2(1+μ)/η with a momentum buffer, 2(1+μ)/((1+2μ) η) with Nesterov's, 2(1+β₁)/((1−β₁) η) where the momentum
    is a mean.

    Parameters
    ----------
    key : one of `STABLE`. method : its settings.
    """
    if key in AVERAGED:
        rate = method.lr / 2 if key == "adam_half" else method.lr
        return float(2 * (1 + method.beta1) / ((1 - method.beta1) * rate))
    ahead = 1 + 2 * method.momentum if method.nesterov else 1.0
    return float(2 * (1 + method.momentum) / (ahead * method.lr))


class Watched:
    """Adam with what its steps divide by among the arrays of its iterates, as ``divisor``.

    Parameters
    ----------
    method : of `AVERAGED`.
    """

    def __init__(self, method: Any) -> None:
        self._method = method
        self.prepare = method.prepare

    def iterate(self, training: Training) -> Iterator[Iterate]:
        """Yield the iterates of a training."""
        from core.optimizers.network_descent import train

        steps = itertools.count()

        def keeps(stepper: Stepper, training: Training) -> dict[str, Lazy]:
            return {"divisor": partial(divisor, self._method, stepper, training, next(steps))}

        return train(self._method, training, keeps=keeps)


def divisor(method: Any, stepper: Stepper, training: Training, k: int) -> NDArray[Any]:
    """Return P (n,) of Adam's step from x_k: x ← x − η m/P, m the mean of gradients that starts at 0.

    Parameters
    ----------
    stepper : before that step, with the gradient at x_k.
    """
    g, t = stepper.g.astype(np.float64), k + 1
    norm = float(np.linalg.norm(g))
    if 0 < training.clip < norm:
        g *= training.clip / norm
    v = method.beta2 * stepper.state()["second_moment"].astype(np.float64) + (1 - method.beta2) * g**2
    return np.asarray((1 - method.beta1**t) * (np.sqrt(v / (1 - method.beta2**t)) + method.eps))
