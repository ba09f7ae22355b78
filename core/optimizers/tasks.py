"""The training tasks: digits by two networks, digits turned by four angles, the next character of a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.iterate import Array, Preparation, Progress
from core.optimizers import digits
from core.optimizers.training import TRAINING_SCALARS, Target, Training, network_training
from core.registry import inherited, param, problem

if TYPE_CHECKING:
    from torch import Tensor

    from core.optimizers.networks import Network

SCHEDULES = {
    "constant": "constant rate",
    "cosine": "cosine down to 0",
    "warmup": "a tenth of the steps up, then cosine",
}
#: Share of the samples that is trained on.
TRAIN_SHARE = 0.7
#: Characters of the text, of a sample, and samples that a measurement looks at.
CHARACTERS, CONTEXT, MEASURED_TEXTS = 300_000, 32, 128
#: Angles of the four sources of `RotatedDigits` [degrees].
ANGLES = (-45.0, -15.0, 15.0, 45.0)
IMAGE = (digits.SIDE, digits.SIDE)
DIGIT = Target("digit", tuple("0123456789"))


#: (inputs, targets) of the samples to train on and of those held out.
Parts = tuple[tuple["Tensor", "Tensor"], tuple["Tensor", "Tensor"]]


@dataclass(frozen=True)
class Batches:
    """How samples are taken and how often the network is measured."""

    batch: int = param(64, low=0, high=2048, doc="samples of a step; 0 = all of them")
    schedule: str = param("constant", choices=SCHEDULES, doc="course of the learning rate")
    clip: float = param(
        0.0, low=0.0, high=100.0, advanced=True, doc="the gradient's norm is cut to this; 0 = never"
    )
    evaluate_every: int = param(10, low=1, high=1000, doc="steps between two looks at the held-out data")

    def settings(self) -> dict[str, Any]:
        """Return these as attributes of a training."""
        names = ("batch", "schedule", "clip", "evaluate_every")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Digits(Batches):
    """What both networks are shown."""

    images: str = param(
        "drawn",
        choices={"drawn": "drawn strokes", "handwritten": "handwritten (needs scikit-learn)"},
        doc="drawn from the seed, or the 1797 handwritten ones of the UCI repository",
    )
    light: str = param(
        "even",
        choices={"even": "alike", "uneven": "contrast and brightness of each image its own"},
        doc="how the images are lit",
    )
    contrast: float = param(
        0.1, low=0.01, high=1.0, log=True, label="lowest contrast",
        doc="of an image in uneven light; the highest is 1",
    )  # fmt: skip
    brightness: float = param(
        0.5,
        low=0.0,
        high=2.0,
        label="highest brightness",
        doc="added to an image in uneven light; the lowest is 0",
    )
    label_noise: float = param(
        0.0, low=0.0, high=0.9, advanced=True, doc="share of the training labels that are drawn anew"
    )

    def data(self, seed: int, flat: bool) -> Parts:
        """Return both parts, standardised by the training images' mean and deviation.

        Parameters
        ----------
        seed : of images, light, division and wrong labels.
        flat : whether an image is a vector rather than a plane.
        """
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        images = images_of(self.images, rng)
        if self.light == "uneven":
            images = digits.with_uneven_light(images, rng, self.contrast, self.brightness)
        train, held_out = digits.split(images.labels, TRAIN_SHARE, rng)
        labels = images.labels.copy()
        wrong = train[rng.random(len(train)) < self.label_noise]
        labels[wrong] = rng.integers(0, 10, len(wrong))
        pixels = standardised(images.pixels, train)
        shape = (-1, 64) if flat else (-1, 1, 8, 8)
        return parts(pixels.reshape(shape), labels, train, held_out)


def images_of(source: str, rng: np.random.Generator) -> digits.Images:
    """Return the images that the parameter `images` names."""
    return digits.draw(rng) if source == "drawn" else digits.handwritten()


def standardised(values: Array, train: NDArray[np.int64]) -> Array:
    """Return values less the training part's mean, over its standard deviation."""
    return np.asarray((values - values[train].mean()) / values[train].std())


def parts(
    inputs: NDArray[Any], targets: NDArray[Any], train: NDArray[np.int64], held_out: NDArray[np.int64]
) -> Parts:
    """Return (inputs, targets) of both parts as tensors; floating-point ones in single precision."""
    import torch

    def tensor(array: NDArray[Any]) -> Tensor:
        values = np.ascontiguousarray(array)
        return torch.from_numpy(values.astype(np.float32) if values.dtype.kind == "f" else values)

    first, second = ((tensor(inputs[places]), tensor(targets[places])) for places in (train, held_out))
    return first, second


def classification(network: Network, data: Parts, seed: int, classes: int, **settings: Any) -> Training:
    """Return the training of a network by cross entropy."""
    from core.optimizers.networks import cross_entropy

    return network_training(network, cross_entropy, *data, seed, classes=classes, **settings)


@problem(
    "digits_mlp", lab="optimizers", title="Digits, two hidden layers", kind="training", order=70,
    scalars=TRAINING_SCALARS,
)  # fmt: skip
@dataclass(frozen=True)
class DigitsMlp(Digits):
    """A network of linear layers learns ten digits of 8 × 8 pixels: 1257 to train, 540 held out."""

    width: int = param(64, low=2, high=256, doc="units of a hidden layer")
    depth: int = param(2, low=1, high=4, doc="hidden layers")
    activation: str = param("relu", choices=("relu", "tanh"), doc="activation between the layers")

    def build(self, seed: int) -> Preparation[Training]:
        """Make images and first weights from the seed."""
        yield Progress("loading torch")
        from core.optimizers.networks import mlp

        yield Progress("making the images")
        network = mlp([64, *[self.width] * self.depth, 10], self.activation)
        data = self.data(seed, flat=True)
        return classification(network, data, seed, 10, target=DIGIT, image=IMAGE, **self.settings())


@problem(
    "digits_cnn", lab="optimizers", title="Digits, convolutions with batch normalisation", kind="training",
    order=71, scalars=TRAINING_SCALARS,
)  # fmt: skip
@dataclass(frozen=True)
class DigitsCnn(Digits):
    """Three convolutions, each followed by batch normalisation: their weights only have a direction.

    A network that is measured normalises by the statistics of the samples that it is measured on.
    """

    def build(self, seed: int) -> Preparation[Training]:
        """Make images and first weights from the seed."""
        yield Progress("loading torch")
        from core.optimizers.networks import cnn

        yield Progress("making the images")
        data = self.data(seed, flat=False)
        return classification(cnn(), data, seed, 10, target=DIGIT, image=IMAGE, **self.settings())


@problem(
    "rotated_digits", lab="optimizers", title="Digits from four sources", kind="training", order=72,
    scalars=TRAINING_SCALARS,
)  # fmt: skip
@dataclass(frozen=True)
class RotatedDigits(Batches):
    """Each training image is turned by one of four angles, its source; those held out are upright."""

    images: str = inherited(Digits, "images")

    def build(self, seed: int) -> Preparation[Training]:
        """Make images, sources and first weights from the seed."""
        yield Progress("loading torch")
        from core.optimizers.networks import mlp

        yield Progress("making the images")
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        images = images_of(self.images, rng)
        train, held_out = digits.split(images.labels, TRAIN_SHARE, rng)
        domains = np.arange(len(train), dtype=np.int64) % len(ANGLES)
        pixels = images.pixels.copy()
        for i, angle in enumerate(ANGLES):
            yield Progress("turning the images", i, len(ANGLES))
            chosen = train[domains == i]
            pixels[chosen] = digits.rotated(
                digits.Images(images.pixels[chosen], images.labels[chosen]), angle
            ).pixels
        data = parts(standardised(pixels, train).reshape(-1, 64), images.labels, train, held_out)
        network = mlp([64, 48, 10], "tanh")
        names = tuple(f"{angle:+.0f}°".replace("-", "−") for angle in ANGLES)
        return classification(
            network,
            data,
            seed,
            10,
            domains=domains,
            domain_names=names,
            target=DIGIT,
            image=IMAGE,
            **self.settings(),
        )


@problem(
    "char_lm", lab="optimizers", title="The next character of a text", kind="training", order=74,
    scalars=TRAINING_SCALARS,
)  # fmt: skip
@dataclass(frozen=True)
class CharLm(Batches):
    """A transformer of two layers reads 32 characters of Python's own help texts and guesses the next ones.

    The texts differ between versions of Python, and so do the losses. Measured is on the first 128 pieces of
    either part.
    """

    batch: int = param(16, low=1, high=256, doc="pieces of text of a step")
    schedule: str = inherited(Batches, "schedule", default="warmup")
    clip: float = inherited(Batches, "clip", default=1.0, advanced=False)
    evaluate_every: int = inherited(Batches, "evaluate_every", default=20)
    width: int = param(64, low=8, high=256, doc="numbers that stand for a character; a multiple of 4")

    def __post_init__(self) -> None:
        if self.width % 4:
            raise InputError("width", "a multiple of the 4 heads", str(self.width))

    def build(self, seed: int) -> Preparation[Training]:
        """Cut the text into pieces, the last tenth held out; first weights from the seed."""
        yield Progress("loading torch")
        from core.optimizers.networks import transformer

        yield Progress("reading the text")
        codes, characters = text_codes()
        pieces = (len(codes) - 1) // CONTEXT
        inputs = codes[: pieces * CONTEXT].reshape(pieces, CONTEXT)
        targets = codes[1 : pieces * CONTEXT + 1].reshape(pieces, CONTEXT)
        at = round(0.9 * pieces)
        train, held_out = np.arange(at), np.arange(at, min(pieces, at + MEASURED_TEXTS))
        network = transformer(len(characters), CONTEXT, self.width)
        data = parts(inputs, targets, train, held_out)
        return classification(
            network, data, seed, len(characters), measured=MEASURED_TEXTS,
            target=Target("character", characters), **self.settings(),
        )  # fmt: skip


@problem(
    "dp_regression", lab="optimizers", title="Regression on samples that stay private", kind="training",
    order=75, scalars=TRAINING_SCALARS,
)  # fmt: skip
@dataclass(frozen=True)
class DpRegression:
    """Ten tanh units learn sin x₁ + ½x₂x₃ + 0.3x₄ from 8 inputs, all samples in a round: 101 parameters."""

    samples: int = param(2000, low=20, high=20_000, log=True, label="N", doc="samples to train on")
    evaluate_every: int = param(10, low=1, high=1000, doc="rounds between two looks at the held-out data")

    def build(self, seed: int) -> Preparation[Training]:
        """Draw samples and first weights from the seed; half as many more are held out."""
        yield Progress("loading torch")
        from core.optimizers.networks import half_squared_error, mlp

        rng = np.random.default_rng(np.random.SeedSequence(seed))
        count = self.samples + max(1, self.samples // 2)
        x = rng.standard_normal((count, 8))
        y = np.sin(x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + 0.3 * x[:, 3]
        train, held_out = np.arange(self.samples), np.arange(self.samples, count)
        y = (y - y[train].mean()) / y[train].std() + 0.1 * rng.standard_normal(count)
        data = parts(x, y, train, held_out)
        return network_training(
            mlp([8, 10, 1], "tanh"), half_squared_error, *data, seed, batch=0,
            evaluate_every=self.evaluate_every,
        )  # fmt: skip


def text_codes() -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return Python's help texts as numbers of characters, and the characters."""
    from pydoc_data.topics import topics

    text = "\n".join(topics[name] for name in sorted(topics))[:CHARACTERS]
    known = sorted(set(text))
    code = {character: i for i, character in enumerate(known)}
    return np.array([code[character] for character in text], dtype=np.int64), tuple(known)
