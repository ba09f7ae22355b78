"""TrAct: the first layer's outputs take the gradient step, whatever the contrast of the inputs.

Petersen et al. 2024. The torch layers stand in `core.optimizers.optim.tract`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Iterate
from core.optimizers.explanation import Line, Number
from core.optimizers.first_layer import inputs_and_gradient, of_first_layer, rows_of_step, second_moment
from core.optimizers.landscape import Landscape
from core.optimizers.network_descent import BatchGradients, train
from core.optimizers.panels import Panel, Points
from core.optimizers.steps import SCALARS
from core.optimizers.training import Training
from core.optimizers.wrapped import Wrapper
from core.registry import method, param
from core.trace import TraceView

if TYPE_CHECKING:
    from core.optimizers.networks import FirstLayer


def __getattr__(name: str) -> Any:
    if name in ("TrActLinear", "TrActConv2d"):
        from core.optimizers.optim import tract

        return getattr(tract, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@method(
    "tract",
    lab="optimizers",
    title="TrAct",
    source="Petersen, Borgelt & Ermon 2024, TrAct: Making First-layer Pre-Activations Trainable, NeurIPS",
    assumes="a network whose first layer is linear or a convolution, with standardised inputs",
    example="digits_mlp",
    scalars=SCALARS,
    colour=39,
    kind="training",
    order=15,
)
@dataclass(frozen=True)
class Tract(Wrapper):
    """∇W ← ∇_zL xᵀ (x xᵀ/b + λ I)⁻¹ in the first layer; any optimizer then uses it as it would the gradient.

    A plain gradient moves the outputs for a bright image more than for a dim one. This one is the ridge
    regression of equal steps on the inputs. Values are not changed, nor is where training can come to rest.
    """

    ridge: float = param(
        0.1, low=0.00625, high=1.6, log=True, label="λ", doc="ridge: large values give the plain gradient"
    )

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the parameters of the training; see `core.optimizers.network_descent.train`.

        Raises
        ------
        ValueError
            On a landscape, or a network without such a layer.
        """
        if not isinstance(problem, Training) or not problem.network.has_first_layer:
            raise ValueError(
                "TrAct changes the gradient of a network's first linear or convolutional layer, and there is "
                "none here; take digits_mlp, digits_cnn or table"
            )
        return train(self.inner(), problem, BatchGradients(problem, self.first_layer()))

    def explain_gradient(self, training: Training, x: NDArray[Any], k: int) -> Iterator[Line]:
        """Yield how the first row of the layer's gradient comes from the plain one in step k.

        Nothing of a convolution, whose inputs are patches.
        """
        if len(training.tensor_shapes[0]) != 2:
            return
        inputs, plain = inputs_and_gradient(training, x, rows_of_step(training, k))
        moment = inputs.T @ inputs / len(inputs)
        value = np.linalg.solve(moment + self.ridge * np.eye(len(moment)), plain[0])
        numbers: dict[str, Number] = {"moment": moment, "ridge": self.ridge, "plain": plain[0]}
        template = r"\left(<moment> + <ridge> I\right)^{-1} <plain>"
        yield Line("g", template, numbers, value, "TrAct's gradient from the plain one")

    def first_layer(self) -> FirstLayer:
        """Return the layer whose gradient is TrAct's."""
        from core.optimizers.optim.tract import TrActLayers

        return TrActLayers(self.ridge)

    def compares(self, method: Any, problem: Landscape, view: TraceView, k: int) -> Iterator[Panel]:
        """Yield what a step on the first layer does, by TrAct's gradient and by the plain one."""
        if not isinstance(problem, Training) or not problem.network.has_first_layer:
            return
        layers: dict[str, FirstLayer | None] = {"plain gradient": None}
        if isinstance(method, Tract):
            layers = {f"λ = {method.ridge:g}": method.first_layer(), **layers}
        yield from of_first_layer(problem, view, k, layers)
        if isinstance(method, Tract):
            yield _second_moment(problem, method.ridge)


def _second_moment(training: Training, ridge: float) -> Points:
    """Return the inputs' second moment, whose small eigenvalues λ keeps from being divided by."""
    values = second_moment(training)
    above = int((values > ridge).sum())
    return Points(
        "second_moment", "Eigenvalues of xxᵀ/b, and λ", np.arange(1.0, len(values) + 1),
        np.where(values > 0, values, np.nan), "number", "eigenvalue", log_y=True, level=ridge,
        words=f"{above} of {len(values)} directions of a batch's inputs are above the line λ = {ridge:g}: "
        "there TrAct undoes the inputs' scale; below, it is the plain gradient over λ.",
    )  # fmt: skip
