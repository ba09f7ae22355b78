"""Errors that a user can act on."""

from __future__ import annotations


class InputError(ValueError):
    """Unusable input, said in one sentence: object, expected, found, what to do.

    Parameters
    ----------
    what : the object at fault as the user knows it: a file's name, ``-m rtol``, ``?m.rtol``.
    expected : what would have been accepted.
    got : what was found instead.
    hint : what to do about it.
    """

    def __init__(self, what: str, expected: str, got: str, hint: str = "") -> None:
        self.what, self.expected, self.got, self.hint = what, expected, got, hint
        super().__init__(f"{what}: expected {expected}, found {got}" + (f"; {hint}" if hint else ""))

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str, str]]:
        """Pickle by the four fields, so that an error crosses a process border unharmed."""
        return InputError, (self.what, self.expected, self.got, self.hint)
