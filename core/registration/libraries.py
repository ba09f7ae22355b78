"""Other people's programs: which are installed, and loading them where they are used, not before."""

from __future__ import annotations

import ctypes
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from core.errors import InputError


def peer_version(package: str) -> str | None:
    """Return the installed version of a package without importing it, None where it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def load_open3d(threads: int = 1) -> Any:
    """Import Open3D (about a second and 200 MB, so only where it is used), and set its number of threads.

    With more than one its sums depend on the order in which threads finish, and the same recipe would give
    another trace. Its parallel loops are TBB's, which do not heed ``OMP_NUM_THREADS``.

    Raises
    ------
    InputError
        If it is not installed or cannot be loaded.
    """
    try:
        import libusb_package

        # Open3D's wheel needs this library and does not bring it
        ctypes.CDLL(str(libusb_package.get_library_path()))
        import open3d
    except (ImportError, OSError) as error:
        raise InputError("open3d", "the package Open3D", str(error), "pip install open3d") from error
    if hasattr(open3d.utility, "set_max_threads"):  # before 0.20 OMP_NUM_THREADS ruled
        open3d.utility.set_max_threads(threads)
    return open3d


def load_small_gicp() -> Any:
    """Import small_gicp.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import small_gicp
    except ImportError as error:
        raise InputError(
            "small_gicp", "the package small_gicp", str(error), "pip install 'iterscope[peers]'"
        ) from error
    return small_gicp
