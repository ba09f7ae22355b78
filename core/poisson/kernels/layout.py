"""How fields lie in memory, the types of their arrays, and how the kernels are compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.linalg.compiled import Kernels

Bytes = NDArray[np.uint8]
Single = NDArray[np.float32]
Index = NDArray[np.int64]

#: The same types in signatures.
VALUES, BYTES, SINGLES, INDICES = "float64[::1]", "uint8[::1]", "float32[::1]", "int64[::1]"

#: Cells that a fused pass treats at a time where planes are smaller: its vectors stay in the cache.
CHUNK = 4096

# Sums may be reordered so that they vectorise: the same machine still gives the same bits. NaN and infinity
# keep their meaning.
_OPTIONS: dict[str, Any] = {
    "nogil": True, "fastmath": {"contract", "nsz", "reassoc"}, "error_model": "numpy",
}  # fmt: skip

COMPILED = Kernels(_OPTIONS)
#: Decorator of a function with a fixed signature that Python calls.
kernel = COMPILED.add
