"""What exists: labs, problems, methods and experiments, each registered where it is defined.

A method is one file in ``core/<lab>/methods/``. Its parameters are dataclass fields made with `param`; from
their metadata come the page's widgets and URL keys, validation, the recipe, the tests' strategies and the
documentation, so nothing about a parameter is written twice.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import threading
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from core.errors import InputError
from core.parameters import Parameter as Parameter
from core.parameters import Value as Value
from core.parameters import inherited as inherited
from core.parameters import param as param
from core.parameters import parameters as parameters

if TYPE_CHECKING:
    from core.trace import TraceView

Kind = Literal["solver", "analysis", "training", "simulation"]


class Scale(Enum):
    """Preferred axis of a recorded number."""

    LINEAR = "linear"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number that a method records at every k."""

    label: str
    unit: str = ""
    scale: Scale = Scale.LINEAR


@dataclass(frozen=True, slots=True)
class ProblemSpec:
    """A registered problem: `cls` is a frozen dataclass whose ``build(rng_seed)`` is a Preparation."""

    key: str
    lab: str
    title: str
    cls: type[Any]
    parameters: tuple[Parameter, ...]
    doc: str
    kind: Kind | None
    order: int
    aliases: tuple[str, ...]
    scalars: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """A registered method."""

    key: str
    lab: str
    title: str
    cls: type[Any]
    parameters: tuple[Parameter, ...]
    source: str
    assumes: str
    scalars: Mapping[str, Scalar]
    colour: int
    kind: Kind
    example: str
    order: int
    aliases: tuple[str, ...]


class Verdict(Enum):
    """What became of a paper's claim when it was measured here."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold here"
    NOT_SHOWABLE = "cannot be shown at this size"


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict with the sentence that carries the measured numbers."""

    verdict: Verdict
    sentence: str


@dataclass(frozen=True, slots=True)
class ExperimentSpec:
    """A prepared comparison: one problem, some methods, the paper's claim and a check of it.

    `check` receives the traces by method key and the results by method key; `seconds` is what it takes on two
    cores, 0 where that is no time to wait.
    """

    key: str
    lab: str
    title: str
    question: str
    claim: str
    source: str
    problem: str
    problem_params: Mapping[str, Value]
    methods: Mapping[str, Mapping[str, Value]]
    seed: int
    explanation: str
    order: int
    seconds: int
    check: Callable[[Mapping[str, TraceView], Mapping[str, Mapping[str, Any]]], Finding]


@dataclass(frozen=True, slots=True)
class LabSpec:
    """A lab: one page, one kind of problem, one yardstick that all its methods record.

    `result(problem, view)` turns a finished trace into the lab's JSON-ready result, `artefacts` turns it into
    further files by name. `declares` names the modules of the lab's package that register problems and
    experiments.
    """

    key: str
    title: str
    tagline: str
    yardstick: str
    declares: tuple[str, ...]
    result: Callable[[Any, TraceView], dict[str, Any]]
    artefacts: Callable[[Any, TraceView], Mapping[str, bytes]] = lambda problem, view: {}


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A method's module that failed to import."""

    module: str
    reason: str

    @property
    def key(self) -> str:
        """The module's own name, which is the method's."""
        return self.module.rpartition(".")[2]

    @property
    def sentence(self) -> str:
        """The reason without the kind of error."""
        return self.reason.partition(": ")[2]


#: Packages under core/ that hold a lab.
LABS = ("registration", "poisson", "optimizers")

_labs: dict[str, LabSpec] = {}
_problems: dict[tuple[str, str], ProblemSpec] = {}
_methods: dict[tuple[str, str], MethodSpec] = {}
_experiments: dict[tuple[str, str], ExperimentSpec] = {}
_unavailable: dict[str, list[Unavailable]] = {}
#: Sessions discover at the same time; re-entrant because a lab's modules may look things up.
_discovery = threading.RLock()


def _frozen_dataclass(cls: type[Any]) -> bool:
    return dataclasses.is_dataclass(cls) and typing.cast(Any, cls).__dataclass_params__.frozen


def _insert(table: dict[tuple[str, str], Any], spec: Any) -> None:
    taken = {k for s in table.values() if s.lab == spec.lab for k in (s.key, *getattr(s, "aliases", ()))}
    for key in (spec.key, *getattr(spec, "aliases", ())):
        if key in taken:
            raise ValueError(f"{spec.lab} has two entries named {key!r}")
        taken.add(key)
    table[spec.lab, spec.key] = spec


def register_lab(spec: LabSpec) -> None:
    """Register a lab; called once, by ``core/<lab>/lab.py``."""
    _labs[spec.key] = spec


def method(
    key: str,
    *,
    lab: str,
    title: str,
    source: str,
    example: str,
    scalars: Mapping[str, Scalar],
    assumes: str = "",
    colour: int = 0,
    kind: Kind = "solver",
    order: int = 100,
    aliases: tuple[str, ...] = (),
) -> Callable[[type[Any]], type[Any]]:
    """Register a frozen dataclass with ``iterate`` as a method.

    Parameters
    ----------
    key : permanent name (it stands in links); the published name in snake case.
    source : paper: authors, year, venue or arXiv number.
    example : key of a problem that the method takes, for the contract tests.
    scalars : what it records at every k; must contain the lab's yardstick.
    colour : index into the palette of methods.
    """

    def register(cls: type[Any]) -> type[Any]:
        if not _frozen_dataclass(cls) or not callable(getattr(cls, "iterate", None)):
            raise TypeError(f"{cls.__name__} must be a frozen dataclass with iterate()")
        if not source:
            raise ValueError(f"method {key!r} names no source")
        if odd := [name for name in scalars if not name.isidentifier() or name in ("k", "seconds")]:
            raise ValueError(f"method {key!r}: {odd} cannot be names of scalars")
        spec = MethodSpec(
            key, lab, title, cls, parameters(cls), source, assumes, MappingProxyType(dict(scalars)),
            colour, kind, example, order, aliases,
        )  # fmt: skip
        _insert(_methods, spec)
        return cls

    return register


def problem(
    key: str,
    *,
    lab: str,
    title: str,
    kind: Kind | None = None,
    order: int = 100,
    aliases: tuple[str, ...] = (),
    scalars: Mapping[str, Scalar] = MappingProxyType({}),
) -> Callable[[type[Any]], type[Any]]:
    """Register a frozen dataclass with ``build(seed) -> Preparation`` as a problem.

    Parameters
    ----------
    kind : of the runs on it, where it is not the method's own.
    scalars : what methods may record on it beside what they declare themselves.
    """

    def register(cls: type[Any]) -> type[Any]:
        if not _frozen_dataclass(cls) or not callable(getattr(cls, "build", None)):
            raise TypeError(f"{cls.__name__} must be a frozen dataclass with build()")
        doc = (cls.__doc__ or "").strip()
        spec = ProblemSpec(
            key, lab, title, cls, parameters(cls), doc, kind, order, aliases, MappingProxyType(dict(scalars))
        )
        _insert(_problems, spec)
        return cls

    return register


def experiment(
    key: str,
    *,
    lab: str,
    title: str,
    question: str,
    claim: str,
    source: str,
    problem: str,
    methods: Mapping[str, Mapping[str, Value]],
    problem_params: Mapping[str, Value] = MappingProxyType({}),
    seed: int = 0,
    order: int = 100,
    seconds: int = 0,
) -> Callable[[Callable[..., Finding]], Callable[..., Finding]]:
    """Register ``check(views, results) -> Finding`` as an experiment; its docstring explains it."""

    def register(check: Callable[..., Finding]) -> Callable[..., Finding]:
        spec = ExperimentSpec(
            key, lab, title, question, claim, source, problem, MappingProxyType(dict(problem_params)),
            MappingProxyType(dict(methods)), seed, inspect.cleandoc(check.__doc__ or ""), order,
            seconds, check,
        )  # fmt: skip
        _insert(_experiments, spec)
        return check

    return register


def _discover(key: str) -> None:
    """Import everything that a lab registers; a module that fails is remembered with its reason."""
    with _discovery:
        if key in _unavailable:
            return
        if key not in LABS:
            raise InputError("lab", " | ".join(LABS), repr(key))
        importlib.import_module(f"core.{key}.lab")
        names = [f"core.{key}.{name}" for name in _labs[key].declares]
        package = importlib.import_module(f"core.{key}.methods")
        names += sorted(f"{package.__name__}.{m.name}" for m in pkgutil.iter_modules(package.__path__))
        _unavailable[key] = []
        for name in names:
            try:
                importlib.import_module(name)
            except Exception as error:  # a missing shared library is an OSError, for example
                _unavailable[key].append(Unavailable(name, f"{type(error).__name__}: {error}"))


def lab(key: str) -> LabSpec:
    """Return the lab named `key`; InputError if there is none."""
    _discover(key)
    return _labs[key]


def labs() -> tuple[LabSpec, ...]:
    """Return every lab in the order of `LABS`."""
    return tuple(lab(key) for key in LABS)


def _sorted(table: Mapping[tuple[str, str], Any], lab_key: str) -> tuple[Any, ...]:
    _discover(lab_key)
    return tuple(sorted((s for s in table.values() if s.lab == lab_key), key=lambda s: (s.order, s.key)))


def _named(table: Mapping[tuple[str, str], Any], lab_key: str, key: str, what: str) -> Any:
    _discover(lab_key)
    if (found := table.get((lab_key, key))) is not None:
        return found
    entries = _sorted(table, lab_key)
    for spec in entries:
        if key in getattr(spec, "aliases", ()):
            return spec
    raise InputError(f"{what} of {lab_key}", " | ".join(s.key for s in entries), repr(key))


def methods(lab_key: str) -> tuple[MethodSpec, ...]:
    """Return the lab's methods in their declared order."""
    return _sorted(_methods, lab_key)


def problems(lab_key: str) -> tuple[ProblemSpec, ...]:
    """Return the lab's problems in their declared order."""
    return _sorted(_problems, lab_key)


def experiments(lab_key: str) -> tuple[ExperimentSpec, ...]:
    """Return the lab's experiments in their declared order."""
    return _sorted(_experiments, lab_key)


def unavailable(lab_key: str) -> tuple[Unavailable, ...]:
    """Return the lab's modules that could not be imported, with the reason."""
    _discover(lab_key)
    return tuple(_unavailable[lab_key])


def method_spec(lab_key: str, key: str) -> MethodSpec:
    """Return the method named `key` (or aliased so).

    Raises
    ------
    InputError
        If there is none, or if it needs a package that is not installed.
    """
    for missing in unavailable(lab_key) if lab_key in LABS else ():
        if missing.key == key:
            raise InputError(f"method {key}", "what it needs to be there", "that it is not", missing.sentence)
    return typing.cast(MethodSpec, _named(_methods, lab_key, key, "method"))


def problem_spec(lab_key: str, key: str) -> ProblemSpec:
    """Return the problem named `key` (or aliased so); InputError if there is none."""
    return typing.cast(ProblemSpec, _named(_problems, lab_key, key, "problem"))


def experiment_spec(lab_key: str, key: str) -> ExperimentSpec:
    """Return the experiment named `key`; InputError if there is none."""
    return typing.cast(ExperimentSpec, _named(_experiments, lab_key, key, "experiment"))


def instantiate(
    spec: MethodSpec | ProblemSpec, values: Mapping[str, object], prefix: str, *, files: bool = False
) -> Any:
    """Build a method or problem from given values, defaults elsewhere.

    Parameters
    ----------
    values : by parameter name; texts are converted.
    prefix : how the user names a parameter, for example ``"-m "`` or ``"?m."``.
    files : whether a pose may be the path of a file.

    Raises
    ------
    InputError
        For an unknown name, a value of the wrong kind, one out of range, or a combination that the class
        refuses in ``__post_init__``.
    """
    known = {p.name: p for p in spec.parameters}
    for name in values:
        if name not in known:
            raise InputError(f"{prefix}{name}", f"a parameter of {spec.key}: {', '.join(known)}", repr(name))
    chosen = {name: parameter.default for name, parameter in known.items()}
    for name, value in values.items():
        chosen[name] = known[name].parse(value, f"{prefix}{name}", files=files)
    return spec.cls(**chosen)


def values(instance: Any) -> dict[str, Value]:
    """Return every parameter of a method or problem with its value, defaults included."""
    return {f.name: getattr(instance, f.name) for f in dataclasses.fields(instance)}
