"""Small networks as functions of a list of tensors, so that losses can be differentiated in every way.

No module holds parameters: gradients per sample, Hessian–vector products and whole surfaces are transforms of
the same function that is trained. Normalisation uses the statistics of the batch at hand, also when a network
is measured: the loss is a function of the parameters alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

from core.iterate import Array

Params = Sequence[Tensor]


class FirstLayer(Protocol):
    """How the first layer is applied; a method may give it another gradient, never another value."""

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return x Wᵀ + b."""
        ...

    def conv2d(self, x: Tensor, weight: Tensor, padding: int) -> Tensor:
        """Return the convolution with stride 1."""
        ...


class Plain:
    """The layers as torch has them."""

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return x Wᵀ + b."""
        return F.linear(x, weight, bias)

    def conv2d(self, x: Tensor, weight: Tensor, padding: int) -> Tensor:
        """Return the convolution with stride 1."""
        return F.conv2d(x, weight, padding=padding)


PLAIN = Plain()
Forward = Callable[[Params, Tensor, FirstLayer], Tensor]


@dataclass(frozen=True)
class Network:
    """A function of parameters and inputs.

    Attributes
    ----------
    names, shapes : of the parameters, in the order in which they are one flat vector.
    spreads : standard deviation of each one's first values; 0 = zeros, None = ones.
    forward : (parameters, inputs, first layer) → outputs.
    mixes_samples : whether an output depends on the other samples of the batch.
    has_first_layer : whether it begins with a linear layer or a convolution.
    scale_invariant : places of the parameters whose length is normalised away, each for itself.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    spreads: tuple[float | None, ...]
    forward: Forward
    mixes_samples: bool = False
    has_first_layer: bool = True
    scale_invariant: tuple[int, ...] = ()

    @property
    def n(self) -> int:
        """Number of parameters."""
        return sum(math.prod(shape) for shape in self.shapes)

    def initial(self, rng: np.random.Generator) -> Array:
        """Return a flat vector (n,) of first parameters."""
        parts = [
            np.ones(math.prod(shape)) if spread is None else spread * rng.standard_normal(math.prod(shape))
            for shape, spread in zip(self.shapes, self.spreads, strict=True)
        ]
        return np.concatenate(parts)

    def unflatten(self, flat: Tensor) -> list[Tensor]:
        """Return views of a flat vector, one a parameter."""
        parts = torch.split(flat, [math.prod(shape) for shape in self.shapes])
        return [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]


def mlp(sizes: Sequence[int], activation: str = "relu") -> Network:
    """Return a network of linear layers with an activation between them.

    Parameters
    ----------
    sizes : of inputs, hidden layers and outputs; two of them make a linear model.
    activation : ``relu`` or ``tanh``.
    """
    act: Callable[[Tensor], Tensor] = torch.relu if activation == "relu" else torch.tanh
    gain = 2.0 if activation == "relu" else 1.0
    names, shapes, spreads = [], [], list[float | None]()
    for i, (a, b) in enumerate(itertools.pairwise(sizes)):
        names += [f"weight {i + 1}", f"bias {i + 1}"]
        shapes += [(b, a), (b,)]
        is_last = i == len(sizes) - 2
        spreads += [0.0 if len(sizes) == 2 else math.sqrt((1.0 if is_last else gain) / a), 0.0]

    def forward(params: Params, x: Tensor, first: FirstLayer) -> Tensor:
        for i in range(0, len(params), 2):
            layer = first.linear if i == 0 else F.linear
            x = layer(x, params[i], params[i + 1])
            if i + 2 < len(params):
                x = act(x)
        return x

    return Network(tuple(names), tuple(shapes), tuple(spreads), forward)


def cnn(classes: int = 10) -> Network:
    """Return three 3 × 3 convolutions (16, 32 at stride 2, 32) without bias, each batch-normalised; a mean.

    The weights before a normalisation only have a direction: a convolution's length does not matter.
    """
    channels = (1, 16, 32, 32)
    names, shapes, spreads = [], list[tuple[int, ...]](), list[float | None]()
    for i, (a, b) in enumerate(itertools.pairwise(channels), 1):
        names += [f"convolution {i}", f"scale {i}", f"shift {i}"]
        shapes += [(b, a, 3, 3), (b,), (b,)]
        spreads += [math.sqrt(2.0 / (9 * a)), None, 0.0]
    names += ["weight", "bias"]
    shapes += [(classes, channels[-1]), (classes,)]
    spreads += [math.sqrt(1.0 / channels[-1]), 0.0]

    def forward(params: Params, x: Tensor, first: FirstLayer) -> Tensor:
        for i in range(3):
            w, scale, shift = params[3 * i : 3 * i + 3]
            x = first.conv2d(x, w, 1) if i == 0 else F.conv2d(x, w, stride=2 if i == 1 else 1, padding=1)
            x = torch.relu(F.batch_norm(x, None, None, scale, shift, training=True))
        return F.linear(x.mean(dim=(2, 3)), params[9], params[10])

    return Network(
        tuple(names), tuple(shapes), tuple(spreads), forward, mixes_samples=True, scale_invariant=(0, 3, 6)
    )


def transformer(vocabulary: int, context: int, width: int = 64, heads: int = 4, layers: int = 2) -> Network:
    """Return a decoder that normalises before each part, without biases, all first weights N(0, 0.02²)."""
    parts: list[tuple[str, tuple[int, ...], float | None]] = [
        ("tokens", (vocabulary, width), 0.02),
        ("positions", (context, width), 0.02),
    ]
    for i in range(1, layers + 1):
        parts += [
            (f"norm {i}a", (width,), None),
            (f"attention {i}", (3 * width, width), 0.02),
            (f"projection {i}", (width, width), 0.02),
            (f"norm {i}b", (width,), None),
            (f"expansion {i}", (4 * width, width), 0.02),
            (f"contraction {i}", (width, 4 * width), 0.02),
        ]
    parts += [("norm", (width,), None), ("head", (vocabulary, width), 0.02)]
    names, shapes, spreads = zip(*parts, strict=True)

    def forward(params: Params, x: Tensor, first: FirstLayer) -> Tensor:
        B, T = x.shape
        h = F.embedding(x, params[0]) + params[1][:T]
        for i in range(2, 2 + 6 * layers, 6):
            norm_a, qkv, projection, norm_b, up, down = params[i : i + 6]
            parts = F.linear(F.layer_norm(h, (width,), norm_a), qkv).view(B, T, 3, heads, width // heads)
            q, k, v = parts.permute(2, 0, 3, 1, 4)  # each (B, heads, T, width/heads)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            h = h + F.linear(mixed.transpose(1, 2).reshape(B, T, width), projection)
            h = h + F.linear(F.gelu(F.linear(F.layer_norm(h, (width,), norm_b), up)), down)
        return F.linear(F.layer_norm(h, (width,), params[-2]), params[-1])

    return Network(names, shapes, spreads, forward, has_first_layer=False)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross entropy (nats) of class scores (..., classes)."""
    return F.cross_entropy(outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1))


def half_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return half the mean squared error of outputs (N, 1)."""
    return 0.5 * ((outputs[..., 0] - targets) ** 2).mean()
