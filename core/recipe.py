"""A run as data: what to solve, how, with which seed; the same recipe gives the same trace.

The canonical form holds every parameter, defaults included, and the SHA-256 of input files; no paths and no
library versions. Renamed keys are resolved through the registry's aliases.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from core import registry
from core.errors import InputError
from core.iterate import Preparation
from core.registry import Kind, MethodSpec, ProblemSpec, Value

FORMAT = 1
#: Marks the content's hash where the canonical form replaces a path.
_CONTENT = "sha256:"
#: What a folder that is a parameter may hold: all of it is read for its hash.
MAX_FOLDER_FILES, MAX_FOLDER_BYTES = 20_000, 4 * 2**30


@dataclass(frozen=True, slots=True)
class Recipe:
    """One member of a run. `problem_params` and `method_params` hold every parameter.

    File parameters hold paths here; the canonical form replaces them by content hashes.
    """

    lab: str
    problem: str
    method: str
    problem_params: Mapping[str, Value]
    method_params: Mapping[str, Value]
    seed: int = 0

    @property
    def problem_spec(self) -> ProblemSpec:
        """The registered problem."""
        return registry.problem_spec(self.lab, self.problem)

    @property
    def method_spec(self) -> MethodSpec:
        """The registered method."""
        return registry.method_spec(self.lab, self.method)

    @property
    def kind(self) -> Kind:
        """What kind of run this is: an analysis is one on any problem; else the problem's kind counts."""
        if self.method_spec.kind == "analysis":
            return "analysis"
        return self.problem_spec.kind or self.method_spec.kind

    def build_problem(self) -> Preparation[Any]:
        """Prepare the problem; a generator of Progress that returns it."""
        instance = self.problem_spec.cls(**self.problem_params)
        return instance.build(self.seed)  # type: ignore[no-any-return]

    def build_method(self) -> Any:
        """Make the method with its parameters."""
        return self.method_spec.cls(**self.method_params)

    def files(self) -> dict[str, Path]:
        """Return the input files by parameter name."""
        names = [p.name for p in self.problem_spec.parameters if p.form == "file"]
        return {name: Path(str(self.problem_params[name])) for name in names if self.problem_params[name]}

    def canonical(self) -> dict[str, Any]:
        """Return the JSON-ready form that identifies the computation."""
        problem_params = dict(self.problem_params)
        for name, path in self.files().items():
            problem_params[name] = _CONTENT + _content_hash(path)
        return {
            "format": FORMAT,
            "lab": self.lab,
            "problem": {"key": self.problem, "parameters": problem_params},
            "method": {"key": self.method, "parameters": dict(self.method_params)},
            "seed": self.seed,
        }

    def hash(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the canonical form."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return the recipe as a document: canonical form, file names, versions."""
        files = {
            name: {"name": path.name, "size": _size(path), "sha256": _content_hash(path)}
            for name, path in self.files().items()
        }
        document = {**self.canonical(), "hash": self.hash(), "files": files, "versions": versions()}
        return json.dumps(document, indent=2)

    def python(self) -> str:
        """Return a script that gives the same trace with `core` alone."""
        paths = {name: path.name for name, path in self.files().items()}
        problem_params = _changed(self.problem_spec, self.problem_params) | paths
        method_params = _changed(self.method_spec, self.method_params)
        return (
            "from core.recipe import make\n"
            "from core.run import Run\n\n"
            f'recipe = make("{self.lab}", "{self.problem}", "{self.method}",\n'
            f"              {problem_params!r},\n"
            f"              {method_params!r}, seed={self.seed})\n"
            "run = Run([recipe]).inline()\n"
            "print(run.poll().members[0].view.final_scalars())\n"
        )


def make(
    lab: str,
    problem: str,
    method: str,
    problem_params: Mapping[str, object] = MappingProxyType({}),
    method_params: Mapping[str, object] = MappingProxyType({}),
    seed: int = 0,
    prefixes: tuple[str, str] = ("-p ", "-m "),
    files: bool = False,
) -> Recipe:
    """Check names and values and return the recipe with every default filled in.

    Parameters
    ----------
    prefixes : how the user names a parameter of the problem and of the method, for messages.
    files : whether a pose may be given as the path of a file.

    Raises
    ------
    InputError
        For an unknown lab, problem, method or parameter, or a refused value.
    """
    registry.lab(lab)
    problem_spec, method_spec = registry.problem_spec(lab, problem), registry.method_spec(lab, method)
    if not 0 <= seed < 2**63:
        raise InputError("seed", "a whole number from 0 to 2^63 - 1", repr(seed))
    return Recipe(
        lab,
        problem_spec.key,
        method_spec.key,
        MappingProxyType(
            registry.values(registry.instantiate(problem_spec, problem_params, prefixes[0], files=files))
        ),
        MappingProxyType(
            registry.values(registry.instantiate(method_spec, method_params, prefixes[1], files=files))
        ),
        seed,
    )


def from_json(text: str, files: Mapping[str, str] = MappingProxyType({})) -> Recipe:
    """Read a recipe document.

    Parameters
    ----------
    files : paths of its input files by parameter name; each must have the recorded content.

    Raises
    ------
    InputError
        If the text is no recipe, or an input file is missing or differs.
    """
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise InputError("recipe", f"format {FORMAT}", repr(document["format"]), "update iterscope")
        problem, method, seed = document["problem"], document["method"], document["seed"]
        names = document["lab"], problem["key"], method["key"]
        if not all(isinstance(name, str) for name in names) or type(seed) is not int:
            raise TypeError(f"lab, problem, method, seed = {(*names, seed)}")
        problem_params, method_params = dict(problem["parameters"]), dict(method["parameters"])
        wanted = {
            name: (str(file["name"]), float(file["size"]), str(file["sha256"]))
            for name, file in dict(document.get("files", {})).items()
        }
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError("recipe", "a JSON document written by iterscope", _reason(error)) from None
    for name in files:
        if name not in wanted:
            raise InputError(
                f"-p {name}", "a file that the recipe names: " + (", ".join(wanted) or "it names none"), name
            )
    for name, (file_name, size, content) in wanted.items():
        if name not in files:
            raise InputError(
                f"recipe file {name}",
                f"{file_name} ({size / 1e6:.1f} MB)",
                "no file",
                f"give it as -p {name}=PATH",
            )
        if _content_hash(Path(files[name])) != content:
            raise InputError(f"-p {name}", f"the content of {file_name}", "another file")
        problem_params[name] = files[name]
    for name, value in problem_params.items():
        if name not in wanted and str(value).startswith(_CONTENT):
            raise InputError("recipe", f"name and size of the file {name}", "its hash alone")
    return make(*names, problem_params, method_params, seed)


def _reason(error: Exception) -> str:
    """Return what is wrong with a recipe document, in words."""
    if isinstance(error, KeyError):
        return f"no entry {error}"
    return "another text" if isinstance(error, RecursionError) else str(error)


def with_method(recipe: Recipe, method: str, method_params: Mapping[str, object]) -> Recipe:
    """Return the same problem and seed with another method."""
    other = make(recipe.lab, recipe.problem, method, {}, method_params, recipe.seed)
    return dataclasses.replace(other, problem_params=recipe.problem_params)


def same_problem(recipes: Sequence[Recipe]) -> bool:
    """Whether all recipes pose the same problem with the same seed."""
    first = recipes[0]
    return all(
        (r.lab, r.problem, dict(r.problem_params), r.seed)
        == (first.lab, first.problem, dict(first.problem_params), first.seed)
        for r in recipes
    )


def versions() -> dict[str, str]:
    """Return the versions of iterscope and of the libraries that shape its numbers."""
    found = {}
    for name in ("iterscope", "numpy", "scipy", "numba"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def _changed(spec: ProblemSpec | MethodSpec, values: Mapping[str, Value]) -> dict[str, Value]:
    return {p.name: values[p.name] for p in spec.parameters if values[p.name] != p.default}


def _content_hash(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of the files of a folder."""
    try:
        if path.is_dir():
            return _hash_of_folder(path, _listing(path))
        stat = path.stat()
    except OSError as error:
        raise InputError(str(path), "a readable file", error.strerror or "nothing") from None
    return _hash_of(path, stat.st_size, stat.st_mtime_ns)


def _size(path: Path) -> int:
    """Return the bytes of a file, or of the files of a folder together."""
    return sum(size for _, size, _ in _listing(path)) if path.is_dir() else path.stat().st_size


def _listing(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, size and time of the files of a folder; subfolders and hidden files do not count."""
    found = []
    for path in folder.iterdir():
        if not path.name.startswith(".") and path.is_file():
            stat = path.stat()
            found.append((path.name, stat.st_size, stat.st_mtime_ns))
        if len(found) > MAX_FOLDER_FILES:
            raise InputError(folder.name, f"a folder of at most {MAX_FOLDER_FILES:,} files", "more")
    if (total := sum(size for _, size, _ in found)) > MAX_FOLDER_BYTES:
        raise InputError(
            folder.name, f"files of at most {MAX_FOLDER_BYTES / 2**30:g} GB together",
            f"{total / 2**30:.1f} GB", "put the part that is to be used into a folder of its own",
        )  # fmt: skip
    return tuple(sorted(found))


@lru_cache(maxsize=8)
def _hash_of_folder(folder: Path, listing: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, _, _ in listing:
        digest.update(f"{_hash_now(folder / name)} {name}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _hash_of(path: Path, size: int, modified: int) -> str:
    return _hash_now(path)


def _hash_now(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(str(path), "a readable file", error.strerror or "nothing") from None
