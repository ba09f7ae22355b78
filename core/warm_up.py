"""First calls are slow (imports, compiled code from the cache); make them before a user does."""

from __future__ import annotations

import gc
from importlib import import_module
from importlib.util import find_spec

from core import registry
from core.iterate import Preparation
from core.recipe import make
from core.run import Run


def warm_up() -> None:
    """Import every lab and run each of its own solvers once on its example problem.

    Peers are left out: they load other people's libraries, which stay unloaded until somebody asks for them.

    Notes
    -----
    What stands afterwards is exempt from garbage collection: a collection of everything that torch and the
    others have made holds up all threads for a quarter of a second.
    """
    for lab in registry.labs():
        for spec in registry.methods(lab.key):
            if spec.kind == "solver" and not getattr(spec.cls, "is_peer", False):
                few = {"steps": 2} if any(p.name == "steps" for p in spec.parameters) else {}
                Run([make(lab.key, spec.example, spec.key, method_params=few)]).inline()
    gc.collect()
    gc.freeze()


def kernel_loading(lab: str) -> Preparation[None]:
    """Compile a lab's kernels or load them from the cache; a lab without ``kernels`` has nothing to load."""
    if lab in registry.LABS and find_spec(f"core.{lab}.kernels") is not None:
        yield from import_module(f"core.{lab}.kernels").COMPILED.compile_all()
