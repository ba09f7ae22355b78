"""Compiled kernels with one fixed signature each, kept on disk until any source file beside them changes.

numba keeps compiled code per function and looks at that function's own file alone: it would go on using the
old code where a function or a constant in another file has changed. Here the stamp of the kept code covers
all Python files in the kernel's folder. So kernels may call what stands in another file of their folder, and
nothing compiled that stands elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

import numba
import platformdirs
from numba.core import caching

from core.iterate import Preparation, Progress

P = ParamSpec("P")
R = TypeVar("R")

if not os.access(Path(__file__).parent, os.W_OK):
    _home = os.environ.get("ITERSCOPE_HOME") or platformdirs.user_data_dir("iterscope")
    _config: Any = numba.config
    _config.CACHE_DIR = str(Path(_home) / "compiled")


def source_stamp(folder: Path) -> str:
    """Return a hash of the names and the contents of all Python files in `folder`."""
    stamp = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        stamp.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return stamp.hexdigest()


class _WholeFolder:
    """The part of a numba cache locator that says whether kept code is still good."""

    _py_file: str

    def get_source_stamp(self) -> str:
        return source_stamp(Path(self._py_file).parent)

    def get_disambiguator(self) -> str:
        # numba puts the line number here, and so leaves the code of every earlier version behind
        return "kernel"


class _ChosenFolder(_WholeFolder, caching.UserProvidedCacheLocator):
    """Keep the code in numba's `CACHE_DIR`, where one is set."""


class _BesideSource(_WholeFolder, caching.InTreeCacheLocator):
    """Keep the code in `__pycache__`."""


class _KeptResults(caching.CompileResultCacheImpl):
    _locator_classes = [_ChosenFolder, _BesideSource]  # noqa: RUF012 - numba wants a list


class _Cache(caching.FunctionCache):
    _impl_class = _KeptResults


#: Two threads may want the same kernel at once, the warm-up's and a run's.
_LOCK = threading.RLock()


class Kernel(Generic[P, R]):
    """A compiled function with one fixed signature; arguments of any other type are an error."""

    def __init__(
        self, function: Callable[P, R], stage: str, signature: str, options: Mapping[str, Any]
    ) -> None:
        self.stage = stage
        self._signature = signature
        self._dispatcher: Any = numba.njit(**options)(function)
        # what `cache=True` does with a class of numba's
        self._dispatcher._cache = _Cache(function)  # type: ignore[no-untyped-call]
        self.__doc__ = function.__doc__
        #: whether the kernel is compiled or loaded; asking numba takes as long as a small kernel
        self.ready = False

    def compile(self) -> None:
        """Compile the kernel, or load it from the cache."""
        with _LOCK:
            if not self.ready:
                self._dispatcher.compile(self._signature)
                self._dispatcher.disable_compile()
                self.ready = True

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the kernel."""
        if not self.ready:
            self.compile()
        return self._dispatcher(*args, **kwargs)  # type: ignore[no-any-return]


class Kernels:
    """The kernels of one package.

    Parameters
    ----------
    options : of numba's compiler, for every kernel that names none of its own.

    Examples
    --------
    >>> kernels = Kernels({"nogil": True})
    >>> @kernels.add("doubling", "float64(float64)")
    ... def double(x: float) -> float:
    ...     return 2.0 * x
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._kernels: list[Kernel[Any, Any]] = []

    def add(
        self, stage: str, signature: str, options: Mapping[str, Any] | None = None
    ) -> Callable[[Callable[P, R]], Kernel[P, R]]:
        """Return a decorator that makes a kernel; `stage` is what the progress line says."""

        def register(function: Callable[P, R]) -> Kernel[P, R]:
            kernel = Kernel(function, stage, signature, self._options if options is None else options)
            self._kernels.append(kernel)
            return kernel

        return register

    def ready(self) -> bool:
        """Whether every kernel is compiled or loaded."""
        return all(kernel.ready for kernel in self._kernels)

    def compile_all(self) -> Preparation[None]:
        """Compile every kernel; later starts load them from the cache."""
        for done, kernel in enumerate(self._kernels):
            yield Progress(f"compiling: {kernel.stage}", done, len(self._kernels))
            kernel.compile()
