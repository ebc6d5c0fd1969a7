from typing import Annotated, Literal

import msgspec
import pytest

from wm_planner.config import Config, Positive, convert, read_yaml, setting, to_builtins
from wm_planner.errors import ConfigError


class Wheel(Config, frozen=True, kw_only=True):
    radius_m: float = 0.3


class Car(Config, frozen=True, kw_only=True):
    name: str
    seats: Positive = 4
    wheels: tuple[Wheel, ...] = ()
    spare: Wheel | None = None
    by_side: dict[str, Wheel] | None = None


def test_values_become_a_frozen_struct():
    car = convert({"name": "beetle", "wheels": [{"radius_m": 0.25}]}, Car, "car.yaml")
    assert car.wheels[0].radius_m == 0.25
    with pytest.raises(AttributeError):
        car.name = "other"
    assert convert(to_builtins(car), Car, "again") == car


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "x", "weels": []}, "car.yaml: unknown key 'weels', did you mean 'wheels'?"),
        (
            {"name": "x", "spare": {"radius": 1}},
            "car.yaml.spare: unknown key 'radius', did you mean 'radius_m'?",
        ),
        ({"name": "x", "wheels": [{}, {"r": 1}]}, "car.yaml.wheels[1]: unknown key 'r', known: radius_m"),
        (
            {"name": "x", "wheels": [{"radius_m": "big"}]},
            "wheels[0].radius_m: got 'big', wanted a number",
        ),
        ({"name": "x", "by_side": {"left": {"r": 1}}}, "unknown key 'r', known: radius_m"),
        ({"name": "x", "seats": 0}, "car.yaml.seats: got 0, wanted an integer >= 1"),
        ({}, "car.yaml: the key 'name' is missing"),
    ],
)
def test_an_error_names_the_path_and_the_closest_key(values, message):
    with pytest.raises(ConfigError) as error:
        convert(values, Car, "car.yaml")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gains": "big"}, "got 'big', wanted a list of numbers"),
        ({"gains": ["big"]}, "gains[0]: got 'big', wanted a number"),
        ({"gains": []}, "got [], wanted a list of numbers of length >= 1"),
        ({"size": [3]}, "got [3], wanted a list of 2 integers"),
        ({"size": [3, 0.5]}, "size[1]: got 0.5, wanted an integer"),
        ({"shapes": {"a": 3}}, "shapes[...]: got an integer, wanted a list of integers"),
        ({"shapes": 3}, "got 3, wanted a mapping of names to lists of integers"),
        ({"seed": "x" * 80}, f"got '{'x' * 59}..., wanted an integer or null"),
        ({"cars": {"name": "x"}}, "got {'name': 'x'}, wanted a list of mappings (keys: name, seats, "),
        ({"side": 3}, "got 3, wanted one of left, right"),
        ({"side": "lef"}, "got 'lef', did you mean 'left'? (known: left, right)"),
    ],
)
def test_an_error_says_in_words_what_was_got_and_wanted(values, message):
    class Garage(Config, frozen=True, kw_only=True):
        gains: Annotated[tuple[float, ...], msgspec.Meta(min_length=1)] = (1.0,)
        size: tuple[int, int] = (1, 1)
        shapes: dict[str, list[int]] | None = None
        seed: int | None = None
        cars: tuple[Car, ...] = ()
        side: Literal["left", "right"] = "left"

    with pytest.raises(ConfigError) as error:
        convert(values, Garage, "garage.yaml: ")
    assert str(error.value).startswith(f"garage.yaml: {next(iter(values))}")
    assert message in str(error.value)


def test_yaml_that_cannot_be_read_is_reported_with_its_line(tmp_path):
    file = tmp_path / "x.yaml"
    with pytest.raises(ConfigError, match=r"x\.yaml: cannot be read \(No such file"):
        read_yaml(file)
    file.write_text("a: 1\nb: [1, 2\n")
    with pytest.raises(ConfigError, match=r"x\.yaml, line 3: not valid YAML"):
        read_yaml(file)
    file.write_text("- a\n- b\n")
    with pytest.raises(ConfigError, match="got list, wanted a mapping"):
        read_yaml(file)
    file.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ConfigError, match="not valid YAML"):
        read_yaml(file)


def test_yaml_is_read_as_a_mapping(tmp_path):
    (tmp_path / "x.yaml").write_text("name: beetle\nwheels: [{radius_m: 0.2}]\n")
    assert convert(read_yaml(tmp_path / "x.yaml"), Car, "x.yaml").wheels[0].radius_m == 0.2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({1: 2}, "car.yaml: got the key 1, wanted text: write it in quotes"),
        ({"name": "x", "spare": {True: 1}}, "car.yaml.spare: got the key True, wanted text"),
        ({"name": "x", "by_side": {None: {}}}, "car.yaml.by_side: got the key None, wanted text"),
    ],
)
def test_a_key_that_is_not_text_is_reported_with_its_place(values, message):
    with pytest.raises(ConfigError) as error:
        convert(values, Car, "car.yaml")
    assert message in str(error.value)


def test_a_setting_that_is_not_yaml_names_the_option():
    assert setting("planner.horizon=3") == ("planner.horizon", 3)
    with pytest.raises(ConfigError, match=r"--set 'seed=!!int x', line 1: not valid YAML \('x' is not a"):
        setting("seed=!!int x")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused_with_their_place(number):
    class Inner(Config, frozen=True, kw_only=True):
        rates: tuple[float, ...] = ()

    class Outer(Config, frozen=True, kw_only=True):
        inner: Inner = Inner()

    with pytest.raises(ConfigError, match=r"planner: inner\.rates\[1\]: got (nan|inf), wanted a finite"):
        convert({"inner": {"rates": [1.0, number]}}, Outer, "planner: ")
    with pytest.raises(ConfigError, match=r"^file\.yaml: unknown key 'a'"):
        convert({"a": 1}, Outer, "file.yaml: ")
