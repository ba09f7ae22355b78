"""A run as data: canonical form, hash, documents, scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import recipe as recipe_module
from core.errors import InputError
from core.recipe import Recipe, from_json, make, same_problem, with_method
from core.run import Run
from tests.toy_lab import install, remove

pytestmark = pytest.mark.usefixtures("toy_lab")

ROOT = Path(__file__).parents[2]


def table(folder: Path, name: str = "start.txt", value: float = 2.0) -> Path:
    path = folder / name
    path.write_text(f"{value} {value} {value}\n")
    return path


def test_the_canonical_form_holds_every_parameter_and_nothing_else() -> None:
    assert make("toy", "bowl", "descent", {"n": "4"}, {"step": 0.5}, 7).canonical() == {
        "format": 1,
        "lab": "toy",
        "problem": {
            "key": "bowl",
            "parameters": {
                "n": 4, "condition": 10.0, "stages": 2, "stage_seconds": 0.0, "start": "ones",
                "table": "", "fail": False,
            },
        },
        "method": {"key": "descent", "parameters": {"step": 0.5, "rtol": 1e-6, "max_iterations": 200}},
        "seed": 7,
    }  # fmt: skip


def test_the_hash_is_what_it_was() -> None:
    # links and stored runs name it: a change of this value is a change of the format
    assert make("toy", "bowl", "descent", {"n": 4}, {"step": 0.5}, 7).hash() == "d76e983913c90566"


def test_the_hash_does_not_care_how_a_value_was_written() -> None:
    texts = make("toy", "basin", "gradient_descent", {"n": "3"}, {"step": "1", "rtol": "0.000001"})
    assert texts.hash() == make("toy", "bowl", "descent").hash()
    assert make("toy", "bowl", "descent", {}, {"step": 1}).hash() == texts.hash()


@pytest.mark.parametrize(
    "other",
    [
        lambda: make("toy", "bowl", "descent", {"n": 4}),
        lambda: make("toy", "bowl", "descent", {}, {"step": 0.5}),
        lambda: make("toy", "bowl", "descent", seed=1),
        lambda: make("toy", "bowl", "prepared"),
    ],
)
def test_the_hash_sees_problem_method_parameters_and_seed(other: Any) -> None:
    assert other().hash() != make("toy", "bowl", "descent").hash()


def test_files_count_by_content_not_by_path(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    here, copy = table(tmp_path), table(tmp_path / "elsewhere", "copy.txt")
    other = table(tmp_path, "other.txt", 3.0)
    hashes = [make("toy", "bowl", "descent", {"table": path}).hash() for path in (here, copy, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    text = json.dumps(make("toy", "bowl", "descent", {"table": str(here)}).canonical())
    assert str(tmp_path) not in text
    before = hashes[0]
    here.write_text("9 9 9 9\n")
    assert make("toy", "bowl", "descent", {"table": here}).hash() != before


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    recipe = make("toy", "bowl", "descent", {"table": tmp_path / "gone.txt"})
    with pytest.raises(InputError, match=r"gone\.txt: expected a readable file, found No such file"):
        recipe.hash()


def test_a_folder_counts_by_the_names_and_contents_of_its_files(tmp_path: Path) -> None:
    def recipe_hash() -> str:
        return make("toy", "bowl", "descent", {"table": tmp_path}).hash()

    found = [recipe_hash()]
    first = table(tmp_path, "first.txt")
    found.append(recipe_hash())
    first.rename(tmp_path / "second.txt")
    found.append(recipe_hash())
    table(tmp_path, "second.txt", 33.0)
    found.append(recipe_hash())
    assert len(set(found)) == 4
    table(tmp_path, ".hidden")
    (tmp_path / "inner").mkdir()
    table(tmp_path / "inner")
    assert recipe_hash() == found[-1]


def test_a_folder_too_large_to_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        table(tmp_path, f"{i}.txt")
    for limit in ("MAX_FOLDER_FILES", "MAX_FOLDER_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(recipe_module, limit, 2)
            with pytest.raises(InputError, match="at most"):
                make("toy", "bowl", "descent", {"table": tmp_path}).hash()


@given(
    n=st.integers(1, 100),
    condition=st.floats(1.0, 1e6),
    start=st.sampled_from(["ones", "random"]),
    step=st.floats(0.01, 1.9),
    seed=st.integers(0, 2**63 - 1),
)
def test_a_document_gives_back_the_recipe(
    n: int, condition: float, start: str, step: float, seed: int
) -> None:
    problem_params = {"n": n, "condition": condition, "start": start}
    remove()  # hypothesis repeats within one fixture
    install()
    recipe = make("toy", "bowl", "descent", problem_params, {"step": step}, seed)
    again = from_json(recipe.to_json())
    assert again == recipe
    assert again.hash() == recipe.hash() == json.loads(recipe.to_json())["hash"]


def test_a_document_asks_for_its_files_and_checks_them(tmp_path: Path) -> None:
    path = table(tmp_path)
    text = make("toy", "bowl", "descent", {"table": path}).to_json()
    assert str(tmp_path) not in text
    moved = tmp_path / "moved.txt"
    path.rename(moved)
    again = from_json(text, {"table": str(moved)})
    assert again.hash() == json.loads(text)["hash"]
    with pytest.raises(InputError, match=r"file table: expected start\.txt \(0\.0 MB\).*-p table=PATH"):
        from_json(text)
    with pytest.raises(InputError, match=r"-p table: expected the content of start\.txt, found another file"):
        from_json(text, {"table": str(table(tmp_path, "wrong.txt", 5.0))})
    with pytest.raises(InputError, match=r"-p n: expected a file that the recipe names: table"):
        from_json(text, {"table": str(moved), "n": "4"})


def test_old_documents_with_old_names_still_work() -> None:
    document = json.loads(make("toy", "bowl", "descent").to_json())
    document["method"]["key"], document["problem"]["key"] = "gradient_descent", "basin"
    assert from_json(json.dumps(document)) == make("toy", "bowl", "descent")


def edited(**changes: Any) -> str:
    document = json.loads(make("toy", "bowl", "descent").to_json())
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = document
        for name in parents:
            place = place[name]
        place[last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 1, found 2; update"),
        ({"lab": "cooking"}, "lab: expected"),
        ({"lab": ["toy"]}, "written by iterscope"),
        ({"problem": "bowl"}, "written by iterscope"),
        ({"problem__key": "cup"}, "problem of toy"),
        ({"method__key": None}, "written by iterscope"),
        ({"method__parameters": [1, 2]}, "written by iterscope"),
        ({"method__parameters__step": 5.0}, "-m step: expected a number from 0.01 to 1.9"),
        ({"method__parameters__step": [1]}, "-m step"),
        ({"method__parameters__stride": 1}, "-m stride: expected a parameter of descent"),
        ({"problem__parameters__n": 10**400}, "-p n"),
        ({"problem__parameters__table": "sha256:00"}, "the file table"),
        ({"seed": 1.5}, "written by iterscope"),
        ({"seed": True}, "written by iterscope"),
        ({"seed": -1}, "seed: expected a whole number"),
        ({"files": ["start.txt"]}, "written by iterscope"),
        ({"files": {"table": {"name": "a"}}}, "no entry 'size'"),
    ],
)
def test_a_spoilt_document_is_refused_in_one_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        from_json(edited(**changes))
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"x"', "{}", "[" * 100_000, "\x00"])
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="recipe: expected a JSON document"):
        from_json(text)


@given(st.data())
def test_no_truncated_document_raises_anything_else(data: st.DataObject) -> None:
    remove()
    install()
    text = make("toy", "bowl", "descent").to_json()
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(InputError):
        from_json(text[:cut])


def test_seeds_are_whole_numbers_of_63_bits() -> None:
    assert make("toy", "bowl", "descent", seed=2**63 - 1).seed == 2**63 - 1
    for seed in (-1, 2**63):
        with pytest.raises(InputError, match="seed"):
            make("toy", "bowl", "descent", seed=seed)


def test_messages_name_a_parameter_as_the_user_knows_it() -> None:
    with pytest.raises(InputError, match=r"\?m\.step: expected a number from"):
        make("toy", "bowl", "descent", {}, {"step": "x"}, prefixes=("?p.", "?m."))
    with pytest.raises(InputError, match=r"-p n: expected a whole number from 1 to 100"):
        make("toy", "bowl", "descent", {"n": "0"})


def test_another_method_on_the_same_problem() -> None:
    recipe = make("toy", "bowl", "descent", {"n": 4}, seed=3)
    other = with_method(recipe, "prepared", {"stages": "1"})
    assert same_problem([recipe, other])
    assert (other.method, dict(other.method_params)["stages"], other.seed) == ("prepared", 1, 3)
    assert not same_problem([recipe, make("toy", "bowl", "descent", {"n": 4}, seed=4)])


def script_output(recipe: Recipe, folder: Path) -> str:
    script = "from tests.toy_lab import install\ninstall()\n" + recipe.python()
    script += "print(run.view().members[0].view.trace_hash())\n"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_the_copied_script_gives_the_same_trace(tmp_path: Path) -> None:
    recipe = make(
        "toy", "bowl", "descent", {"start": "random", "condition": 100.0, "table": table(tmp_path)},
        {"step": 1.3, "max_iterations": 9}, 5,
    )  # fmt: skip
    view = Run([recipe]).inline().view().members[0].view
    scalars, trace_hash = script_output(recipe, tmp_path).splitlines()
    assert trace_hash == view.trace_hash()
    assert np.array_equal(list(eval(scalars).values()), list(view.final_scalars().values()))
    assert len(recipe.python().splitlines()) <= 8
