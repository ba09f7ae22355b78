"""The command line: ``iterscope app | list | run | train | generalise | bench``, by the page's code path."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import click

ROOT = Path(__file__).resolve().parents[1]


class _Commands(click.Group):
    """Commands whose refusals are one line and exit status 2."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            return super().main(*args, **kwargs)
        except click.ClickException as error:
            click.echo(f"iterscope: {error.format_message()}", err=True)
            sys.exit(2)
        except click.Abort:
            sys.exit(130)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("iterscope"), prog_name="iterscope")
def main() -> None:
    """Watch iterative methods work."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen on")
@click.option("--port", default=8501, show_default=True, type=click.IntRange(1, 65535))
@click.option("--no-browser", is_flag=True, help="do not open the browser")
def app(host: str, port: int, no_browser: bool) -> None:
    """Start the app and open the browser."""
    _compile_ahead()
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.address", host]
    command += ["--server.port", str(port), "--server.headless", "true"]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    server = subprocess.Popen(command, cwd=ROOT)
    try:
        address = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        if _wait_for(server, address, port):
            click.echo(f"iterscope is at http://{address}:{port}  (Ctrl-C stops it)", err=True)
            if not (no_browser or "CI" in os.environ or not _has_display()):
                webbrowser.open(f"http://{address}:{port}")
        sys.exit(server.wait())
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        server.terminate()
        server.wait()


def _wait_for(server: subprocess.Popen[bytes], host: str, port: int) -> bool:
    """Wait until the server answers; False if it ended instead."""
    while server.poll() is None:
        try:
            socket.create_connection((host, port), timeout=1.0).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _compile_ahead() -> None:
    """Compile the kernels if this is the first start; later starts load them from the cache."""
    from core import registry

    start = time.perf_counter()
    click.echo("loading compiled kernels (the first start compiles them, about a minute)", err=True)
    for lab in registry.LABS:
        _load_kernels(lab)
    click.echo(f"kernels ready after {time.perf_counter() - start:.1f} s", err=True)


def _load_kernels(lab: str) -> None:
    """Load a lab's kernels, so that no run is charged for it; says what it does if that takes long."""
    from core.warm_up import kernel_loading

    start = time.perf_counter()
    for progress in kernel_loading(lab):
        if time.perf_counter() - start > 2.0:
            click.echo(f"  {progress.stage} ({progress.done + 1} of {progress.total})", err=True)


@main.command("list")
@click.argument("lab", required=False)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def list_(lab: str | None, as_json: bool) -> None:
    """List labs, problems, methods and their parameters."""
    from core import registry
    from core.errors import InputError

    try:
        labs = [registry.lab(lab)] if lab else list(registry.labs())
    except InputError as error:
        _refuse(error)
    catalogue = [_describe_lab(spec.key) for spec in labs]
    if as_json:
        click.echo(json.dumps(catalogue, indent=2))
        return
    for entry in catalogue:
        click.echo(f"{entry['lab']}: {entry['title']}")
        for group in ("problems", "methods"):
            for item in entry[group]:
                click.echo(f"\n  {group[:-1]} {item['key']}: {item['title']}")
                for p in item["parameters"]:
                    click.echo(f"    {p['name']} = {p['default']!r:<10} {p['range']}  {p['doc']}")
        for module in entry["unavailable"]:
            click.echo(f"\n  not available: {module}")


def _describe_lab(key: str) -> dict[str, Any]:
    from core import registry

    def describe(spec: registry.MethodSpec | registry.ProblemSpec) -> dict[str, Any]:
        parameters = [
            {"name": p.name, "type": p.type.__name__, "default": p.default, "low": p.low, "high": p.high,
             "unit": p.unit, "choices": list(p.choices), "range": p.range_text, "doc": p.doc}
            for p in spec.parameters
        ]  # fmt: skip
        return {"key": spec.key, "title": spec.title, "parameters": parameters}

    return {
        "lab": key,
        "title": registry.lab(key).title,
        "problems": [describe(p) for p in registry.problems(key)],
        "methods": [describe(m) | {"kind": m.kind, "source": m.source} for m in registry.methods(key)],
        "unavailable": [f"{u.module}: {u.reason}" for u in registry.unavailable(key)],
    }


@main.command()
@click.argument("lab", required=False)
@click.argument("problem", required=False)
@click.argument("method", required=False)
@click.option("-p", "problem_params", multiple=True, metavar="NAME=VALUE", help="parameter of the problem")
@click.option("-m", "method_params", multiple=True, metavar="NAME=VALUE", help="parameter of the method")
@click.option("--seed", type=int, help="whole number that all randomness comes from  [default: 0]")
@click.option("--recipe", "recipe_file", type=click.Path(path_type=Path), help="run a recipe document")
@click.option("--out", type=click.Path(path_type=Path), help="write result, recipe and trace to a folder")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 1024), help="maths threads")
@click.option("--time-limit", default=600.0, show_default=True, type=click.FloatRange(0.1), help="seconds")
def run(
    lab: str | None,
    problem: str | None,
    method: str | None,
    problem_params: Sequence[str],
    method_params: Sequence[str],
    seed: int | None,
    recipe_file: Path | None,
    out: Path | None,
    as_json: bool,
    threads: int,
    time_limit: float,
) -> None:
    """Run METHOD on PROBLEM of LAB and print the result."""
    from core import recipe as recipes
    from core import registry
    from core.errors import InputError
    from core.run import Limits, Run, State

    try:
        p, m = _assignments("-p", problem_params), _assignments("-m", method_params)
        if recipe_file is not None:
            if lab or m or seed is not None:
                raise InputError("--recipe", "nothing else than -p for its files", "LAB, -m or --seed")
            recipe = recipes.from_json(_read_text(recipe_file), p)
        elif lab and problem and method:
            recipe = recipes.make(lab, problem, method, p, m, seed or 0, files=True)
        else:
            raise InputError("iterscope run", "LAB PROBLEM METHOD or --recipe FILE", "neither")
        # before the run: the files are what they are now
        recipe_hash, recipe_json = recipe.hash(), recipe.to_json()
        if out is not None:
            _make_folder(out)
        _load_kernels(recipe.lab)
        run = Run([recipe], Limits(seconds=time_limit), threads=threads).start()
        _watch(run)
    except InputError as error:
        _refuse(error)
    final = run.view()
    if final.state is State.FAILED:
        _refuse(run.error) if run.refused else _fail(final.note)
    view = final.members[0].view
    if final.state is State.CANCELLED:
        sys.exit(130)
    answer = {
        "lab": recipe.lab, "problem": recipe.problem, "method": recipe.method, "seed": recipe.seed,
        "status": view.status.name.lower() if final.state is State.FINISHED else "time_limit",
        "note": view.note or final.note,
        "iterations": max(len(view) - 1, 0),
        "setup_seconds": final.setup_seconds,
        "seconds": float(view.seconds[-1]) if len(view) else 0.0,
        "work": {n: float(c[-1]) if n == "units" else int(c[-1]) for n, c in view.work.items() if len(view)},
        "scalars": view.final_scalars(),
        "result": registry.lab(recipe.lab).result(run.problem, view) if len(view) else {},
        "recipe_hash": recipe_hash,
    }  # fmt: skip
    answer = _finite(answer)
    if out is not None:
        files = registry.lab(recipe.lab).artefacts(run.problem, view) if len(view) else {}
        _write(out, answer, recipe_json, view, threads, files)
    click.echo(json.dumps(answer) if as_json else _readable(answer))


def _assignments(option: str, texts: Sequence[str]) -> dict[str, str]:
    from core.errors import InputError

    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(option, "NAME=VALUE", repr(text))
        if name in found:
            raise InputError(f"{option} {name}", "one value", "two values")
        found[name] = value
    return found


def _read_text(path: Path) -> str:
    from core.errors import InputError

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), "a readable text file", str(error)) from None


def _watch(run: Any) -> None:
    """Wait for the end and say on stderr what is being done; Ctrl-C stops the run."""
    said = ""
    try:
        while not run.view().state.ended:
            run.join(0.2)
            view = run.poll()
            stage = view.progress.stage if view.state.value == "preparing" else view.state.value
            if stage and stage != said and not view.state.ended:
                click.echo(f"{stage} …", err=True)
                said = stage
    except KeyboardInterrupt:
        run.cancel()
        run.join()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"--out {folder}: {error.strerror or error}") from None


def _write(
    folder: Path,
    answer: dict[str, Any],
    recipe_json: str,
    view: Any,
    threads: int,
    files: Mapping[str, bytes],
) -> None:
    from core.trace import to_parquet

    try:
        (folder / "result.json").write_text(json.dumps(answer, indent=2), encoding="utf-8")
        (folder / "recipe.json").write_text(recipe_json, encoding="utf-8")
        metadata = {"recipe": json.loads(recipe_json), "threads": threads}
        to_parquet(view, folder / "trace.parquet", metadata)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise click.ClickException(f"--out {folder}: {error.strerror or error}") from None


def _readable(answer: dict[str, Any]) -> str:
    lines = [f"{answer['method']} on {answer['problem']}: {answer['status']}. {answer['note']}".strip()]
    lines.append(f"{answer['iterations']} iterations, {answer['seconds']:.3f} s")
    lines += [f"  {name}: {json.dumps(value)}" for name, value in answer["result"].items()]
    return "\n".join(lines)


def _finite(value: Any) -> Any:
    """Replace inf and NaN by None, as JSON has neither."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _refuse(error: Exception | None) -> NoReturn:
    raise click.ClickException(" ".join(str(error).split()))


def _fail(note: str) -> NoReturn:
    click.echo(f"iterscope: {note}", err=True)
    sys.exit(1)


@main.command()
@click.argument("lab")
@click.argument("preset")
@click.option(
    "--steps", default=0, type=click.IntRange(0), help="of the whole training  [default: the preset's]"
)
@click.option("--seconds", default=3600.0, show_default=True, type=click.FloatRange(1), help="stop after")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="of data and first weights"
)
@click.option("--resume", default="", metavar="HASH", help="go on from a checkpoint, with its preset")
@click.option(
    "--out", type=click.Path(path_type=Path), help="write the weights and what they are worth there"
)
def train(
    lab: str, preset: str, steps: int, seconds: float, seed: int, resume: str, out: Path | None
) -> None:
    """Train a network of LAB by PRESET and keep its weights; Ctrl-C keeps a checkpoint."""
    from importlib import import_module
    from importlib.util import find_spec

    from core import registry
    from core.errors import InputError

    try:
        registry.lab(lab)
        if find_spec(f"core.{lab}.learned") is None:
            raise InputError("lab", "poisson, whose networks can be trained", repr(lab))
        if out is not None:
            _make_folder(out)
        _load_kernels(lab)
        run, finish = import_module(f"core.{lab}.learned.command").training(
            preset, steps, seconds, seed, resume
        )
        _watch(run.start())
        if run.view().state.value == "failed":
            _refuse(run.error) if run.refused else _fail(run.view().note)
        finish(click.echo, out)
    except InputError as error:
        _refuse(error)


@main.command()
@click.option(
    "--dim", default=2, show_default=True, type=click.IntRange(2, 3), help="dimensions of the grids"
)
@click.option("--rhs", default="white", show_default=True, help="right-hand side, as problems name it")
@click.option("--rtol", default=1e-6, show_default=True, type=click.FloatRange(1e-12, 0.5), help="tolerance")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object instead of a table")
def generalise(dim: int, rhs: str, rtol: float, as_json: bool) -> None:
    """Solve grids of many kinds with all trained weights and print their iterations beside those of CG."""
    from core.errors import InputError
    from core.poisson.learned.generalisation import Generalisation, run_all

    try:
        _load_kernels("poisson")
        study = Generalisation(dim, rhs, rtol)
        for outcome in run_all(study):
            done = len(study.sweep.outcomes)
            click.echo(f"{done} of {study.sweep.total}: {outcome.iterations:.0f} iterations", err=True)
    except InputError as error:
        _refuse(error)
    rows = study.table()
    if as_json:
        click.echo(json.dumps({"dim": dim, "rhs": rhs, "rtol": rtol, "rows": rows}, ensure_ascii=False))
        return
    names = list(rows[0])
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in names]
    for row in [dict(zip(names, names, strict=True)), *rows]:
        click.echo("  ".join(row[n].ljust(w) if n == "trained" else row[n].rjust(w)
                             for n, w in zip(names, widths, strict=True)))  # fmt: skip


@main.command()
@click.argument("lab", default="registration")
@click.option("--data", type=click.Path(path_type=Path), envvar="ITERSCOPE_DATA", help="folder of real scans")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 1024))
@click.option("--live", is_flag=True, help="also the page in a browser; needs the test tools and Chromium")
@click.option("--out", type=click.Path(path_type=Path), help="write the tables to LAB.md and LAB.csv there")
@click.option("--quick", is_flag=True, help="fewer scans and one run of each: under a minute")
@click.option("--train", "afresh", is_flag=True, help="train the networks of poisson afresh: some minutes")
def bench(
    lab: str, data: Path | None, threads: int, live: bool, out: Path | None, quick: bool, afresh: bool
) -> None:
    """Measure speed, accuracy and detection side by side with peers; print ratios and a summary."""
    from importlib import import_module

    from core import registry
    from core.errors import InputError

    try:
        registry.lab(lab)
    except InputError as error:
        _refuse(error)
    if afresh and lab != "poisson":
        raise click.ClickException("--train: expected the lab poisson, whose networks can be trained")
    if out is not None:
        _make_folder(out)
    import_module(f"core.{lab}.bench").bench(
        click.echo, data=data, threads=threads, folder=out, quick=quick,
        **({"train": True} if afresh else {}),
        say=lambda line: click.echo(f"{line} …", err=True),
    )  # fmt: skip
    if live:
        sys.exit(subprocess.call([sys.executable, "-m", "tests.browser.bench_live"], cwd=ROOT))


if __name__ == "__main__":
    main()
