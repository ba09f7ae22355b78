"""Types of the arrays that kernels take, as the type checker and as numba write them.

All arrays are C-contiguous, writable float64 or int64, but for the lists of neighbours;
`core.registration.correspondences` sees to that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]
Rows = NDArray[np.int32]
Gaps = NDArray[np.float32]

POINTS, VALUES, INDICES = "float64[:,::1]", "float64[::1]", "int64[::1]"
ROWS, GAPS = "int32[:,::1]", "float32[:,::1]"
#: Points in leaf order, order, split axis, split value, leaf start: see `build_tree`.
TREE = f"{POINTS}, {INDICES}, {INDICES}, {VALUES}, {INDICES}"

# An unsigned index is not tested for being negative; it mixes with unsigned constants only.
U0, U1, U2 = np.uint64(0), np.uint64(1), np.uint64(2)
