"""Nodes that do not fit together are found before a run."""

import pytest

from wm_planner.errors import ConfigError
from wm_planner.node.facts import Facts, check_fit

CAMERAS = Facts(offers={"camera": {"front": "64 x 64 pixels", "side": "64 x 64 pixels"}})


def needs(**cameras):
    return Facts(needs={"camera": cameras})


@pytest.mark.parametrize(
    "facts",
    [
        [],
        [Facts(agrees={"period": 0.2}), Facts(), Facts(agrees={"period": 0.2})],
        [CAMERAS, needs(side="64 x 64 pixels"), needs(front=None)],
        [needs(any="8 x 8 pixels"), Facts(agrees={"period": 0.1})],
    ],
)
def test_nodes_that_fit_pass(facts):
    check_fit([(f"node {i}", each) for i, each in enumerate(facts)], "x.yaml")


def test_two_values_are_named_with_their_nodes():
    nodes = [("a", Facts(agrees={"the period": 0.2})), ("b", Facts(agrees={"the period": 0.4}))]
    with pytest.raises(ConfigError, match=r"x.yaml: the period is 0.4 in b, but 0.2 in a"):
        check_fit(nodes, "x.yaml")


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (needs(top=None), "b needs the camera top, the run offers front .64 x 64 pixels., side"),
        (needs(front="8 x 8 pixels"), "b needs the camera front .8 x 8 pixels., the run offers front"),
    ],
)
def test_what_is_not_offered_is_named(wanted, reason):
    with pytest.raises(ConfigError, match=reason):
        check_fit([("a", CAMERAS), ("b", wanted)], "x.yaml")
