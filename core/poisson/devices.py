"""Where tensors lie: on the CPU or on a CUDA device; known without loading torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import InputError
from core.registry import param

if TYPE_CHECKING:
    import torch

DEVICES = {"auto": "CUDA if there is a device", "cpu": "CPU", "cuda": "CUDA"}


def device_param(doc: str, *, advanced: bool = False) -> str:
    """Declare where to compute."""
    declared: str = param("auto", choices=DEVICES, doc=doc, advanced=advanced)
    return declared


def device_of(name: str) -> torch.device:
    """Return the device that a parameter names.

    Parameters
    ----------
    name : "cpu", "cuda" or "auto": CUDA where there is a device.

    Raises
    ------
    InputError
        If CUDA is asked for and there is none.
    """
    import torch

    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise InputError(
            "device", "a CUDA device that torch finds", "none",
            "choose cpu, or install a CUDA build of torch where there is such a device",
        )  # fmt: skip
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")
