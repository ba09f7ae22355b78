"""Conjugate gradients on tensors, with and without multigrid: for grids that a GPU holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.iterate import Iterate, Preparation, Progress
from core.poisson.devices import device_of, device_param
from core.poisson.krylov import SCALARS, conjugate_gradients
from core.poisson.levels import MultigridParameters
from core.poisson.monitor import limit_param, rtol_param
from core.poisson.multigrid import build
from core.poisson.preconditioners import on_grid
from core.poisson.system import LinearSystem
from core.registry import inherited, method

if TYPE_CHECKING:
    from core.poisson.tensors import TensorMultigrid, TensorSystem

SOURCE = "PyTorch: Ansel et al. 2024, PyTorch 2, ASPLOS, as the engine"


@method(
    "torch_cg",
    lab="poisson",
    title="CG on tensors (CPU or CUDA)",
    source=f"Hestenes & Stiefel 1952; {SOURCE}",
    assumes="a grid",
    example="disc",
    scalars=SCALARS,
    colour=24,
    order=200,
)
@dataclass(frozen=True)
class TorchCg:
    """The conjugate gradients of this lab with all vectors on a device.

    Notes
    -----
    The same steps as ``cg`` up to the order in which products are summed. The operator is never assembled:
    it is a sum of shifted slices. Only inner products come back to the host. Seconds are those of the clock,
    because a device's work is no time of the CPU.

    References
    ----------
    Hestenes & Stiefel 1952, Sec. 3.
    """

    computes_elsewhere: ClassVar[bool] = True
    rtol: float = rtol_param()
    max_iterations: int = limit_param()
    device: str = device_param("where the vectors lie and the work is done")

    def prepare(self, problem: LinearSystem) -> Preparation[TensorSystem]:
        """Copy the system to the device."""
        return (yield from _on_device(problem, self.device))

    def iterate(self, problem: TensorSystem) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return conjugate_gradients(problem, None, rtol=self.rtol, max_iterations=self.max_iterations)


@method(
    "torch_multigrid_pcg",
    lab="poisson",
    title="Multigrid CG on tensors (CPU or CUDA)",
    source=f"McAdams, Sifakis & Teran 2010, SCA; {SOURCE}",
    assumes="a grid; walls thicker than a cell, or coarse grids do not see them",
    example="disc",
    scalars=SCALARS,
    colour=25,
    order=210,
)
@dataclass(frozen=True)
class TorchMultigridPcg:
    """``multigrid_pcg`` with its V-cycle of Jacobi sweeps on a device.

    Notes
    -----
    The hierarchy is made on the host and copied; cycles work in float32, CG in float64. On a CPU the compiled
    cycle of ``multigrid_pcg`` is the faster one: it passes over the memory once for each sweep, where tensors
    need a pass for each neighbour. Seconds are those of the clock.

    References
    ----------
    See `core.poisson.multigrid`.
    """

    computes_elsewhere: ClassVar[bool] = True
    rtol: float = rtol_param()
    max_iterations: int = limit_param()
    device: str = device_param("where the vectors lie and the work is done")
    coarse: str = inherited(MultigridParameters, "coarse")
    nu: int = inherited(MultigridParameters, "nu")
    omega: float = inherited(MultigridParameters, "omega")

    def prepare(self, problem: LinearSystem) -> Preparation[TensorMultigrid]:
        """Build the hierarchy and copy it to the device."""
        system = yield from _on_device(problem, self.device)
        settings = MultigridParameters(coarse=self.coarse, nu=self.nu, omega=self.omega)
        hierarchy = yield from build(system.host, settings)
        from core.poisson.tensors import TensorMultigrid

        return TensorMultigrid(system, hierarchy)

    def iterate(self, problem: TensorMultigrid) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return conjugate_gradients(
            problem.system, problem, rtol=self.rtol, max_iterations=self.max_iterations
        )


def _on_device(problem: LinearSystem, device: str) -> Preparation[TensorSystem]:
    system = on_grid(problem, "the tensor engine")
    yield Progress("copying the grid to the device")
    from core.poisson.tensors import TensorSystem

    return TensorSystem(system, device_of(device))
