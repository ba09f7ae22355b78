"""Types of the kernels' arrays and how they are compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

from core.linalg.compiled import Kernels

Single = NDArray[np.float32]
#: The same in signatures.
SINGLES = "float32[::1]"
ONE = np.float32(1.0)

# no reordering and no contraction: every rounding stands in the source
COMPILED = Kernels({"nogil": True, "error_model": "numpy"})
#: Decorator of a function with a fixed signature that Python calls.
kernel = COMPILED.add


def _fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return a(a, b, c), generate


#: fma(a, b, c) is a·b + c with one rounding.
fma: Any = intrinsic(_fma)
