"""``iterscope train poisson PRESET``: a training run, its weights kept, measured and written."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.poisson.learned.acceptance import judged
from core.poisson.learned.checkpoint import checkpoint
from core.poisson.learned.presets import preset
from core.poisson.learned.weights import Weights, find, keep
from core.recipe import make
from core.run import Limits, Run

#: What is left of a file's description in the readable document beside it.
_LEFT_OUT = ("curve",)


def training(
    key: str, steps: int, seconds: float, seed: int, resume: str
) -> tuple[Run, Callable[[Callable[[str], None], Path | None], Weights]]:
    """Return the run of a preset, not yet started, and what keeps its weights when it has ended.

    Raises
    ------
    InputError
        For an unknown preset or checkpoint.
    """
    chosen = preset(find(resume).about["preset"] if resume else key)
    problem, parameters = chosen.probe
    values = {"preset": chosen.key, "steps": steps, "seed": seed, "resume": resume}
    recipe = make("poisson", problem, "train_network", parameters, values)
    run = Run([recipe], Limits(seconds=seconds))

    def finish(out: Callable[[str], None], folder: Path | None) -> Weights:
        view = run.view().members[0].view
        is_done = view.status.terminal
        weights = checkpoint(recipe, view, state=not is_done)
        scalars = view.final_scalars()
        out(f"{weights.about['title']}: step {weights.about['step']} of {weights.about['steps']}, "
            f"loss {scalars['loss']:.4f}, {weights.about['seconds']:.0f} s")  # fmt: skip
        weights = keep(measured(weights, out) if is_done else weights)
        out(f"weights {weights.hash}")
        if not is_done:
            out(f"to go on: iterscope train poisson {chosen.key.upper()} --resume {weights.hash}")
        elif folder is not None:
            write(weights, f"poisson_{chosen.key}", folder)
        return weights

    return run, finish


def measured(weights: Weights, out: Callable[[str], None]) -> Weights:
    """Return the weights with the iterations of the acceptance table in their description."""
    from core.poisson.learned.measured import measure

    rows = []
    for row in measure(weights):
        out(f"  {row['problem']}: {row['learned']} ({row['status']}), CG {row['cg']}")
        rows.append(row)
    for sentence in judged(str(weights.about["preset"]), rows):
        out(f"  {sentence}")
    return dataclasses.replace(weights, about={**weights.about, "measured": rows})


def write(weights: Weights, name: str, folder: Path) -> None:
    """Write NAME.safetensors, and NAME.json to be read by people."""
    kept = keep(weights, name, folder)
    document: dict[str, Any] = {k: v for k, v in kept.about.items() if k not in _LEFT_OUT}
    text = json.dumps({"hash": kept.hash, **document}, indent=1)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
