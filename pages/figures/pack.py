"""The one byte container of all live components, and the thinning of long curves.

Layout: ``uint32 header length | JSON header, padded with spaces | raw little-endian arrays``. The header's
end and each array's start are multiples of eight bytes. ``assets/pack.js`` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

#: Container name of each dtype that the browser has a typed array for.
DTYPES = {
    "f4": np.dtype("<f4"),
    "f8": np.dtype("<f8"),
    "u1": np.dtype("u1"),
    "u2": np.dtype("<u2"),
    "u4": np.dtype("<u4"),
    "i1": np.dtype("i1"),
    "i2": np.dtype("<i2"),
    "i4": np.dtype("<i4"),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_ALIGN = 8


def pack(arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any] | None = None) -> bytes:
    """Encode named arrays and a JSON-serialisable mapping into one message.

    Parameters
    ----------
    arrays : arrays of any shape whose dtype is one of `DTYPES`; bool counts as u1.
    meta : plain values; NaN and infinities become null.

    Raises
    ------
    ValueError
        If an array's dtype has no counterpart in the browser.
    """
    entries, blocks, offset = [], [], 0
    for name, values in arrays.items():
        array = np.ascontiguousarray(values)
        if array.dtype == np.bool_:
            array = array.view(np.uint8)
        code = _NAMES.get(array.dtype.newbyteorder("<"))
        if code is None:
            raise ValueError(
                f"array {name!r} has dtype {array.dtype}; the container takes {', '.join(DTYPES)}"
            )
        block = array.astype(DTYPES[code], copy=False).tobytes()
        entries.append({"name": name, "dtype": code, "shape": np.shape(values), "offset": offset})
        blocks.append(block + b"\0" * (-len(block) % _ALIGN))
        offset += len(blocks[-1])
    header = orjson.dumps({"meta": dict(meta or {}), "arrays": entries}, option=orjson.OPT_SERIALIZE_NUMPY)
    header += b" " * (-(len(header) + 4) % _ALIGN)
    return b"".join([len(header).to_bytes(4, "little"), header, *blocks])


def unpack(payload: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Decode `pack`: the arrays by name, read-only, and the meta mapping."""
    length = int.from_bytes(payload[:4], "little")
    header = orjson.loads(payload[4 : 4 + length])
    arrays = {}
    for entry in header["arrays"]:
        count = int(np.prod(entry["shape"], dtype=np.int64))
        start = 4 + length + entry["offset"]
        flat = np.frombuffer(payload, DTYPES[entry["dtype"]], count, start)
        arrays[entry["name"]] = flat.reshape(entry["shape"])
    return arrays, header["meta"]


def pack_figure(figure: Mapping[str, Any], meta: Mapping[str, Any]) -> bytes:
    """Encode a figure ``{"data": [...], "layout": {...}}`` with its numpy arrays as raw blocks.

    One-dimensional float arrays travel as float32, integers as int32; the browser puts them back where they
    stood. Two-dimensional arrays (heatmaps) become lists of row blocks, which is what Plotly takes for `z`.
    """
    arrays: dict[str, NDArray[Any]] = {}

    def replace(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            if value.ndim == 2:
                return [replace(row) for row in value]
            name = str(len(arrays))
            arrays[name] = _display(value)
            return {"$array": name}
        if isinstance(value, Mapping):
            return {key: replace(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [replace(item) for item in value]
        return value

    spec = {"data": replace(figure.get("data", [])), "layout": replace(figure.get("layout", {}))}
    return pack(arrays, {**meta, "figure": spec})


def _display(values: NDArray[Any]) -> NDArray[Any]:
    """Cast to what a screen needs: float32, or int32 for integers and booleans that fit."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(np.float32)
    if values.dtype.kind not in "iub":
        raise ValueError(f"a figure's array must be numeric, found dtype {values.dtype}")
    if values.size and int(values.max()) >= 2**31:
        return values.astype(np.float64)
    return values.astype(np.int32)


def decimate(
    x: NDArray[Any], y: NDArray[Any], limit: int = 600, *, exact: int = 200, log_x: bool = False
) -> NDArray[np.int64]:
    """Choose at most `limit` samples of a curve so that it looks the same.

    The first `exact` samples and the last one are kept; the others fall into equal buckets of x (of log x on
    a logarithmic axis) and each bucket keeps its smallest and largest y. So the extremes of the curve stay.

    Parameters
    ----------
    x : (N,) ascending positions.
    y : (N,) values; NaN marks a gap and is never an extreme.

    Returns
    -------
    (M,) ascending indices, M <= limit, unless N <= limit: then all of them.
    """
    n = len(x)
    if n <= limit:
        return np.arange(n, dtype=np.int64)
    exact = min(exact, limit - 3)
    rest = np.arange(exact, n - 1)
    position = np.asarray(x, np.float64)[rest]
    if log_x:
        position = np.log(np.maximum(position, np.finfo(float).tiny))
    buckets = (limit - exact - 1) // 2
    span = position[-1] - position[0]
    bucket = np.zeros(len(rest), np.int64)
    if span > 0:
        bucket = np.minimum(((position - position[0]) / span * buckets).astype(np.int64), buckets - 1)
    values = np.asarray(y, np.float64)[rest]
    first = np.flatnonzero(np.r_[True, bucket[1:] != bucket[:-1]])
    low = _bucket_extreme(np.where(np.isnan(values), np.inf, values), bucket, first)
    high = _bucket_extreme(np.where(np.isnan(values), np.inf, -values), bucket, first)
    kept = np.concatenate([np.arange(exact), rest[low], rest[high], [n - 1]])
    return np.unique(kept).astype(np.int64)


def _bucket_extreme(
    values: NDArray[np.float64], bucket: NDArray[np.int64], first: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Index of the smallest value in each run of equal bucket numbers."""
    order = np.lexsort((values, bucket))
    return order[first]
