"""What is seen of a private training: the noise of every round, the privacy spent, the gradient beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.optimizers.panels import Course, Panel
from core.optimizers.privacy import epsilon, renyi
from core.optimizers.training import Training
from core.trace import TraceView

#: Rounds at which the privacy of one kind of release is counted.
COUNTED = 200


class Settings(Protocol):
    """A private method."""

    @property
    def epsilon(self) -> float:
        """ε of the whole training; 0 = no privacy."""
        ...

    @property
    def delta(self) -> float:
        """δ at which ε holds."""
        ...

    def between(self) -> tuple[int, float]:
        """Return the rounds T from restart to restart, and the radius C₂ per unit of step."""
        ...

    def scales(self, samples: int) -> tuple[float, float]:
        """Return σ₁ of restarts and σ₂ of differences for so many samples."""
        ...


def private_panels(settings: Settings, training: Training, view: TraceView) -> Iterator[Panel]:
    """Yield the courses of a private method."""
    restart = settings.between()[0]
    noise = view.scalars["noise_std"]
    if settings.epsilon > 0:
        yield Course(
            "noise_std", "Noise of a release, standard deviation of each coordinate", noise, log=True,
            words="At a restart C₁ σ₁, the same each time; in between C₂ ‖x − x⁻‖ σ₂, which falls as the "
            "steps do. DP-GD restarts every round.",
        )  # fmt: skip
        yield from _spent(settings, training, view)
        for name, values in (
            ("‖∇f‖", view.scalars["grad_norm"]),
            ("noise in v", gathered(noise, view.k, restart) * np.sqrt(training.n)),
        ):
            yield Course(
                "gradient_and_noise", "Length of the true gradient, and of the noise in v", values, log=True,
                name=name,
                words=f"Expected length in {training.n} coordinates; noise adds up from a restart to "
                "the next. Where it is longer than the gradient, steps go astray.",
            )  # fmt: skip
    yield Course(
        "clipped", "Share of the samples that are clipped", view.scalars["clipped"],
        words="At a restart gradients longer than C₁, in between differences longer than C₂ ‖x − x⁻‖. "
        "Clipping bends the mean; radii that clip nobody cost noise.",
    )  # fmt: skip
    yield Course(
        "cosine", "Cosine of v and the true gradient", view.scalars["cosine"], level=0.0,
        words="1: the release points where the gradient does; below 0 a step leads uphill. Only a "
        "demonstration can know it.",
    )  # fmt: skip


def gathered(noise: Array, k: NDArray[np.int64], restart: int) -> Array:
    """Return the standard deviation of the noise in v: releases since the last restart, in quadrature.

    Parameters
    ----------
    noise : (n,) of each round's release; NaN where there was none.
    k : (n,) the rounds, one after the other.
    restart : rounds T from restart to restart.
    """
    total, result = 0.0, np.full(len(noise), np.nan)
    for i, (round_, spread) in enumerate(zip(k, noise, strict=True)):
        total = spread**2 + (0.0 if round_ % restart == 0 else total)
        result[i] = np.sqrt(total)
    return result


def _spent(settings: Settings, training: Training, view: TraceView) -> Iterator[Course]:
    """Yield ε over the rounds, of all releases and of each kind alone."""
    key, title = "epsilon_spent", f"Privacy spent: ε at δ = {settings.delta:g}"
    words = (
        "The line is ε of the whole training; the proof leaves some of it over. Of restarts and differences "
        "together it is not the sum of theirs."
    )
    courses = {"": view.scalars["epsilon_spent"]}
    (restart, _), samples = settings.between(), len(training.function)
    if restart > 1:
        at = np.unique(np.rint(np.linspace(0, len(view) - 1, min(COUNTED, len(view)))).astype(int))
        released = np.isfinite(view.scalars["noise_std"])
        is_restart = view.k % restart == 0
        scales = settings.scales(samples)
        for name, scale, kind in zip(
            ("restarts alone", "differences alone"), scales, (is_restart, ~is_restart), strict=True
        ):
            counts, one = np.cumsum(released & kind), renyi([(scale * samples / 2, 1)])
            values = np.full(len(view), np.nan)
            values[at] = [epsilon(c * one, settings.delta) if c else 0.0 for c in counts[at]]
            courses[name] = values
    for name, values in courses.items():
        yield Course(key, title, values, level=settings.epsilon, name=name, words=words)
