"""Prepared comparisons on networks: the papers' claims at the size of a minute, three seeds, with controls.

Every method gets the same grid of rates and is judged at its best one; a difference counts where it is larger
than what the seeds differ by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from core.iterate import Array
from core.optimizers.experiments import ADAMP, CONDA, DIFFGRAD, Results, Views
from core.optimizers.methods.diff2 import SOURCE as DIFF2
from core.optimizers.valley import held_out, spread
from core.registry import Finding, Value, Verdict, experiment
from core.trace import TraceView

TRACT = "Petersen, Borgelt & Ermon 2024, TrAct, NeurIPS"
NEXUS = "H. Chen et al., Nexus, on language models of up to 3 billion parameters"
#: Columns of a comparison's rows.
TRAIN, HELD_OUT, ACCURACY = 1, 2, 3


def compared(methods: str, rates: int, low: float, high: float, steps: int, **more: Value) -> dict[str, Any]:
    """Return the methods of an experiment that is one comparison over three seeds."""
    settings = {"methods": methods, "rates": rates, "low": low, "high": high, "seeds": 3, "steps": steps}
    return {"comparison": {**settings, **more}}


def best(views: Views, column: int) -> Array:
    """Return a column of the runs at the best rates, (methods, seeds)."""
    return np.asarray(views["comparison"].last("best")[..., column])


def beats(ours: Array, other: Array) -> bool:
    """Whether values (seeds,) are lower on average by more than either of them spreads over the seeds."""
    spread_of_seeds = max(float(np.ptp(ours)), float(np.ptp(other))) / 2
    return bool(ours.mean() < other.mean() - spread_of_seeds)


def verdict(holds: bool) -> Verdict:
    """Return HOLDS or DOES_NOT_HOLD."""
    return Verdict.HOLDS if holds else Verdict.DOES_NOT_HOLD


def listed(names: tuple[str, ...], values: Array, digits: int = 3) -> str:
    """Return each method's mean and range over the seeds in words."""
    texts = [
        f"{name} {row.mean():.{digits}f} ({row.min():.{digits}f} to {row.max():.{digits}f})"
        for name, row in zip(names, values, strict=True)
    ]
    return ", ".join(texts[:-1]) + f" and {texts[-1]}"


@experiment(
    "diffgrad_digits", lab="optimizers", title="diffGrad on digits", source=DIFFGRAD,
    question="Does the friction help a network?", claim="diffGrad trains networks to better ends than Adam",
    problem="digits_mlp", methods=compared("diffgrad; adam; adam_half", 5, 1e-3, 0.1, 100),
    order=13, seconds=10,
)  # fmt: skip
def diffgrad_digits(views: Views, results: Results) -> Finding:
    """Gradients of a mean loss are small, and so are their changes.

    The friction is then near one half for every weight, and diffGrad is Adam at half the rate. With a rate of
    its own for each, nothing is left of the difference. The claim is about large networks on CIFAR, which
    this does not test.
    """
    values = best(views, HELD_OUT)
    return Finding(
        verdict(beats(values[0], values[1]) and beats(values[0], values[2])),
        "Held-out loss over three seeds, each at its best of 5 rates: "
        + listed(("diffGrad", "Adam", "Adam at half the rate"), values) + ".",
    )  # fmt: skip


GROWTH: dict[str, Value] = {"lr": 0.1, "momentum": 0.9, "steps": 190}
#: Places of the convolutions among the parameters of `core.optimizers.networks.cnn`.
CONVOLUTIONS = {"first": slice(0, 144), "second": slice(176, 4784), "third": slice(4848, 14064)}


@experiment(
    "sgdp_digits", lab="optimizers", title="Weights before batch normalisation", source=ADAMP,
    question="Do the weights of a real network grow, and does SGDP hold them?",
    claim="Momentum makes weights before a normalisation grow; the projection prevents it",
    problem="digits_cnn", methods={"sgd": GROWTH, "sgdp": GROWTH}, order=22, seconds=5,
)  # fmt: skip
def sgdp_digits(views: Views, results: Results) -> Finding:
    """Three convolutions, each followed by batch normalisation.

    Only the direction of their weights counts, so that gradients are orthogonal to them and momentum
    lengthens them. Ten passes over the data show it in every layer. A better accuracy does not follow at this
    size: a constant rate on weights that stay short is a large rate to the end.
    """
    excess = {name: _growth(views[name].snapshots) for name in ("sgd", "sgdp")}
    holds = bool((excess["sgdp"] < 0.35 * excess["sgd"]).all())
    grown = {name: ", ".join(f"{1 + e:.2f}" for e in values) for name, values in excess.items()}
    return Finding(
        verdict(holds),
        f"After {results['sgd']['steps']} steps the three layers are {grown['sgd']} times as long with "
        f"momentum, {grown['sgdp']} times with SGDP; held-out accuracy {results['sgd']['accuracy']:.3f} and "
        f"{results['sgdp']['accuracy']:.3f}.",
    )


def _growth(snapshots: Mapping[int, Any]) -> Array:
    """Return each convolution's length at the end over that at the start, less one."""
    first, last = snapshots[min(snapshots)]["x"], snapshots[max(snapshots)]["x"]
    norms = [np.linalg.norm(last[p]) / np.linalg.norm(first[p]) for p in CONVOLUTIONS.values()]
    return np.array(norms) - 1.0


@experiment(
    "adamp_digits", lab="optimizers", title="AdamP and SGDP on digits", source=ADAMP,
    question="Is a network with batch normalisation better for the projection?",
    claim="AdamP and SGDP end better than AdamW and SGD", problem="digits_cnn",
    problem_params={"schedule": "cosine"},
    methods=compared("sgd; sgdp; adamw; adamp", 3, 3e-3, 0.3, 40), order=23, seconds=10,
)  # fmt: skip
def adamp_digits(views: Views, results: Results) -> Finding:
    """Each at its own best rate, on a cosine schedule that takes the rate to zero.

    A rate that is tuned already makes good for some of the shrinking step. Both pairs have to differ by more
    than the seeds do.
    """
    values = best(views, HELD_OUT)
    return Finding(
        verdict(beats(values[1], values[0]) and beats(values[3], values[2])),
        "Held-out loss over three seeds, each at its best of 3 rates: "
        + listed(("SGD", "SGDP", "AdamW", "AdamP"), values) + ".",
    )  # fmt: skip


@experiment(
    "conda_digits", lab="optimizers", title="Conda, AdamW and Muon on digits",
    source=CONDA + ", on language models", question="How many steps does a basis for the second moment save?",
    claim="Conda trains two to two and a half times faster than AdamW",
    problem="digits_mlp", methods=compared("adamw; conda; muon", 4, 1e-3, 0.1, 100, criterion="train_loss"),
    order=41, seconds=10,
)  # fmt: skip
def conda_digits(views: Views, results: Results) -> Finding:
    """One counts the steps until the training loss is where AdamW ends, each method at its best rate.

    Three matrices of 64 × 64 are no language model, and a singular basis costs more there than the steps it
    saves. Biases go with AdamW in every case.
    """
    needed, total = _steps_to_the_first(views["comparison"])
    return Finding(
        Verdict.HOLDS if needed is not None and 2 * needed <= total else Verdict.NOT_SHOWABLE,
        f"Conda needs {'more than ' + str(total) if needed is None else needed} steps for the loss at which "
        f"AdamW ends after {total}. Training loss over three seeds: "
        f"{listed(('AdamW', 'Conda', 'Muon'), best(views, TRAIN))}.",
    )


@experiment(
    "conda_char_lm", lab="optimizers", title="Conda on a language model",
    source=CONDA + ", on language models",
    question="Does Conda train a small transformer faster than AdamW, Muon and SOAP?",
    claim="Conda needs half the steps of AdamW or fewer, and ends better than AdamW, Muon and SOAP",
    problem="char_lm", methods=compared("adamw beta2=0.99; conda; muon; soap", 4, 1e-3, 0.1, 200),
    order=42, seconds=75,
)  # fmt: skip
def conda_char_lm(views: Views, results: Results) -> Finding:
    """Let a transformer of two layers guess the next character; warm-up, then a cosine.

    A basis for the second moment helps here too, but what Muon and SOAP do with the whole matrix helps more.
    The paper's networks are a thousand times as large and trained a hundred times as long, which this does
    not test. Every matrix takes the method's step here, the embedding and the last layer too; the paper
    leaves those two to Adam.
    """
    values = best(views, HELD_OUT)
    needed, total = _steps_to_the_first(views["comparison"])
    ahead = all(beats(values[1], values[other]) for other in (0, 2, 3))
    return Finding(
        Verdict.HOLDS if ahead and needed is not None and 2 * needed <= total else Verdict.NOT_SHOWABLE,
        f"Conda needs {'more than ' + str(total) if needed is None else needed} steps for the training loss "
        f"at which AdamW ends after {total}. Held-out loss in nats a character over three seeds, each at its "
        f"best of 4 rates: {listed(('AdamW', 'Conda', 'Muon', 'SOAP'), values)}.",
    )


def _steps_to_the_first(view: TraceView) -> tuple[int | None, int]:
    """Return after how many steps the second method's training loss is where the first one's ends, and all.

    Losses are means over the seeds; None = it never is.
    """
    curves, steps = view.last("curves")[..., 0].mean(axis=1), view.last("curve_steps")
    reached = np.flatnonzero(curves[1] <= curves[0, -1])
    return (int(steps[reached[0]]) if len(reached) else None), int(steps[-1])


OUTER: dict[str, Value] = {"base": "sgd", "settings": "momentum=0", "lr": 0.05, "steps": 1500}


@experiment(
    "nexus_valley", lab="optimizers", title="Nexus on two sources that approach each other", source=NEXUS,
    question="Same training loss, closer sources: does that help on a third one?",
    claim="Nexus ends where the minima of the sources are close, and does better on a source that is new",
    problem="noisy_valley",
    methods={"nexus": {"gamma": 0.6, **OUTER}, "nexus_still": OUTER,
             "sgd": {"lr": 0.1, "momentum": 0.0, "steps": 1500}},
    order=50, seconds=2,
)  # fmt: skip
def nexus_valley(views: Views, results: Results) -> Finding:
    """Plain descent has no reason to move along the valley: the mean loss is flat there.

    The walk down one source and then the other adds a force towards where their gradients agree. The control
    sums the same normalised gradients without walking: what it does is no merit of the walk. Forty
    coordinates of noise stand for what minibatches have; without noise the normalised gradients cancel and
    Nexus stalls.
    """
    x = {name: np.array(result["x"]) for name, result in results.items()}
    loss = {name: float(held_out(point)) for name, point in x.items()}
    holds = loss["nexus"] < 0.2 * min(loss["sgd"], loss["nexus_still"]) and x["nexus"][0] ** 2 < 0.01
    return Finding(
        verdict(bool(holds)),
        f"The held-out loss is {loss['nexus']:.2f} with Nexus, {loss['nexus_still']:.2f} without the walk "
        f"and {loss['sgd']:.2f} with plain descent; the sources' minima end {2 * spread(x['nexus'][1]):.2f}, "
        f"{2 * spread(x['nexus_still'][1]):.2f} and {2 * spread(x['sgd'][1]):.2f} apart.",
    )


@experiment(
    "nexus_digits", lab="optimizers", title="Nexus on digits from four angles", source=NEXUS,
    question="Does the walk help a network on data that it was not trained on?",
    claim="At the same training loss, Nexus has a lower loss on other data", problem="rotated_digits",
    methods=compared("adamw; nexus gamma=0.1; nexus_still", 3, 1e-3, 0.1, 150), order=51, seconds=10,
)  # fmt: skip
def nexus_digits(views: Views, results: Results) -> Finding:
    """Digits turned by four angles are the sources, upright ones are held out.

    Dividing each source's gradient by its length changes the training by itself. So Nexus has to beat its
    control without the walk, not only AdamW.
    """
    values = best(views, HELD_OUT)
    return Finding(
        verdict(beats(values[1], values[2]) and beats(values[1], values[0])),
        "Held-out loss over three seeds, each at its best of 3 rates: "
        + listed(("AdamW", "Nexus", "Nexus without the walk"), values) + ".",
    )  # fmt: skip


TRACT_PAIRS = "sgd; tract base=sgd; adam; tract base=adam"
TRACT_NAMES = ("SGD", "SGD with TrAct", "Adam", "Adam with TrAct")


@experiment(
    "tract_uneven", lab="optimizers", title="TrAct on badly lit digits", source=TRACT,
    question="Does the first layer learn faster when dim images count as much as bright ones?",
    claim="TrAct trains in fewer steps", problem="digits_mlp", problem_params={"light": "uneven"},
    methods=compared(TRACT_PAIRS, 4, 3e-3, 0.3, 76), order=60, seconds=10,
)  # fmt: skip
def tract_uneven(views: Views, results: Results) -> Finding:
    """Every image has a contrast and a brightness of its own.

    A plain gradient is moved by bright images. After four passes over the data the accuracy has to be two
    points higher, with SGD and with Adam, each at its own best rate.
    """
    values = best(views, ACCURACY)
    gains = values[[1, 3]].mean(axis=1) - values[[0, 2]].mean(axis=1)
    return Finding(
        verdict(bool((gains >= 0.02).all())),
        f"Held-out accuracy after four passes, over three seeds: {listed(TRACT_NAMES, values)}.",
    )


@experiment(
    "tract_standardised", lab="optimizers", title="TrAct on evenly lit digits",
    source=TRACT + "; a control of ours", claim="TrAct ends with a better accuracy",
    question="What is left where the inputs are standardised anyway?",
    problem="digits_mlp", methods=compared(TRACT_PAIRS, 4, 3e-3, 0.3, 76), order=61, seconds=10,
)  # fmt: skip
def tract_standardised(views: Views, results: Results) -> Finding:
    """Alike lit, the same digits are the control for uneven light.

    A difference counts only beyond what seeds differ by, and for both optimizers.
    """
    values = best(views, ACCURACY)
    holds = beats(-values[1], -values[0]) and beats(-values[3], -values[2])
    return Finding(
        verdict(holds),
        f"Held-out accuracy after four passes, over three seeds: {listed(TRACT_NAMES, values)}.",
    )


PRIVATE = "epsilon=3,clip=3"
INTERVALS = (6, 20, 67)


@experiment(
    "diff2_restart", lab="optimizers", title="Privacy: differences between restarts",
    source=DIFF2 + "Objectives",
    question="How long may one go on with differences before starting anew?",
    claim="At equal privacy DIFF2 reaches a lower loss than DP-GD", problem="dp_regression",
    problem_params={"samples": 4000, "evaluate_every": 20},
    methods=compared(
        f"dp_gd {PRIVATE}; " + "; ".join(f"diff2 {PRIVATE},clip_difference=1,restart={T}" for T in INTERVALS),
        2, 0.1, 0.3, 200, criterion="train_loss",
    ),
    order=70, seconds=25,
)  # fmt: skip
def diff2_restart(views: Views, results: Results) -> Finding:
    """One budget ε = 3 for 4000 samples and 200 rounds, spent in four ways.

    A difference of gradients carries little noise, but noise adds up from one difference to the next. A short
    way between restarts pays if anything does; a long one loses.
    """
    values = best(views, TRAIN)
    means = values.mean(axis=1)
    shortest = 1 + int(np.argmin(means[1:]))
    names = ("DP-GD", *(f"DIFF2 with T = {T}" for T in INTERVALS))
    return Finding(
        verdict(beats(values[shortest], values[0])),
        f"Training loss over three seeds, each at its better of 2 rates: {listed(names, values)}. The best "
        f"interval is T = {INTERVALS[shortest - 1]}.",
    )
