"""The toy lab, for the tests of the spine."""

from tests.toy_lab import toy_lab

__all__ = ["toy_lab"]
