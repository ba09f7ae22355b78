"""What the page of trainings shows of a race: how networks take single samples, the numbers, the words."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from core.optimizers.answers import classes_of, example_rows, numbers_of, told
from core.optimizers.training import NetworkLoss, Training
from core.run import MemberView
from pages.figures import network_training as charts
from pages.figures import optimizers as figures
from pages.figures import roster
from pages.ui import components
from pages.ui.controls import iterate_in_link
from pages.ui.look import Look
from pages.ui.optimizer_views import PLAYED_IN
from pages.ui.status import finding
from pages.ui.training_controls import PICTURE_TASKS
from pages.ui.training_words import training_sentences

GROUP = "training"
#: Heights [px] of the charts from the top, and of the chart of a regression's numbers.
HEIGHTS, TOLD_HEIGHT = (220, 170, 150, 150), 400
#: Samples that are shown: pictures, pieces of a text, rows of a table, numbers.
PICTURES, PIECES, ROWS, NUMBERS = 40, 2, 40, 300
#: Iterates of a method whose answers are computed, and those of a network that needs all samples for one.
ANSWERED, ANSWERED_TOGETHER = 160, 50
#: Which samples are shown; those that were not trained on come first.
SAMPLES = ("held-out samples", "training samples")
#: What the second chart may show.
HELD_OUT = {"held-out loss": "validation_loss", "held-out accuracy": "accuracy"}


class Trainings(Look[Training]):
    """A race of trainings with what the page derives from it."""

    LAB = "optimizers"


def draw_training(
    shown: Trainings, thing: DeltaGenerator, words: DeltaGenerator, numbers: DeltaGenerator
) -> int | None:
    """Mount everything that follows the run; always the same components in the same order.

    Returns the iterate where the cursor rests, None while the run moves.
    """
    members = shown.members
    with thing:
        place = st.container(key="answers_place")
        kept = [m.view.kept for m in members] or [np.zeros(1, np.int64)]
        ks = np.unique(np.concatenate(kept))
        start = iterate_in_link()
        k = components.transport(
            "training.transport", group=GROUP, run=shown.run, ks=ks, running=shown.moving, start=start,
            rate=max(10.0, len(ks) / PLAYED_IN),
        )  # fmt: skip
        if k is not None and not shown.moving:
            st.query_params["k"] = str(k)
        rests_at = k if k is not None else start if start is not None else int(ks[-1])
        with place:
            draw_answers(shown, None if shown.moving else rests_at)
    with words:
        _draw_words(shown)
        _draw_standings(shown)
    with numbers:
        _draw_numbers(shown)
    return None if shown.moving else rests_at


def _draw_numbers(shown: Trainings) -> None:
    members, training = shown.members, shown.problem
    points = figures.LIVE_POINTS if shown.moving else figures.FINAL_POINTS
    is_class = training.classes > 0
    with st.container(horizontal=True, key="training_axes", horizontal_alignment="distribute"):
        x_axis = str(
            st.segmented_control(
                "x axis of the charts", figures.TRAINING_AXES, default="steps", key="x", bind="query-params",
                label_visibility="collapsed", required=True,
            )
        )  # fmt: skip
        second = "held-out loss"
        if is_class:
            second = str(
                st.segmented_control(
                    "second chart", list(HELD_OUT), default="held-out loss", key="second",
                    bind="query-params", label_visibility="collapsed", required=True,
                )
            )  # fmt: skip
    titles = {
        "train_loss": "Loss on the training data",
        HELD_OUT[second]: second.capitalize(),
        "grad_norm": "Gradient norm of the batch ‖∇f‖",
        "step_norm": "Length of the last step",
    }
    for (name, title), height in zip(titles.items(), HEIGHTS, strict=True):
        columns = [m.view.scalars[name] for m in members]
        figure = figures.race(
            members, columns, x_axis, points, log=name != "accuracy", legend=name == "train_loss", sparse=True
        )
        if name == "accuracy":
            figure["layout"]["yaxis"] |= {"tickformat": ".0%"}
        components.live_figure(
            f"training.{height}.{name if name in ('train_loss', 'grad_norm', 'step_norm') else 'second'}",
            figure, group=GROUP, run=f"{shown.run}.{x_axis}.{name}", title=title, height=height,
        )  # fmt: skip


def _draw_standings(shown: Trainings) -> None:
    points = figures.LIVE_POINTS if shown.moving else figures.FINAL_POINTS
    payload = figures.standings_payload(
        shown.members, group=GROUP, points=points, ended=not shown.moving,
        columns=charts.columns(is_class=shown.problem.classes > 0), read=charts.numbers,
    )  # fmt: skip
    components.standings("training.standings", payload, len(shown.members))


def _draw_words(shown: Trainings) -> None:
    """Say how the race went, in sentences with numbers."""
    if shown.moving or any(len(m.view) < 2 for m in shown.members):
        finding((), ("What was found stands here when the training is over.",))
        return
    sentences = shown.cached("words", lambda: training_sentences(shown.members, shown.problem, shown.results))
    failed = [m for m in shown.members if roster.tone(m) == "failed"]
    finding(sentences, shown.problem.notes, warns=bool(failed))


# The thing: single samples.


def draw_answers(shown: Trainings, k: int | None) -> None:
    """Mount samples with what every network says of them.

    Parameters
    ----------
    k : where the cursor rests; None = the newest iterate.
    """
    training = shown.problem
    which = str(
        st.segmented_control(
            "samples", SAMPLES, default=SAMPLES[0], key="samples", bind="query-params",
            label_visibility="collapsed", required=True,
        )
    )  # fmt: skip
    data = training.held_out if which == SAMPLES[0] else training.function
    if not training.classes:
        _draw_told(shown, data, which, k)
        return
    targets = data.targets.numpy()
    is_text = targets.ndim > 1
    is_picture = shown.view.members[0].recipe.problem in PICTURE_TASKS
    rows = example_rows(data, training.classes, PIECES if is_text else PICTURES if is_picture else ROWS)
    pixels = None
    title = f"Single samples by their {training.target.name}, and who tells them right at the cursor"
    if is_picture:
        pixels = data.inputs[rows].numpy().reshape(-1, 8, 8).astype(np.float64)
        title = "Single digits, and what each network takes them for at the cursor"
    elif is_text:
        title = "A text, and its next characters as each network guesses them at the cursor"
    payload = charts.answers_payload(
        shown.members, [_answers(shown, data, number, rows) for number in range(len(shown.members))],
        targets[rows].ravel(), training.target.classes, pixels=pixels, group=GROUP, title=title,
        rev=f"{shown.run}.{which}",
    )  # fmt: skip
    components.answers("training.answers", payload)


def _draw_told(shown: Trainings, data: NetworkLoss, which: str, k: int | None) -> None:
    training, members = shown.problem, shown.members
    rows = example_rows(data, 0, NUMBERS)
    truth = told(training.target, data.targets.numpy()[rows])
    values = []
    for member in members:
        at = int(member.view.kept[-1]) if k is None else member.view.nearest(k)
        x = member.view.snapshots[at]["x"].astype(np.float32)
        values.append(numbers_of(data, training.target, x, rows))
    name = training.target.name
    components.live_figure(
        "training.told", charts.told(members, values, truth, name), group=GROUP,
        run=f"{shown.run}.told.{which}", cursor=False, height=TOLD_HEIGHT,
        title=f"Single samples: {name} as told against the true one, where the cursor rests",
    )  # fmt: skip


def _answers(
    shown: Trainings, data: NetworkLoss, number: int, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return iterates (K,) of a member and its answers (K, S) there; each is computed once for a run."""
    member = shown.members[number]
    ks = _thinned(member, ANSWERED_TOGETHER if data.network.mixes_samples else ANSWERED)
    is_held_out = data is shown.problem.held_out

    def at(k: int) -> NDArray[np.int64]:
        return classes_of(data, member.view.snapshots[k]["x"].astype(np.float32), rows).ravel()

    return ks, np.stack(
        [shown.kept(("answers", is_held_out, number, int(k)), partial(at, int(k))) for k in ks]
    )


def _thinned(member: MemberView, count: int) -> NDArray[np.int64]:
    """Return at most about `count` kept iterates, the newest among them, that stay as the run goes on."""
    kept = member.view.kept
    stride = 1
    while len(kept) > count * stride:
        stride *= 2
    return np.unique([*kept[::stride], kept[-1]])
