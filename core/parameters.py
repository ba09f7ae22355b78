"""Hyper-parameters as fields of a dataclass: how they are declared, described, parsed and checked."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from core.errors import InputError
from core.linalg.lie import canonical_pose

Value = int | float | bool | str
#: How a text parameter is read: plain, the path of a file (hashed by content), or a rigid pose.
Form = Literal["text", "file", "pose"]


_FORMS: Mapping[Form, str] = {
    "text": "text",
    "file": "the path of a file",
    "pose": "16 or 12 numbers row by row, or x y z roll pitch yaw in m and degrees",
}


def param(
    default: Value,
    *,
    low: float | None = None,
    high: float | None = None,
    log: bool = False,
    unit: str = "",
    choices: Sequence[str] | Mapping[str, str] = (),
    form: Form = "text",
    label: str = "",
    doc: str = "",
    advanced: bool = False,
) -> Any:
    """Declare a hyper-parameter as a dataclass field.

    Parameters
    ----------
    low, high : inclusive range of a number.
    log : whether a slider should be logarithmic.
    choices : accepted texts, or a mapping from accepted text to what the page shows for it.
    form : "file" = path of an input file, "pose" = rigid transform (see `core.linalg.lie.parse_pose`).
    label : short name on the page; the field's name with blanks by default.
    doc : one sentence, shown as help.
    advanced : whether the page folds it away.
    """
    names = dict(choices) if isinstance(choices, Mapping) else {c: c for c in choices}
    metadata = {
        "low": low, "high": high, "log": log, "unit": unit, "choices": MappingProxyType(names),
        "form": form, "label": label, "doc": doc, "advanced": advanced,
    }  # fmt: skip
    return field(default=default, metadata=metadata)


def inherited(of: type[Any], name: str, **changes: Any) -> Any:
    """Declare a parameter as another class declares it, but for what is named.

    Parameters
    ----------
    of : dataclass that declares it.
    name : of its field there.
    changes : ``default`` and the keywords of `param` that differ here.

    Raises
    ------
    ValueError
        If `of` declares no such parameter.
    TypeError
        If a change is no keyword of `param`.
    """
    declared = next((f for f in dataclasses.fields(of) if f.name == name), None)
    if declared is None:
        raise ValueError(f"{of.__name__} has no parameter {name!r}")
    return param(**({"default": declared.default, **declared.metadata} | changes))


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared hyper-parameter; see `param`."""

    name: str
    type: type[Value]
    default: Value
    low: float | None
    high: float | None
    log: bool
    unit: str
    choices: Mapping[str, str]
    form: Form
    label: str
    doc: str
    advanced: bool

    @property
    def range_text(self) -> str:
        """The accepted values in words."""
        if self.choices:
            return " | ".join(self.choices)
        if self.type is bool:
            return "true or false"
        if self.type is str:
            return _FORMS[self.form]
        kind = "a whole number" if self.type is int else "a number"
        low = "" if self.low is None else f" from {self.low:.10g}"
        high = "" if self.high is None else f"{'' if low else ' up'} to {self.high:.10g}"
        upwards = " upwards" if low and not high else ""
        return f"{kind}{low}{high}" + (f" {self.unit}" if self.unit and (low or high) else "") + upwards

    def parse(self, value: object, where: str, *, files: bool = False) -> Value:
        """Convert and check a value from a link, a command line or a recipe.

        Parameters
        ----------
        where : how the user knows the parameter, for example ``-m rtol`` or ``?m.rtol``.
        files : whether a pose may be the path of a file; only true for the machine's own user.

        Raises
        ------
        InputError
            If the value is of the wrong kind or out of range.
        """
        refused = InputError(where, self.range_text, repr(value), self.doc)
        if self.type is bool:
            words = {"true": True, "1": True, "yes": True, "on": True,
                     "false": False, "0": False, "no": False, "off": False}  # fmt: skip
            answer = value if isinstance(value, bool) else words.get(str(value).strip().lower())
            if answer is None:
                raise refused
            return answer
        if self.type is str:
            text = str(value)
            if self.choices and text not in self.choices:
                raise refused
            return canonical_pose(text, where, files=files) if self.form == "pose" and text else text
        if isinstance(value, bool):
            raise refused
        try:
            number = float(typing.cast(Any, value))
        except (TypeError, ValueError, OverflowError):
            raise refused from None
        if not math.isfinite(number) or (self.type is int and number != int(number)):
            raise refused
        if (self.low is not None and number < self.low) or (self.high is not None and number > self.high):
            raise refused
        return int(number) if self.type is int else number


def parameters(cls: type[Any]) -> tuple[Parameter, ...]:
    """Read the declared parameters of a method's or problem's dataclass, in their order."""
    hints = typing.get_type_hints(cls)
    found = []
    for f in dataclasses.fields(cls):
        if not f.metadata:
            raise TypeError(f"{cls.__name__}.{f.name} is not declared with param()")
        if hints[f.name] not in (int, float, bool, str) or f.default is MISSING:
            raise TypeError(f"{cls.__name__}.{f.name} must be an int, float, bool or str with a default")
        meta = dict(f.metadata)
        meta["label"] = meta["label"] or f.name.replace("_", " ")
        parameter = Parameter(name=f.name, type=hints[f.name], default=f.default, **meta)
        # an int where a float is declared would give a recipe another hash than the same number given as text
        if type(f.default) is not parameter.type:
            raise TypeError(f"{cls.__name__}.{f.name} = {f.default!r} is no {parameter.type.__name__}")
        # the canonical text, so that a default given as text is the default
        default = parameter.parse(f.default, f"{cls.__name__}.{f.name}")
        found.append(dataclasses.replace(parameter, default=default))
    return tuple(found)
