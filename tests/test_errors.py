import inspect
import json

from wm_planner import errors
from wm_planner.errors import WmError, describe, did_you_mean


def test_every_error_is_a_wm_error_and_is_drawn_in_the_tree():
    classes = [
        cls for _, cls in inspect.getmembers(errors, inspect.isclass) if cls.__module__ == errors.__name__
    ]
    assert all(issubclass(cls, WmError) for cls in classes)
    assert all(cls.__name__ in str(errors.__doc__) for cls in classes)


def test_the_closest_name_is_offered_with_all_known_names():
    assert did_you_mean("cen", ["icem", "cem"]) == "did you mean 'cem'? (known: cem, icem)"


def test_without_a_close_name_only_the_known_ones_are_listed():
    assert did_you_mean("zzz", {"b", "a"}) == "known: a, b"
    assert did_you_mean("zzz", []) == "known: none"


def test_a_long_list_is_cut():
    assert did_you_mean("zzz", (f"{i:02}" for i in range(30))).endswith("22, 23 and 6 more")


def test_an_unexpected_error_is_described_with_the_users_own_line():
    try:
        json.loads("{")
    except ValueError as error:
        text = describe(error)
    assert text.startswith("JSONDecodeError: Expecting property name")
    assert text.split(" (")[-1].startswith("test_errors.py, line ")  # and not json/decoder.py
    assert describe(KeyError()) == "KeyError"
