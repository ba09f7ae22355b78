"""Images of digits, 8 × 8 grey values: drawn by us, or the handwritten ones that scikit-learn brings.

The drawn ones are strokes whose corners are moved at random, turned, sheared, scaled and shifted, with a pen
of random width: every seed draws other images of the same ten classes. They need no file and no package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.iterate import Array

SIDE = 8
#: As many images as the handwritten set has, so that both are one task in size.
COUNT = 1797

#: Corners (x, y) of each digit's strokes, y downwards, in a unit square.
_STROKES: tuple[tuple[tuple[tuple[float, float], ...], ...], ...] = (
    (((0.5, 0.0), (0.85, 0.2), (0.85, 0.8), (0.5, 1.0), (0.15, 0.8), (0.15, 0.2), (0.5, 0.0)),),
    (((0.25, 0.25), (0.55, 0.0), (0.55, 1.0)),),
    (((0.15, 0.2), (0.5, 0.0), (0.85, 0.2), (0.8, 0.45), (0.15, 1.0), (0.9, 1.0)),),
    (((0.15, 0.1), (0.5, 0.0), (0.85, 0.2), (0.45, 0.48), (0.85, 0.75), (0.5, 1.0), (0.15, 0.9)),),
    (((0.65, 1.0), (0.65, 0.0), (0.1, 0.65), (0.95, 0.65)),),
    (((0.85, 0.0), (0.25, 0.0), (0.2, 0.45), (0.6, 0.4), (0.85, 0.7), (0.5, 1.0), (0.15, 0.9)),),
    (((0.75, 0.0), (0.3, 0.35), (0.15, 0.75), (0.5, 1.0), (0.85, 0.75), (0.5, 0.5), (0.2, 0.65)),),
    (((0.1, 0.0), (0.9, 0.0), (0.4, 1.0)), ((0.3, 0.5), (0.8, 0.5))),
    (
        ((0.5, 0.48), (0.2, 0.25), (0.5, 0.0), (0.8, 0.25), (0.5, 0.48)),
        ((0.5, 0.48), (0.15, 0.75), (0.5, 1.0), (0.85, 0.75), (0.5, 0.48)),
    ),
    (((0.8, 0.3), (0.5, 0.5), (0.2, 0.25), (0.5, 0.0), (0.8, 0.3), (0.75, 0.7), (0.45, 1.0)),),
)


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Grey values (N, 8, 8) in [0, 1] and the digits (N,) that they show."""

    pixels: Array
    labels: NDArray[np.int64]


def draw(rng: np.random.Generator, count: int = COUNT) -> Images:
    """Draw digits: the ten classes in turn.

    Parameters
    ----------
    rng : decides every stroke.
    count : images.
    """
    labels = np.arange(count, dtype=np.int64) % 10
    pixels = np.empty((count, SIDE, SIDE))
    for digit in range(10):
        chosen = np.flatnonzero(labels == digit)
        pixels[chosen] = _drawn(digit, len(chosen), rng)
    return Images(np.clip(pixels + rng.normal(0.0, 0.04, pixels.shape), 0.0, 1.0), labels)


def _drawn(digit: int, count: int, rng: np.random.Generator) -> Array:
    """Return `count` images (count, 8, 8) of one digit."""
    points = np.concatenate([_along(np.array(stroke), count, rng) for stroke in _STROKES[digit]], axis=1)
    turn, shear = rng.normal(0.0, 0.12, count), rng.normal(0.0, 0.1, count)
    width, height = rng.uniform(3.8, 5.5, count), rng.uniform(5.2, 6.5, count)
    centred = points - 0.5
    x = width[:, None] * (centred[..., 0] - shear[:, None] * centred[..., 1])
    y = height[:, None] * centred[..., 1]
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    shift = rng.normal(3.5, 0.35, (count, 1, 2))
    places = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1) + shift  # (count, P, 2)
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1).reshape(-1, 2)
    squares = ((grid[None, :, None, :] - places[:, None, :, :]) ** 2).sum(axis=-1).min(axis=-1)
    pen = rng.uniform(0.45, 0.75, (count, 1))
    return np.asarray(np.exp(-squares / (2 * pen**2)).reshape(count, SIDE, SIDE))


def _along(corners: Array, count: int, rng: np.random.Generator) -> Array:
    """Return points (count, P, 2) along a stroke whose corners are moved at random."""
    moved = corners + rng.normal(0.0, 0.05, (count, *corners.shape))
    weights = np.linspace(0.0, 1.0, 7)[:, None]
    pieces = [
        moved[:, i, None] * (1 - weights) + moved[:, i + 1, None] * weights for i in range(len(corners) - 1)
    ]
    return np.concatenate(pieces, axis=1)


def handwritten() -> Images:
    """Return the handwritten digits of the UCI repository that scikit-learn brings (CC BY 4.0).

    Raises
    ------
    InputError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits  # type: ignore[import,unused-ignore]
    except ImportError:
        raise InputError(
            "images", "drawn", "handwritten, which scikit-learn brings and which is not installed",
            "pip install scikit-learn",
        ) from None  # fmt: skip
    found: Any = load_digits()
    return Images(found.images / 16.0, found.target.astype(np.int64))


def with_uneven_light(
    images: Images, rng: np.random.Generator, contrast: float = 0.1, brightness: float = 0.5
) -> Images:
    """Give each image a contrast exp(U(log contrast, 0)) and a brightness U(0, brightness) of its own."""
    n = len(images.labels)
    factors = np.exp(rng.uniform(np.log(contrast), 0.0, n))[:, None, None]
    return Images(images.pixels * factors + rng.uniform(0.0, brightness, n)[:, None, None], images.labels)


def rotated(images: Images, degrees: float) -> Images:
    """Turn every image about its centre; what comes in from outside is empty."""
    from scipy.ndimage import rotate

    turned = rotate(images.pixels, degrees, axes=(2, 1), reshape=False, order=1)
    return Images(np.asarray(turned, dtype=np.float64), images.labels)


def split(
    labels: NDArray[np.int64], share: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of a training and a held-out part, each class divided alike.

    Parameters
    ----------
    share : of every class that is for training, in (0, 1); where a class has two, both parts get one.
    """
    first, second = [], []
    for label in np.unique(labels):
        places = rng.permutation(np.flatnonzero(labels == label))
        at = min(max(1, round(share * len(places))), max(1, len(places) - 1))
        first.append(places[:at])
        second.append(places[at:])
    return rng.permutation(np.concatenate(first)), rng.permutation(np.concatenate(second))
