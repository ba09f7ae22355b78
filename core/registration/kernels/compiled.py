"""How the kernels of registration are compiled."""

from __future__ import annotations

from typing import Any

import numba

from core.linalg.compiled import Kernels

# Contracted multiply-adds give 8 to 20 %; full fastmath would break the tests for NaN.
_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": {"contract", "nsz"}, "error_model": "numpy"}

COMPILED = Kernels(_OPTIONS)
#: Decorator of a function with a fixed signature that Python calls.
kernel = COMPILED.add
#: Decorator of a function that kernels call. Inlined: a copy that kernels share would be whichever of them
#: was compiled or loaded first, and results would depend in the last bits on what else a process has run.
kernel_part = numba.njit(forceinline=True, **_OPTIONS)
