"""Named quantities: what a card says of them, and what bounds an action may have."""

import math

import pytest
from point_mass import make_card, write_bundle

from wm_planner.config import convert
from wm_planner.contracts.card import ActionSpec, Card, ObservationSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.errors import ConfigError, WmError
from wm_planner.world_models.onnx.card_file import read_card

PLAIN = {"name": "x", "size": 2, "unit": "m"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"low": (0.0, 0.0, 0.0)}, "low of 'x' has 3 values, wanted 1 or 2"),
        ({"low": (math.nan,)}, "low of 'x' is .nan,., wanted finite numbers or null"),
        ({"high": (None, math.inf)}, "high of 'x' is .None, inf., wanted finite numbers or null"),
        ({"low": (1.0,), "high": (2.0, 1.0)}, "'x' lies between .* wanted every low below its high"),
        ({"choices": 2, "labels": ("a",)}, "'x' has 1 labels, wanted 2 .choices."),
        ({"labels": ("a",)}, "'x' has 1 labels, wanted 0"),
        ({"choices": 2, "low": (0.0,)}, "choices of 'x' is 2, wanted at most .* without low and high"),
        ({"choices": 2**24 + 1}, "wanted at most 16777216"),
    ],
)
def test_bounds_and_labels_that_cannot_be_are_refused_in_python_and_in_files(given, problem):
    with pytest.raises(ConfigError, match=problem):
        Quantity(**PLAIN, **given)
    if not any(
        each is not None and not math.isfinite(each) for each in given.get("low", given.get("high", ()))
    ):
        with pytest.raises(ConfigError, match=rf"card: .*{problem}"):
            convert({**PLAIN, **given}, Quantity, "card: ")


def test_a_card_keeps_bounds_and_labels_and_writes_no_others(tmp_path):
    state = (
        Quantity(**PLAIN, low=(None, -1.0), high=(2.5,)),
        Quantity(name="room", size=1, unit="", choices=2, labels=("hall", "attic")),
        Quantity(name="y", size=1, unit="m"),
    )
    write_bundle(tmp_path / "toy", make_card(observation=ObservationSpec(state=state)))
    assert read_card(tmp_path / "toy").observation.state == state
    text = (tmp_path / "toy" / "card.yaml").read_text()
    assert text.count("low:") == 2 and text.count("choices:") == 2  # one each is the action's


@pytest.mark.parametrize("low", [math.nan, 1.0, 2.0])
def test_an_action_whose_low_is_not_below_its_high_is_refused_by_name(low):
    with pytest.raises(
        WmError, match=r"the action 'dy' lies between .* and 1, wanted every low below its high"
    ):
        ActionSpec(names=("dx", "dy"), units=("m", "m"), low=(-1.0, low), high=(1.0, 1.0))
    with pytest.raises(WmError, match=r"the action 'dy' lies between 0 and nan"):
        ActionSpec(names=("dx", "dy"), units=("m", "m"), low=(-1.0, 0.0), high=(1.0, math.nan))


def test_the_components_without_bounds_are_named():
    action = ActionSpec(names=("a", "b", "c"), units=("m",) * 3, low=(-math.inf, 0, 0), high=(1, 1, math.inf))
    assert action.unbounded == ("a", "c")
    assert isinstance(make_card(), Card) and make_card().action.unbounded == ()
