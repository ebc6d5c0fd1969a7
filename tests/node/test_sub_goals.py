"""Goals in order: from picture files or /goal through perception to the planner, which pursues one by one."""

import numpy as np
import pytest
from arm_messages import BUNDLE, TICK
from PIL import Image

from wm_planner.bridges.messages import goal_message, latent_message
from wm_planner.bridges.planning import PlanningConfig, check_adapter
from wm_planner.contracts.task import Goal
from wm_planner.errors import ConfigError, InputError
from wm_planner.launching.program_file import node_class
from wm_planner.messaging import messages as m
from wm_planner.share import find
from wm_planner.world_models.onnx.model import OnnxWorldModel

PICTURES = [np.full((64, 64, 3), level, np.uint8) for level in (40, 120, 200)]


def shown(picture, **rest):
    return Goal(dict.fromkeys(("front", "side"), picture), **rest)


@pytest.fixture
def files(tmp_path):
    for at, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(tmp_path / f"{at}.png")
    return [
        {"images": dict.fromkeys(("front", "side"), str(tmp_path / f"{at}.png")), "steps": steps}
        for at, steps in enumerate((4, 10, 0))
    ]


def params(goals):
    from wm_planner.config import convert

    program = node_class(find("nodes/perception.py"))
    return program, convert({"world_model": BUNDLE, "goals": goals}, program.Params, "perception")


def test_sub_goals_are_encoded_in_order_with_their_steps(bench):
    made = bench("perception", world_model=BUNDLE)
    *before, last = PICTURES
    goal = shown(last, before=tuple(shown(each, steps=4) for each in before))
    made.hear("/goal", goal_message(9, goal, 0))
    [message] = made.take("/goal_latent")
    assert message.goal_id == 9 and list(message.steps) == [4, 4, 0]
    tokens = next(iter(m.named_arrays_of(message.arrays).values()))
    assert len(tokens) == 3 and not np.array_equal(tokens[0], tokens[1])


def test_pictures_of_files_are_pursued_instead_of_those_of_a_topic(bench, files):
    _, given = params(files)
    made = bench("perception", world_model=BUNDLE, goals=given.goals)
    assert "/goal" not in made.node.inputs
    [message] = made.take("/goal_latent")
    assert list(message.steps) == [4, 10, 0] and made.node.goal_id == message.goal_id


def test_picture_files_that_cannot_be_pursued_are_refused_before_a_run(files):
    program, given = params(files)
    program.check(given)
    del files[1]["images"]["side"]
    with pytest.raises(ConfigError, match=r"goals\[1\].images has front, the model reads front, side"):
        program.check(params(files)[1])
    with pytest.raises(ConfigError, match=r"goals\[0\] has no steps, so the goals after it"):
        program.check(params([{**files[0], "steps": 0}, files[0]])[1])


def latents(steps):
    spaces = OnnxWorldModel.load(BUNDLE, device="cpu").card.latents
    rng = np.random.default_rng(0)
    return {each.name: rng.normal(size=(steps, *each.shape)).astype(each.dtype) for each in spaces}


def test_the_planner_goes_on_to_the_next_goal_after_its_steps(bench):
    planner = {"type": "cem", "horizon": 1, "samples": 4, "elites": 2, "iterations": 1}
    made = bench("planner", world_model=BUNDLE, planner=planner, costs=[{"type": "latent_goal"}])
    made.hear("/goal_latent", latent_message(latents(3), 5, 0, np.nan, steps=[2, 1, 0]))
    pursued = []
    for tick in range(5):
        made.hear("/latent", latent_message(latents(1), 5, tick * TICK, 0.0))
        executed = np.zeros(3, np.float32)
        made.hear("/action", m.Action(m.header(tick * TICK), ["dx", "dy", "dz"], ["m"] * 3, executed, False))
        pursued.append(made.node.adapter.pursuit.index)
    assert pursued == [0, 0, 1, 2, 2]
    assert len(made.take("/plan")) == 5


def test_limits_that_would_stop_no_node_are_refused():
    planning = PlanningConfig(planner={"type": "cem"}, world_model=BUNDLE, costs=[{"type": "latent_goal"}])
    check_adapter({"type": "latent", "goals": {"reached": 0.1}}, planning, "adapter")
    with pytest.raises(ConfigError, match="`patience` or `max_ticks`, which stop no node"):
        check_adapter({"type": "latent", "goals": {"patience": 3}}, planning, "adapter")


@pytest.mark.parametrize("steps", [[4, 4], [0, 4, 4]])
def test_a_sequence_that_could_never_end_is_no_goal(bench, steps):
    made = bench("planner", world_model=BUNDLE, planner={"type": "cem"}, costs=[{"type": "latent_goal"}])
    with pytest.raises(InputError, match="wanted one row and one number of steps per goal"):
        made.hear("/goal_latent", latent_message(latents(3), 5, 0, np.nan, steps=steps))
