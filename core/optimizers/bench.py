"""Speed of the optimizers beside the official packages, pytorch_optimizer and torch, in one process.

All take the same steps on tensors of the same shapes with the same gradients. Steps of all contenders take
turns and medians are compared, so that a busy machine hurts all alike. What is printed are ratios of times.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from core import registry
from core.optimizers.optim.adamp import AdamP
from core.optimizers.optim.conda import Conda
from core.optimizers.optim.diffgrad import DiffGrad
from core.optimizers.optim.sgdp import SGDP
from core.recipe import make
from core.run import Run

Make = Callable[[list[Tensor]], torch.optim.Optimizer]
Clock = Callable[[], float]

#: Layers of a network, each with weights, bias and a norm's scale; 200 tensors are ten million numbers.
LAYERS = [(512, 512), (256, 64, 3, 3), (1024, 256), (64, 3, 7, 7), (300, 1000), (128, 128, 3, 3), (10, 512),
          (384, 96)]  # fmt: skip
TENSORS, WARM_UP, REPEATS = 200, 2, 9
#: Conda's SVD is timed on fewer tensors, each once.
CONDA_TENSORS, CONDA_GAP = 40, 2000
RACE = ("diffgrad", "adam", "adam_half", "sgd", "rmsprop", "sgdp")


def bench(
    out: Callable[[str], None], *, data: Path | None = None, threads: int = 1, folder: Path | None = None,
    quick: bool = False, say: Callable[[str], None] = lambda line: None,
) -> None:  # fmt: skip
    """Print tables of times and ratios, in Markdown.

    Parameters
    ----------
    out : takes one line at a time.
    data : not used; nothing here reads files.
    threads : of torch; with 1, CPU time is compared, with more wall time.
    folder : also write the lines to ``optimizers.md`` there.
    quick : time every step three times only, and no experiments.
    say : takes what is being measured.
    """
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    repeats = min(3, REPEATS) if quick else REPEATS
    lines: list[str] = []

    def put(line: str) -> None:
        lines.append(line)
        out(line)

    size = sum(p.numel() for p in model("cpu")) / 1e6
    put(f"{TENSORS} tensors, {size:.1f} million numbers, single precision, {threads} thread(s); "
        f"{'CPU' if threads == 1 else 'wall'} time, median of {repeats} interleaved steps")  # fmt: skip
    for device in ["cpu"] + (["cuda"] if torch.cuda.is_available() else []):
        say(f"steps on {device}")
        _steps(put, device, clock if device == "cpu" else time.perf_counter, repeats)
    say("Conda")
    _conda(put, clock, repeats)
    say("landscapes")
    _landscapes(put)
    if not quick:
        say("experiments")
        _experiments(put)
    if folder is not None:
        (folder / "optimizers.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def model(device: str, tensors: int | None = None) -> list[Tensor]:
    """Return parameters with gradients, reproducibly random; `TENSORS` of them if not said otherwise."""
    tensors = TENSORS if tensors is None else tensors
    generator = torch.Generator().manual_seed(0)
    found: list[Tensor] = []
    while len(found) < tensors:
        shape = LAYERS[(len(found) // 3) % len(LAYERS)]
        found += [torch.randn(s, generator=generator) for s in (shape, shape[:1], shape[:1])]
    for i, p in enumerate(found):
        found[i] = p.to(device)
        found[i].grad = torch.randn(p.shape, generator=generator).mul_(1e-2).to(device)
    return found[:tensors]


def contenders() -> dict[str, list[tuple[str, Make]]]:
    """Return, for each of our optimizers, itself and its peers by name; absent packages are left out."""
    sgd: dict[str, Any] = {"lr": 1e-3, "momentum": 0.9}
    groups: dict[str, list[tuple[str, Make]]] = {
        "diffGrad": [("ours", lambda p: DiffGrad(p))],
        "SGDP": [("ours", lambda p: SGDP(p, **sgd))],
        "AdamP": [("ours", lambda p: AdamP(p))],
    }
    official: dict[str, tuple[str, str, dict[str, Any]]] = {
        "diffGrad": ("torch_optimizer", "DiffGrad", {}),
        "SGDP": ("adamp", "SGDP", sgd),
        "AdamP": ("adamp", "AdamP", {}),
    }
    for name, (package, cls, settings) in official.items():
        for where in (package, "pytorch_optimizer"):
            if (found := _class(where, cls)) is not None:
                groups[name].append((where, _maker(found, settings)))
    for flag in ("foreach", "fused"):
        for group in groups.values():
            group.append((f"torch AdamW {flag}", _maker(torch.optim.AdamW, {flag: True})))
    return groups


def _maker(cls: Any, settings: dict[str, Any]) -> Make:
    return lambda p: cls(p, **settings)


def _class(package: str, name: str) -> Any:
    if find_spec(package) is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(import_module(package), name)


def _steps(out: Callable[[str], None], device: str, clock: Clock, repeats: int) -> None:
    out(f"\n### One step on {device}\n")
    out("| optimizer | contender | ms | ours / contender |")
    out("| --- | --- | --- | --- |")
    for name, group in contenders().items():
        times = timed([make(model(device)) for _, make in group], clock, repeats, device)
        for (who, _), seconds in zip(group, times, strict=True):
            out(f"| {name} | {who} | {1000 * seconds:.1f} | {times[0] / seconds:.2f} |")


def timed(
    optimizers: Iterable[torch.optim.Optimizer], clock: Clock, repeats: int, device: str = "cpu"
) -> list[float]:
    """Return the median seconds of a step of each optimizer; they take turns, in alternating order."""
    all_of_them = list(optimizers)
    seconds: list[list[float]] = [[] for _ in all_of_them]
    for turn in range(WARM_UP + repeats):
        order = range(len(all_of_them)) if turn % 2 else reversed(range(len(all_of_them)))
        for i in order:
            _wait(device)
            start = clock()
            all_of_them[i].step()
            _wait(device)
            if turn >= WARM_UP:
                seconds[i].append(clock() - start)
    return [median(s) for s in seconds]


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _conda(out: Callable[[str], None], clock: Clock, repeats: int) -> None:
    makers: list[tuple[str, Make]] = [("ours", _our_conda)]
    if (peer := _class("pytorch_optimizer", "Conda")) is not None:
        makers.append(("pytorch_optimizer", _maker(peer, {"update_proj_gap": CONDA_GAP, "scale": 0.25})))
    optimizers, first = [], []
    for _, make_one in makers:
        optimizers.append(make_one(model("cpu", CONDA_TENSORS)))
        start = clock()
        optimizers[-1].step()
        first.append(clock() - start)
    plain = timed(optimizers, clock, repeats)
    amortised = [p + max(f - p, 0.0) / CONDA_GAP for f, p in zip(first, plain, strict=True)]
    size = sum(p.numel() for p in model("cpu", CONDA_TENSORS)) / 1e6
    what = f"{CONDA_TENSORS} tensors with {size:.1f} million numbers, a basis every {CONDA_GAP} steps"
    out(f"\n### Conda, {what}\n")
    out("| contender | ms with a new basis | ms without | ms amortised | ours / contender |")
    out("| --- | --- | --- | --- | --- |")
    for (who, _), f, p, a in zip(makers, first, plain, amortised, strict=True):
        out(f"| {who} | {1000 * f:.0f} | {1000 * p:.1f} | {1000 * a:.1f} | {amortised[0] / a:.2f} |")


def _our_conda(params: list[Tensor]) -> Conda:
    matrices: dict[str, Any] = {
        "params": [p for p in params if p.ndim == 2],
        "update_proj_gap": CONDA_GAP,
        "scale": 0.25,
    }
    others: dict[str, Any] = {"params": [p for p in params if p.ndim != 2]}
    return Conda([matrices, others])


def _landscapes(out: Callable[[str], None]) -> None:
    race = [make("optimizers", "rosenbrock", key) for key in RACE]
    maps = [
        make("optimizers", "himmelblau", "start_map", {}, {"method": key}) for key in ("adam", "diffgrad")
    ]
    out("\n### Landscapes\n")
    out("| task | ms | of CPU time |")
    out("| --- | --- | --- |")
    for what, recipes in ((f"{len(race)} methods, 500 steps", race),
                          ("60 × 60 starts, 500 steps of Adam", maps[:1]),
                          ("60 × 60 starts, 500 steps of diffGrad", maps[1:])):  # fmt: skip
        seconds = []
        for _ in range(4):  # the first loads what torch loads late
            start, start_cpu = time.perf_counter(), time.process_time()
            Run(recipes).inline()
            seconds.append((time.perf_counter() - start, time.process_time() - start_cpu))
        wall, cpu = (1000 * median(column) for column in zip(*seconds[1:], strict=True))
        out(f"| {what} | {wall:.0f} | {cpu:.0f} |")


def _experiments(out: Callable[[str], None]) -> None:
    """Print what every experiment takes, beside what its card says where one has to wait."""
    out("\n### Experiments\n")
    out("| experiment | s | of CPU time | said | verdict |")
    out("| --- | --- | --- | --- | --- |")
    for spec in registry.experiments("optimizers"):
        recipes = [
            make("optimizers", spec.problem, method, spec.problem_params, values, spec.seed)
            for method, values in spec.methods.items()
        ]
        start, start_cpu = time.perf_counter(), time.process_time()
        run = Run(recipes).inline()
        wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        views = {m.recipe.method: m.view for m in run.view().members}
        results = {k: registry.lab("optimizers").result(run.problem, v) for k, v in views.items()}
        verdict = spec.check(views, results).verdict.value
        out(f"| {spec.key} | {wall:.1f} | {cpu:.1f} | {spec.seconds or '–'} | {verdict} |")
