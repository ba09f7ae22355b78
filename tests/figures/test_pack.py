import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pages.figures.pack import DTYPES, decimate, pack, pack_figure, unpack


@pytest.mark.parametrize("code", DTYPES)
@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (3, 0), (5, 4, 4)])
def test_every_dtype_and_shape_survives_the_container(code, shape):
    rng = np.random.default_rng(3)
    values = (rng.random(shape) * 100).astype(DTYPES[code])
    arrays, meta = unpack(pack({"before": np.arange(3, dtype=np.uint8), "values": values}, {"rev": 4}))
    assert arrays["values"].dtype == DTYPES[code]
    np.testing.assert_array_equal(arrays["values"], values)
    np.testing.assert_array_equal(arrays["before"], [0, 1, 2])
    assert meta == {"rev": 4}


def test_the_layout_is_the_written_one():
    payload = pack({"a": np.array([1, 2, 3], np.uint8), "b": np.array([1.5])}, {"x": "é"})
    (length,) = struct.unpack("<I", payload[:4])
    header = json.loads(payload[4 : 4 + length])
    assert (4 + length) % 8 == 0
    assert [entry["offset"] % 8 for entry in header["arrays"]] == [0, 0]
    start = 4 + length + header["arrays"][1]["offset"]
    assert struct.unpack("<d", payload[start : start + 8]) == (1.5,)


def test_big_endian_strided_and_bool_arrays_are_sent_as_their_values():
    wide = np.arange(12, dtype=">f8").reshape(3, 4)
    arrays, _ = unpack(pack({"wide": wide[:, ::2], "mask": np.array([True, False])}))
    np.testing.assert_array_equal(arrays["wide"], [[0, 2], [4, 6], [8, 10]])
    np.testing.assert_array_equal(arrays["mask"], [1, 0])


def test_nan_in_the_meta_becomes_null_which_a_browser_can_read():
    _, meta = unpack(pack({}, {"limit": float("nan"), "numbers": np.array([1.0, 2.0])}))
    assert meta == {"limit": None, "numbers": [1.0, 2.0]}


def test_a_dtype_without_counterpart_is_refused():
    with pytest.raises(ValueError, match="'ids' has dtype int64"):
        pack({"ids": np.arange(3)})


def test_a_figure_carries_its_arrays_as_float32_and_int32():
    figure = {
        "data": [{"x": np.arange(3), "y": np.array([1e300, np.nan, 2.0]), "z": np.ones((2, 2)), "name": "a"}],
        "layout": {"yaxis": {"type": "log"}},
    }
    arrays, meta = unpack(pack_figure(figure, {"id": "f"}))
    trace = meta["figure"]["data"][0]
    np.testing.assert_array_equal(arrays[trace["x"]["$array"]], [0, 1, 2])
    assert arrays[trace["x"]["$array"]].dtype == np.int32
    np.testing.assert_array_equal(arrays[trace["y"]["$array"]], np.array([np.inf, np.nan, 2], np.float32))
    assert [arrays[row["$array"]].tolist() for row in trace["z"]] == [[1, 1], [1, 1]]
    assert meta["figure"]["layout"] == figure["layout"]
    assert trace["name"] == "a"
    assert meta["id"] == "f"


def test_an_array_of_words_in_a_figure_is_refused():
    with pytest.raises(ValueError, match="must be numeric"):
        pack_figure({"data": [{"x": np.array(["a", "b"])}]}, {})


def test_short_curves_are_not_thinned():
    np.testing.assert_array_equal(decimate(np.arange(600), np.zeros(600)), np.arange(600))


@given(
    hnp.arrays(np.float64, st.integers(0, 3000), elements=st.floats(-1e6, 1e6) | st.just(np.nan)),
    st.integers(10, 700),
    st.booleans(),
)
def test_a_thinned_curve_keeps_extremes_head_and_end(y, limit, log_x):
    x = np.arange(len(y), dtype=float)
    kept = decimate(x, y, limit, log_x=log_x)
    assert len(kept) <= max(limit, 0) or len(y) <= limit
    assert np.all(np.diff(kept) > 0)
    if len(y) == 0:
        return
    head = np.arange(min(len(y), 200, limit - 3))
    assert np.isin(head, kept).all()
    assert kept[-1] == len(y) - 1
    if not np.isnan(y).all():
        assert np.nanmin(y[kept]) == np.nanmin(y)
        assert np.nanmax(y[kept]) == np.nanmax(y)


def test_a_gap_of_many_samples_stays_a_gap():
    y = np.sin(np.arange(10_000) / 300.0)
    y[4000:6000] = np.nan
    kept = decimate(np.arange(10_000), y)
    assert np.isnan(y[kept]).sum() >= 2
