"""Nodes that do not fit together are found before a run."""

import pytest

from wm_planner.errors import ConfigError
from wm_planner.node.facts import Facts, check_fit

CAMERAS = Facts(offers={"camera": {"front": "64 x 64 pixels", "side": "64 x 64 pixels", "any": None}})


def needs(**cameras):
    return Facts(needs={"camera": cameras})


def reach(value):
    return "" if value == "dx" else "its arm is too short"


@pytest.mark.parametrize(
    "facts",
    [
        [],
        [Facts(agrees={"period": 0.2}), Facts(), Facts(agrees={"period": 0.2})],
        [Facts(agrees={"period": 1 / 30}), Facts(agrees={"period": 0.0333333})],
        [CAMERAS, needs(side="64 x 64 pixels"), needs(front=None), needs(any="8 x 8 pixels")],
        [needs(any="8 x 8 pixels"), Facts(agrees={"period": 0.1})],
        [Facts(agrees={"action": "dx"}), Facts(judges={"action": reach, "period": reach})],
    ],
)
def test_nodes_that_fit_pass(facts):
    check_fit([(f"node {i}", each) for i, each in enumerate(facts)], "x.yaml")


def test_two_values_are_named_with_their_nodes():
    nodes = [("a", Facts(agrees={"the period": 0.2})), ("b", Facts(agrees={"the period": 0.4}))]
    with pytest.raises(ConfigError, match=r"x.yaml: the period is 0.4 in b, but 0.2 in a: choose"):
        check_fit(nodes, "x.yaml")


def test_everything_that_does_not_fit_is_named_once():
    nodes = [("a", Facts({"rate": 1, "kind": "x"}, {"camera": {}})), ("b", Facts({"rate": 2, "kind": "y"}))]
    nodes += [("c", Facts({"rate": 2})), ("d", needs(top=None))]
    with pytest.raises(ConfigError) as caught:
        check_fit(nodes, "x.yaml")
    assert str(caught.value).startswith(
        "x.yaml: rate is 2 in b, but 1 in a; kind is y in b, but x in a; d needs the camera top, a offers "
        "none: choose"
    )


def test_a_node_may_refuse_the_value_of_another():
    nodes = [("a", Facts({"the action": "dz"})), ("b", Facts(judges={"the action": reach}))]
    with pytest.raises(ConfigError, match="the action is dz in a, which b cannot carry out: its arm is too"):
        check_fit(nodes, "x.yaml")


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (needs(top=None), "b needs the camera top, a offers front .64 x 64 pixels., side"),
        (needs(front="8 x 8 pixels"), "b needs the camera front .8 x 8 pixels., a offers front"),
    ],
)
def test_what_is_not_offered_is_named(wanted, reason):
    with pytest.raises(ConfigError, match=reason):
        check_fit([("a", CAMERAS), ("b", wanted)], "x.yaml")
