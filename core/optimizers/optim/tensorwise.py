"""The step that our optimizers share: tensor by tensor on a CPU, all tensors at once on a GPU."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from core.optimizers.optim.fused import can_do, kernels_for

#: Elements of a block: a few megabytes, so that temporaries stay in the cache between operations.
BLOCK = 2**19
#: The same for compiled kernels, which have less between them.
PIECE = 2**16


class TensorwiseOptimizer(Optimizer):
    """An optimizer that treats each tensor apart; a subclass says how in `_step_tensor`.

    On the CPU a plain loop over tensors with scratch buffers is faster than torch's ``foreach`` kernels,
    whose temporaries are as large as the model. On one thread most of the time goes into passing over the
    memory once for each operation: there compiled kernels do several operations in a pass. On a GPU launching
    a kernel per tensor takes longer than what it computes: there `_step_together` does all tensors that are
    alike in as many launches as one takes.
    """

    #: Names of the buffers in the state of a tensor; zeros at first.
    _buffers: tuple[str, ...] = ()
    #: Whether there is a `_step_compiled`.
    _has_kernels = False

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        self._scratch = Scratch()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickle or copy; scratch buffers are not part of it."""
        super().__setstate__(state)
        self._scratch = Scratch()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Do one step; returns the closure's loss, if there is one.

        Raises
        ------
        RuntimeError
            For a sparse gradient.
        ValueError
            For a complex parameter.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group([p for p in group["params"] if p.grad is not None and self._takes(p)], group)
        return loss

    def _takes(self, p: Tensor) -> bool:
        """Return whether there is something to do for `p`; refuses what cannot be done."""
        if p.grad is not None and p.grad.is_sparse:
            raise RuntimeError(f"{type(self).__name__} takes no sparse gradients; use torch.optim.SparseAdam")
        if p.is_complex():
            raise ValueError(f"{type(self).__name__} takes no complex parameters (shape {tuple(p.shape)})")
        return p.numel() > 0

    def _step_group(self, params: list[Tensor], group: dict[str, Any]) -> None:
        together: defaultdict[tuple[Any, ...], list[Tensor]] = defaultdict(list)
        kernels = kernels_for(params) if self._has_kernels else None
        for p in params:
            assert p.grad is not None
            self._begin(p)
            if self._goes_together(p):
                together[p.device, p.dtype, self.state[p]["step"]].append(p)
            elif kernels is not None and can_do(
                (p, p.grad, *(self.state[p][name] for name in self._buffers))
            ):
                self._step_compiled(p, p.grad, group, kernels)
                # so that a backward pass through the old values is refused, as after torch's operations
                torch.autograd.graph.increment_version(p)
            else:
                self._step_tensor(p, p.grad, group)
        for alike in together.values():
            self._step_together(alike, [p.grad for p in alike if p.grad is not None], group)

    def _begin(self, p: Tensor) -> None:
        """Count the step of a tensor; its state is made at the first one."""
        state = self.state[p]
        if not state:
            for name in self._buffers:
                state[name] = torch.zeros_like(p, memory_format=torch.preserve_format)
        # other packages do not count where they need not, and a state may be theirs
        state["step"] = state.get("step", 0) + 1

    def _goes_together(self, p: Tensor) -> bool:
        return p.device.type == "cuda"

    def _step_tensor(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        """Update the tensor `p` of a group by its gradient `g`, which must stay as it is."""
        raise NotImplementedError

    def _step_compiled(self, p: Tensor, g: Tensor, group: dict[str, Any], kernels: Any) -> None:
        """Do what `_step_tensor` does, to the bit, in as few passes over the memory as one can."""
        raise NotImplementedError

    def _step_together(self, params: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> None:
        """Update tensors that share device, dtype and number of steps; gradients must stay as they are."""
        for p, g in zip(params, gradients, strict=True):
            self._step_tensor(p, g, group)


def flat(tensor: Tensor) -> Any:
    """Return the numbers of a tensor that `can_do` takes, (n,), in the same memory."""
    return tensor.detach().view(-1).numpy()


def pieces(tensor: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Cut a flat tensor where it stays in the cache from one compiled kernel to the next."""
    parts = torch.split(tensor.view(-1), PIECE)
    for i, part in enumerate(parts):
        yield slice(i * PIECE, i * PIECE + len(part)), part


def blocks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Split tensors of one shape into blocks that stay in the cache; for elementwise arithmetic.

    Which elements are done together does not change a bit of the result. Tensors that are not laid out
    alike, and small ones, come whole. With several threads a block is as many times larger.
    """
    size = BLOCK * torch.get_num_threads()
    if tensors[0].numel() <= size or not all(t.is_contiguous() for t in tensors):
        yield tensors
        return
    yield from zip(*(torch.split(t.view(-1), size) for t in tensors), strict=True)


class Scratch:
    """Buffers that live as long as the optimizer and are shared by its parameters, one step at a time."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[int, torch.dtype, torch.device], Tensor] = {}
        self._views: dict[tuple[int, torch.dtype, torch.device, torch.Size], Tensor] = {}
        self._together: dict[int, tuple[list[Tensor], list[Tensor]]] = {}

    def all_like(self, tensors: list[Tensor]) -> list[Tensor]:
        """Return an uninitialised buffer for each tensor; the same ones while the tensors are the same."""
        # the tensors are kept beside their buffers, so that none can take another one's place in memory
        known, buffers = self._together.get(id(tensors[0]), ([], []))
        if len(known) != len(tensors) or any(a is not b for a, b in zip(known, tensors, strict=True)):
            buffers = [torch.empty_like(t) for t in tensors]
            self._together[id(tensors[0])] = (tensors, buffers)
        return buffers

    def like(self, tensor: Tensor, slot: int) -> Tensor:
        """Return an uninitialised buffer of the tensor's shape; the same memory at every call."""
        key = (slot, tensor.dtype, tensor.device)
        view = self._views.get((*key, tensor.shape))
        if view is None:
            buffer = self._buffers.get(key)
            if buffer is None or buffer.numel() < tensor.numel():
                buffer = torch.empty(tensor.numel(), dtype=tensor.dtype, device=tensor.device)
                self._buffers[key] = buffer
                # those of the smaller buffer would keep it alive
                self._views = {k: v for k, v in self._views.items() if k[:3] != key}
            view = self._views[*key, tensor.shape] = buffer[: tensor.numel()].view(tensor.shape)
        return view
