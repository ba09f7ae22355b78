"""Registration and its refusals, parameters and their texts, discovery."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import registry
from core.errors import InputError
from core.registry import LabSpec, Parameter, Scalar, method, param, parameters, problem

pytestmark = pytest.mark.usefixtures("toy_lab")


def register(cls: type[Any], key: str = "new", **changes: Any) -> type[Any]:
    options = {
        "lab": "toy", "title": "New", "source": "somebody, 2026", "example": "bowl",
        "scalars": {"gap": Scalar("gap")},
    }  # fmt: skip
    return method(key, **(options | changes))(cls)


@dataclass(frozen=True)
class Plain:
    rtol: float = param(0.5, low=0.0, high=1.0)

    def iterate(self, problem: object) -> None: ...


def test_a_registered_class_is_found_and_left_as_it_is() -> None:
    assert register(Plain, order=5) is Plain
    spec = registry.method_spec("toy", "new")
    assert (spec.cls, spec.title, spec.source) == (Plain, "New", "somebody, 2026")
    assert [m.key for m in registry.methods("toy")][:2] == ["descent", "new"]


def test_a_key_or_alias_is_taken_once_in_its_lab() -> None:
    for key, aliases in (
        ("descent", ()), ("gradient_descent", ()), ("new", ("descent",)),
        ("new", ("gradient_descent",)), ("new", ("new",)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="two entries named"):
            register(Plain, key, aliases=aliases)
    register(Plain, "descent", lab="other")
    del registry._methods["other", "descent"]


def test_aliases_lead_to_the_renamed_entry() -> None:
    assert registry.method_spec("toy", "gradient_descent").key == "descent"
    assert registry.problem_spec("toy", "basin").key == "bowl"


def test_a_method_without_a_source_is_refused() -> None:
    with pytest.raises(ValueError, match="no source"):
        register(Plain, source="")


@pytest.mark.parametrize("name", ["k", "seconds", "work.operator", "snapshot.x", "a b", ""])
def test_scalars_that_collide_with_other_columns_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="names of scalars"):
        register(Plain, scalars={"gap": Scalar("gap"), name: Scalar("x")})


def test_only_frozen_dataclasses_with_the_right_method_are_taken() -> None:
    @dataclass
    class Thawed:
        def iterate(self, problem: object) -> None: ...

        def build(self, seed: int) -> None: ...

    class Bare:
        def iterate(self, problem: object) -> None: ...

        def build(self, seed: int) -> None: ...

    @dataclass(frozen=True)
    class Idle:
        pass

    for cls in (Thawed, Bare, Idle):
        with pytest.raises(TypeError, match="frozen dataclass"):
            register(cls)
        with pytest.raises(TypeError, match="frozen dataclass"):
            problem("new", lab="toy", title="New")(cls)


def made(annotation: Any, field: Any) -> type[Any]:
    space = {"__annotations__": {"value": annotation}, "value": field}
    return dataclass(frozen=True)(type("Made", (), space))


@pytest.mark.parametrize(
    ("annotation", "field", "message"),
    [
        (int, 3, "not declared with param"),
        (list, param(3), "must be an int, float, bool or str"),
        (float, param(1), "= 1 is no float"),
        (int, param(True), "= True is no int"),
        (bool, param(0), "= 0 is no bool"),
        (str, param(3), "= 3 is no str"),
    ],
)
def test_a_parameter_is_declared_with_the_type_of_its_default(
    annotation: Any, field: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        parameters(made(annotation, field))


@pytest.mark.parametrize(
    ("annotation", "field"),
    [
        (float, param(2.0, low=0.0, high=1.0)),
        (int, param(-1, low=0)),
        (str, param("c", choices=("a", "b"))),
        (float, param(float("nan"))),
    ],
)
def test_a_default_that_would_be_refused_is_refused_at_once(annotation: Any, field: Any) -> None:
    with pytest.raises(InputError):
        parameters(made(annotation, field))


def one(annotation: Any, field: Any) -> Parameter:
    return parameters(made(annotation, field))[0]


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        (one(int, param(1, low=1, high=2_000_000)), "a whole number from 1 to 2000000"),
        (one(float, param(0.5, low=0.0, high=1.0, unit="m")), "a number from 0 to 1 m"),
        (one(float, param(0.5, low=0.25, unit="m")), "a number from 0.25 m upwards"),
        (one(int, param(1, high=9)), "a whole number up to 9"),
        (one(float, param(0.5)), "a number"),
        (one(bool, param(True)), "true or false"),
        (one(str, param("a", choices={"a": "A", "b": "B"})), "a | b"),
        (one(str, param("", form="file")), "the path of a file"),
    ],
)
def test_the_accepted_values_are_said_in_words(parameter: Parameter, text: str) -> None:
    assert parameter.range_text == text


COUNT = one(int, param(5, low=1, high=100, doc="how many"))
RATE = one(float, param(0.5, low=-1.0, high=1.0))
FLAG = one(bool, param(False))
WORD = one(str, param("a", choices=("a", "b")))


@pytest.mark.parametrize(
    ("parameter", "value", "parsed"),
    [
        (COUNT, "7", 7), (COUNT, " 7 ", 7), (COUNT, 7.0, 7), (COUNT, "1e2", 100),
        (RATE, "-1", -1.0), (RATE, 1, 1.0), (RATE, "2.5e-1", 0.25),
        (FLAG, "true", True), (FLAG, "OFF", False), (FLAG, 1, True), (FLAG, False, False),
        (WORD, "b", "b"),
    ],
)  # fmt: skip
def test_texts_and_numbers_become_values_of_the_declared_type(
    parameter: Parameter, value: object, parsed: object
) -> None:
    answer = parameter.parse(value, "-m value")
    assert answer == parsed
    assert type(answer) is parameter.type


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (COUNT, "0"), (COUNT, "101"), (COUNT, "2.5"), (COUNT, "x"), (COUNT, ""), (COUNT, True),
        (COUNT, None), (COUNT, [1]), (COUNT, 10**400), (COUNT, "1" + "0" * 400), (COUNT, "0x10"),
        (RATE, "nan"), (RATE, "inf"), (RATE, "-1.0000001"), (RATE, "1,5"), (RATE, False), (RATE, {}),
        (FLAG, "2"), (FLAG, "maybe"), (FLAG, None),
        (WORD, "c"), (WORD, "A"), (WORD, ""), (WORD, None),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_the_range(parameter: Parameter, value: object) -> None:
    with pytest.raises(InputError) as error:
        parameter.parse(value, "-m value")
    assert (error.value.what, error.value.expected) == ("-m value", parameter.range_text)


@given(st.integers() | st.floats() | st.text() | st.none() | st.booleans() | st.lists(st.integers()))
def test_parsing_anything_gives_a_value_in_range_or_an_input_error(value: object) -> None:
    for parameter in (COUNT, RATE):
        try:
            number = parameter.parse(value, "-m value")
        except InputError:
            continue
        assert parameter.low <= number <= parameter.high  # type: ignore[operator]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    spec = registry.method_spec("toy", "descent")
    with pytest.raises(InputError, match=r"-m tolerance: .*step, rtol, max_iterations"):
        registry.instantiate(spec, {"tolerance": "1"}, "-m ")
    for find, key in ((registry.method_spec, "descnt"), (registry.problem_spec, "")):
        with pytest.raises(InputError, match="toy: expected"):
            find("toy", key)
    with pytest.raises(InputError, match="experiment of toy"):
        registry.experiment_spec("toy", "none")
    with pytest.raises(InputError, match="lab: expected registration"):
        registry.lab("cooking")


def test_values_gives_every_parameter_defaults_included() -> None:
    made = registry.instantiate(registry.method_spec("toy", "descent"), {"step": "0.5"}, "-m ")
    assert registry.values(made) == {"step": 0.5, "rtol": 1e-6, "max_iterations": 200}


# Discovery, on packages made for the test.


def install_lab(monkeypatch: pytest.MonkeyPatch, folder: Path, files: dict[str, str]) -> None:
    """Put a lab ``core.mock`` on the disk: lab.py, problem.py and the given method files."""
    package = folder / "mock"
    (package / "methods").mkdir(parents=True)
    (package / "lab.py").write_text(
        "from core.registry import LabSpec, register_lab\n"
        "register_lab(LabSpec('mock', 'Mock', '', 'gap', ('problem',), lambda problem, view: {}))\n"
    )
    (package / "problem.py").write_text("")
    for name, text in files.items():
        (package / "methods" / name).write_text(text)
    mock, methods = ModuleType("core.mock"), ModuleType("core.mock.methods")
    mock.__path__, methods.__path__ = [str(package)], [str(package / "methods")]
    monkeypatch.setitem(sys.modules, "core.mock", mock)
    monkeypatch.setitem(sys.modules, "core.mock.methods", methods)
    monkeypatch.setattr(registry, "LABS", (*registry.LABS, "mock"))


@pytest.fixture
def mock_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    yield lambda files: install_lab(monkeypatch, tmp_path, files)
    registry._labs.pop("mock", None)
    registry._unavailable.pop("mock", None)
    for key in [k for k in registry._methods if k[0] == "mock"]:
        del registry._methods[key]
    for name in [n for n in sys.modules if n.startswith("core.mock.")]:
        del sys.modules[name]


GOOD = """
from dataclasses import dataclass
from core.registry import Scalar, method, param

@method({key!r}, lab="mock", title="Good", source="me", example="p", scalars={{"gap": Scalar("gap")}})
@dataclass(frozen=True)
class Good:
    n: int = param(1)
    def iterate(self, problem): ...
"""


def test_a_module_that_cannot_be_imported_is_listed_with_its_reason(mock_lab: Any) -> None:
    mock_lab(
        {
            "good.py": GOOD.format(key="good"),
            "lost.py": "import a_library_that_is_not_there",
            "linked.py": "raise OSError('libusb-1.0.so.0: cannot open shared object file')",
            "typo.py": "def f(:",
            "twin.py": GOOD.format(key="good"),
        }
    )
    assert [m.key for m in registry.methods("mock")] == ["good"]
    reasons = {u.module.rpartition(".")[2]: u.reason for u in registry.unavailable("mock")}
    assert reasons.keys() == {"lost", "linked", "typo", "twin"}
    assert "a_library_that_is_not_there" in reasons["lost"]
    assert "libusb" in reasons["linked"]
    assert reasons["typo"].startswith("SyntaxError")
    assert "two entries named 'good'" in reasons["twin"]
    with pytest.raises(InputError, match=r"method lost: expected what .*a_library_that_is_not_there"):
        registry.method_spec("mock", "lost")


def test_a_lab_that_cannot_be_imported_says_so_every_time(mock_lab: Any, tmp_path: Path) -> None:
    mock_lab({})
    (tmp_path / "mock" / "lab.py").write_text("import a_library_that_is_not_there")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
            registry.lab("mock")


def test_sessions_that_discover_at_once_all_see_everything(mock_lab: Any) -> None:
    slow = "import time\ntime.sleep(0.05)\n"
    mock_lab({f"m{i}.py": slow + GOOD.format(key=f"m{i}") for i in range(4)})
    seen: list[object] = []

    def discover() -> None:
        try:
            seen.append((registry.lab("mock").title, len(registry.methods("mock"))))
        except Exception as error:
            seen.append(error)

    threads = [threading.Thread(target=discover) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [("Mock", 4)] * 8


def test_registering_a_lab_makes_it_known() -> None:
    assert registry.lab("toy") == LabSpec("toy", "Toy", "for tests", "gap", (), registry.lab("toy").result)
