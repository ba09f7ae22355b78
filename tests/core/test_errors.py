"""The one error that users see."""

import pickle

from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError


def test_the_sentence_names_object_expectation_finding_and_remedy() -> None:
    error = InputError("a.ply", "1.44 MB", "0.90 MB", "upload it again")
    assert str(error) == "a.ply: expected 1.44 MB, found 0.90 MB; upload it again"


def test_without_a_remedy_the_sentence_ends_with_the_finding() -> None:
    assert str(InputError("-m rtol", "a number", "'x'")) == "-m rtol: expected a number, found 'x'"


@given(st.tuples(*[st.text(max_size=20)] * 4))
def test_it_crosses_a_process_border_unharmed(fields: tuple[str, str, str, str]) -> None:
    error = InputError(*fields)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is InputError
    assert (again.what, again.expected, again.got, again.hint) == fields
    assert str(again) == str(error)


def test_code_that_knows_only_value_error_catches_it() -> None:
    assert issubclass(InputError, ValueError)
