"""Formulas in x and y: read by a small grammar, differentiated exactly, evaluated at points and on grids.

A formula becomes a graph of operations in which every expression occurs once. Derivatives are further nodes
of the graph, and an evaluation runs through the nodes that it needs, in order. Text is never executed.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import InputError
from core.iterate import Array

#: Characters that a formula may have, and levels of brackets.
LONGEST, DEEPEST = 400, 40
FUNCTIONS = ("sin", "cos", "exp", "log", "sqrt", "abs", "tanh")
CONSTANTS = {"pi": math.pi, "e": math.e}

_SCALAR: dict[str, Callable[..., float]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "neg": operator.neg, "power": math.pow, "sin": math.sin, "cos": math.cos, "exp": math.exp,
    "log": math.log, "sqrt": math.sqrt, "abs": abs, "tanh": math.tanh, "atan2": math.atan2,
    "sign": lambda a: math.copysign(1.0, a) if a else 0.0,
}  # fmt: skip
_ARRAY: dict[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative,
    "power": np.power, "sin": np.sin, "cos": np.cos, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
    "abs": np.abs, "tanh": np.tanh, "atan2": np.arctan2, "sign": np.sign,
}  # fmt: skip

#: (operation, operands); constants are ("number", value), inputs ("input", index).
Instruction = tuple[str, tuple[Any, ...]]


class Graph:
    """Operations on numbered nodes; equal expressions are one node, operands come before their users."""

    def __init__(self) -> None:
        self.nodes: list[Instruction] = []
        self._known: dict[Instruction, int] = {}
        self._derivatives: dict[tuple[int, int], int] = {}

    def _node(self, operation: str, *operands: Any) -> int:
        instruction = (operation, operands)
        if instruction not in self._known:
            self._known[instruction] = len(self.nodes)
            self.nodes.append(instruction)
        return self._known[instruction]

    def number(self, value: float) -> int:
        """Return the node of a constant."""
        return self._node("number", float(value))

    def input(self, index: int) -> int:
        """Return the node of the variable with this index."""
        return self._node("input", index)

    def _value(self, node: int) -> float | None:
        operation, operands = self.nodes[node]
        return operands[0] if operation == "number" else None

    def apply(self, operation: str, *operands: int) -> int:
        """Return the node of an operation, simplified where a constant allows it."""
        values = [self._value(node) for node in operands]
        if all(value is not None for value in values):
            try:
                return self.number(_SCALAR[operation](*values))
            except (ArithmeticError, ValueError):
                return self._node(operation, *operands)  # not finite: evaluation will say so
        if (simple := self._simplified(operation, operands, values)) is not None:
            return simple
        return self._node(operation, *operands)

    def _simplified(self, operation: str, nodes: Sequence[int], values: Sequence[float | None]) -> int | None:
        match operation, *values:
            case ("add", 0.0, _) | ("mul", 1.0, _):
                return nodes[1]
            case ("add" | "sub", _, 0.0) | ("mul" | "div", _, 1.0):
                return nodes[0]
            case ("mul", 0.0, _) | ("mul", _, 0.0) | ("div", 0.0, _):
                return self.number(0.0)
            case ("sub", 0.0, _):
                return self.apply("neg", nodes[1])
        return None

    def power(self, base: int, exponent: int) -> int:
        """Return base**exponent: products for small whole exponents, exp(exponent·log(base)) in general."""
        value = self._value(exponent)
        if value is None:
            return self.apply("exp", self.apply("mul", exponent, self.apply("log", base)))
        if value == 0.0:
            return self.number(1.0)
        if value == int(value) and 1 <= abs(value) <= 12:
            result, factor, n = None, base, int(abs(value))
            while n:
                if n & 1:
                    result = factor if result is None else self.apply("mul", result, factor)
                n >>= 1
                if n:
                    factor = self.apply("mul", factor, factor)
            assert result is not None
            return self.apply("div", self.number(1.0), result) if value < 0 else result
        return self.apply("power", base, exponent)

    def derivative(self, node: int, index: int) -> int:
        """Return the node of the derivative of `node` by the variable with this index."""
        key = (node, index)
        if key not in self._derivatives:
            self._derivatives[key] = self._derive(node, index)
        return self._derivatives[key]

    def _derive(self, node: int, index: int) -> int:
        operation, operands = self.nodes[node]
        if operation == "number":
            return self.number(0.0)
        if operation == "input":
            return self.number(float(operands[0] == index))
        a, b = operands[0], operands[-1]
        da, db = self.derivative(a, index), self.derivative(b, index)
        apply, number = self.apply, self.number
        if operation in ("add", "sub"):
            return apply(operation, da, db)
        if operation == "mul":
            return apply("add", apply("mul", da, b), apply("mul", a, db))
        if operation == "div":  # (a' − (a/b) b')/b
            return apply("div", apply("sub", da, apply("mul", node, db)), b)
        if operation == "atan2":
            length = apply("add", apply("mul", a, a), apply("mul", b, b))
            return apply("div", apply("sub", apply("mul", b, da), apply("mul", a, db)), length)
        outer = {
            "neg": lambda: number(-1.0),
            "power": lambda: apply("mul", b, self.power(a, apply("sub", b, number(1.0)))),
            "sin": lambda: apply("cos", a),
            "cos": lambda: apply("neg", apply("sin", a)),
            "exp": lambda: node,
            "log": lambda: apply("div", number(1.0), a),
            "sqrt": lambda: apply("div", number(0.5), node),
            "abs": lambda: apply("sign", a),
            "sign": lambda: number(0.0),
            "tanh": lambda: apply("sub", number(1.0), apply("mul", node, node)),
        }[operation]()  # fmt: skip
        return apply("mul", outer, da)

    def program(self, outputs: Sequence[int], inputs: int) -> Program:
        """Return what computes the outputs, and nothing else."""
        needed, stack = set(), list(outputs)
        while stack:
            node = stack.pop()
            if node not in needed:
                needed.add(node)
                operation, operands = self.nodes[node]
                stack += () if operation in ("number", "input") else operands
        place: dict[int, int] = {}
        registers: list[float] = [0.0] * inputs
        steps: list[tuple[str, tuple[int, ...]]] = []
        for node in sorted(needed):
            operation, operands = self.nodes[node]
            if operation == "input":
                place[node] = operands[0]
            elif operation == "number":
                place[node] = len(registers)
                registers.append(operands[0])
        for node in sorted(needed):
            operation, operands = self.nodes[node]
            if node not in place:
                place[node] = len(registers) + len(steps)
                steps.append((operation, tuple(place[o] for o in operands)))
        return Program(inputs, tuple(registers[inputs:]), tuple(steps), tuple(place[o] for o in outputs))


@dataclass(frozen=True, slots=True)
class Program:
    """Straight-line arithmetic: registers hold the inputs, then constants, then one result a step."""

    inputs: int
    constants: tuple[float, ...]
    steps: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[int, ...]

    def at(self, point: Sequence[float]) -> list[float]:
        """Evaluate at one point; inf and NaN where the formula has no value."""
        try:
            return [float(v) for v in self._run(list(point), _SCALAR)]
        except (ArithmeticError, ValueError):  # Python's floats refuse 1/0, numpy's give inf
            return [float(v) for v in self.over([np.float64(v) for v in point])]

    def over(self, arrays: Sequence[Any]) -> list[Any]:
        """Evaluate for arrays of one shape; an output that does not depend on them is one number."""
        with np.errstate(all="ignore"):
            return self._run(list(arrays), _ARRAY)

    def _run(self, registers: list[Any], functions: dict[str, Callable[..., Any]]) -> list[Any]:
        registers += self.constants
        for operation, operands in self.steps:
            if len(operands) == 2:
                registers.append(functions[operation](registers[operands[0]], registers[operands[1]]))
            else:
                registers.append(functions[operation](registers[operands[0]]))
        return [registers[i] for i in self.outputs]


_TOKEN = re.compile(
    r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(\*\*|[-+*/^(),]))"
)


class _Reader:
    """Recursive descent: sum → product → sign → power → number, name, call or bracket."""

    def __init__(self, text: str, variables: Sequence[str], graph: Graph, what: str) -> None:
        self.text, self.variables, self.graph, self.what = text, variables, graph, what
        self.at, self.depth = 0, 0
        self.kind = self.token = ""
        self._advance()

    def refuse(self, found: str, hint: str = "") -> InputError:
        names = f"{', '.join(self.variables)}, numbers, + - * / **, brackets, pi, {', '.join(FUNCTIONS)}"
        return InputError(self.what, f"a formula of {names}", found, hint)

    def _advance(self) -> None:
        self.start = self.at
        rest = self.text[self.at :]
        if not rest.strip():
            self.kind = self.token = ""
            return
        match = _TOKEN.match(rest)
        if match is None:
            place = self.at + len(rest) - len(rest.lstrip())
            raise self.refuse(f"{self.text[place]!r} at character {place + 1}")
        self.start = self.at + match.start(match.lastindex or 0)
        self.at += match.end()
        self.token = match[match.lastindex or 0]
        self.kind = ("number", "name", "sign")[(match.lastindex or 1) - 1]

    def _take(self, *tokens: str) -> str:
        if self.kind == "sign" and self.token in tokens:
            token = self.token
            self._advance()
            return token
        return ""

    def formula(self) -> int:
        node = self._sum()
        if self.token:
            raise self._unexpected()
        return node

    def _unexpected(self, wanted: str = "") -> InputError:
        if not self.token:
            return self.refuse("an end that comes too early", wanted)
        return self.refuse(f"{self.token!r} at character {self.start + 1}", wanted)

    def _sum(self) -> int:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.refuse(f"more than {DEEPEST} levels of brackets")
        node = self._product()
        while token := self._take("+", "-"):
            node = self.graph.apply("add" if token == "+" else "sub", node, self._product())
        self.depth -= 1
        return node

    def _product(self) -> int:
        node = self._signed()
        while token := self._take("*", "/"):
            node = self.graph.apply("mul" if token == "*" else "div", node, self._signed())
        return node

    def _signed(self) -> int:
        negative = False
        while token := self._take("+", "-"):
            negative ^= token == "-"
        node = self._power()
        return self.graph.apply("neg", node) if negative else node

    def _power(self) -> int:
        base = self._atom()
        if not self._take("**", "^"):
            return base
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.refuse(f"more than {DEEPEST} levels of powers")
        node = self.graph.power(base, self._signed())  # binds to the right, as in a**b**c
        self.depth -= 1
        return node

    def _atom(self) -> int:
        token, kind, start = self.token, self.kind, self.start
        if kind == "number":
            self._advance()
            if not math.isfinite(float(token)):
                raise self.refuse(f"{token!r} at character {start + 1}, which is too large")
            return self.graph.number(float(token))
        if kind == "name":
            self._advance()
            return self._named(token, start)
        if self._take("("):
            node = self._sum()
            self._close()
            return node
        raise self._unexpected()

    def _named(self, name: str, start: int) -> int:
        if name in self.variables:
            return self.graph.input(self.variables.index(name))
        if name in CONSTANTS:
            return self.graph.number(CONSTANTS[name])
        if name not in (*FUNCTIONS, "atan2"):
            raise self.refuse(f"{name!r} at character {start + 1}")
        if not self._take("("):
            raise self._unexpected(f"{name} needs a bracket")
        operands = [self._sum()]
        if name == "atan2":
            if not self._take(","):
                raise self._unexpected("atan2 needs two values")
            operands.append(self._sum())
        self._close()
        return self.graph.apply(name, *operands)

    def _close(self) -> None:
        if not self._take(")"):
            raise self._unexpected("a bracket is not closed")


class Formula:
    """A function of a few variables given by its text, with exact first and second derivatives.

    Parameters
    ----------
    text : the formula; ``^`` is read as ``**``.
    variables : their names, in the order of a point's coordinates.
    undefined_is_zero : whether derivatives that do not exist (0/0 at a kink) count as 0.
    what : how the user knows the text, for messages.

    Raises
    ------
    InputError
        If the text is not of the grammar; the message names the place.
    """

    def __init__(
        self,
        text: str,
        variables: Sequence[str] = ("x", "y"),
        *,
        undefined_is_zero: bool = False,
        what: str = "formula",
    ) -> None:
        graph = Graph()
        reader_text = text.strip()
        if len(reader_text) > LONGEST:
            raise InputError(what, f"at most {LONGEST} characters", f"{len(reader_text)}", "shorten it")
        f = _Reader(text, variables, graph, what).formula()
        self.text, self.n = text, len(variables)
        self._undefined_is_zero = undefined_is_zero
        first = [graph.derivative(f, i) for i in range(self.n)]
        second = [graph.derivative(first[i], j) for i in range(self.n) for j in range(i, self.n)]
        self._value = graph.program([f], self.n)
        self._gradient = graph.program(first, self.n)
        self._both = graph.program([f, *first], self.n)
        self._hessian = graph.program(second, self.n)

    def value(self, x: Array) -> Any:
        """Return f at points (..., n) as an array (...), or as a float for one point (n,)."""
        if x.ndim == 1:
            return self._value.at(x.tolist())[0]
        return _full(self._value.over(self._columns(x))[0], x.shape[:-1])

    def gradient(self, x: Array) -> Array:
        """Return ∇f at points (..., n), same shape."""
        if x.ndim == 1:
            return self._defined(np.array(self._gradient.at(x.tolist())))
        columns = [_full(v, x.shape[:-1]) for v in self._gradient.over(self._columns(x))]
        return self._defined(np.stack(columns, axis=-1))

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return f and ∇f (n,) at one point (n,)."""
        value, *gradient = self._both.at(x.tolist())
        return value, self._defined(np.array(gradient))

    def hessian(self, x: Array) -> Array:
        """Return ∇²f at points (..., n) as (..., n, n)."""
        entries = self._hessian.at(x.tolist()) if x.ndim == 1 else self._hessian.over(self._columns(x))
        H = np.empty((*x.shape, self.n))
        upper = iter(entries)
        for i in range(self.n):
            for j in range(i, self.n):
                H[..., i, j] = H[..., j, i] = next(upper)
        return self._defined(H)

    def _columns(self, x: Array) -> list[Array]:
        return [x[..., i] for i in range(self.n)]

    def _defined(self, derivative: Array) -> Array:
        if self._undefined_is_zero:
            derivative[np.isnan(derivative)] = 0.0
        return derivative


def _full(value: Any, shape: tuple[int, ...]) -> Array:
    """Return a fresh array of this shape."""
    return np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), shape))
