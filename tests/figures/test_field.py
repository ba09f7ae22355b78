"""Fields for the browser: what is sent is what was there, to the promised digit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.figures import field
from pages.figures.pack import unpack


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_quantised_values_are_exact_to_half_a_step(rng: np.random.Generator) -> None:
    frames = rng.standard_normal((5, 7, 6)) * 10.0 ** rng.integers(-12, 12, (5, 1, 1))
    steps, scales = field.quantise(frames)
    back = steps * scales.astype(float)[:, None, None] / field.LEVELS
    # half a step, and the rounding of the scale to single precision
    allowed = scales[:, None, None] * (0.5 / field.LEVELS + 2.0**-24)
    assert (np.abs(back - frames) <= allowed).all()


def test_every_frame_has_a_scale_of_its_own() -> None:
    frames = np.array([[[1.0, -4.0]], [[2e-9, 1.5e-9]]])
    steps, scales = field.quantise(frames)
    assert scales == pytest.approx([4.0, 2e-9])
    assert steps[:, 0].tolist() == [[8192, -32767], [32767, 24575]]


def test_a_field_of_zeros_and_gaps_stays_zero() -> None:
    steps, scales = field.quantise(np.array([[[0.0, np.nan, np.inf]]]))
    assert scales.tolist() == [0.0]
    assert not steps.any()


@given(st.integers(1, 3000), st.integers(1, 200_000), st.integers(1, 4_000_000))
def test_chosen_frames_keep_both_ends_within_the_budget(count: int, each: int, budget: int) -> None:
    chosen = field.chosen_frames(count, each, budget)
    assert chosen[0] == 0
    assert chosen[-1] == count - 1
    assert (np.diff(chosen) > 0).all()
    assert len(chosen) <= max(2, budget // each) + 1


def test_the_first_iterates_are_all_sent() -> None:
    chosen = field.chosen_frames(2000, 1, 200)
    assert chosen[: field.FIRST].tolist() == list(range(field.FIRST))


@pytest.mark.parametrize(("side", "stride"), [(64, 1), (256, 1), (257, 2), (1024, 4)])
def test_large_fields_are_sent_cell_by_nth_cell(side: int, stride: int) -> None:
    assert field.stride_of((side, 8)) == stride


def test_a_message_holds_the_panels(rng: np.random.Generator) -> None:
    frames = rng.standard_normal((3, 4, 5))
    flags = np.full((4, 5), 2, np.int8)
    flags[0, 0] = 1
    panel = field.Panel("CG", 0, np.array([0, 1, 4]), frames, flags)
    groups = field.Panel("parts", -1, np.zeros(1, int), np.arange(20.0).reshape(1, 4, 5), flags, "groups")
    arrays, meta = unpack(
        field.fields_payload([panel, groups], field.View("poisson", "r", "residual", extra={"running": True}))
    )
    assert arrays["0.k"].tolist() == [0, 1, 4]
    assert arrays["0.flags"].dtype == np.uint8
    assert arrays["0.flags"][0, 0] == 1
    assert arrays["1.frames"].ravel().tolist() == list(range(20))
    assert [head["kind"] for head in meta["panels"]] == ["signed", "groups"]
    assert meta["running"] is True
