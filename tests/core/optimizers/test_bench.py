"""The bench: all contenders take the same steps, and its tables come out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core import registry
from core.optimizers import bench


def test_the_model_is_as_large_as_it_says_and_the_same_every_time() -> None:
    params = bench.model("cpu")
    assert len(params) == bench.TENSORS
    assert sum(p.numel() for p in params) == pytest.approx(1e7, rel=0.02)
    assert all(torch.equal(a, b) for a, b in zip(params, bench.model("cpu"), strict=True))
    assert all(p.grad is not None and p.grad.shape == p.shape for p in params)


def test_our_optimizers_and_the_official_ones_do_the_same_work() -> None:
    for name, group in bench.contenders().items():
        ends = []
        for who, make in group:
            if who in ("ours", "torch_optimizer", "adamp"):
                params = bench.model("cpu", 6)
                optimizer = make(params)
                for _ in range(3):
                    optimizer.step()
                ends.append(torch.cat([p.flatten() for p in params]))
        # SGDP projects a copy of its momentum, adamp the momentum itself
        tolerance = 1e-4 if name == "SGDP" else 0.0
        assert all((end - ends[0]).abs().max() <= tolerance for end in ends)


def test_tables_come_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "TENSORS": 6,
        "CONDA_TENSORS": 3,
        "REPEATS": 1,
        "WARM_UP": 1,
        "RACE": ("adam",),
    }.items():
        monkeypatch.setattr(bench, name, value)
    lines: list[str] = []
    threads = torch.get_num_threads()
    try:
        bench.bench(lines.append, folder=tmp_path, quick=True)
    finally:
        torch.set_num_threads(threads)
    text = "\n".join(lines)
    assert (tmp_path / "optimizers.md").read_text() == text + "\n"
    for heading in ("One step on cpu", "Conda, 3 tensors", "Landscapes"):
        assert f"### {heading}" in text
    for contender in ("torch_optimizer", "pytorch_optimizer", "torch AdamW fused"):
        assert f"| {contender} |" in text
    rows = [line for line in lines if line.startswith("| diffGrad | ours")]
    assert rows[0].endswith("| 1.00 |")


def test_experiments_are_timed_beside_what_their_cards_say(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [e for e in registry.experiments("optimizers") if e.key in ("diffgrad_f1", "nexus_valley")]
    monkeypatch.setattr(registry, "experiments", lambda lab: some)
    lines: list[str] = []
    bench._experiments(lines.append)
    by_key = {line.split(" | ")[0].removeprefix("| "): line.split(" | ") for line in lines if "| " in line}
    assert set(by_key) >= {"diffgrad_f1", "nexus_valley"}
    assert by_key["diffgrad_f1"][3] == "–"
    assert by_key["nexus_valley"][3] == "2"
    assert by_key["nexus_valley"][4].startswith("holds")
