"""Which fault of camera, axes and gripper is named, with a model that is exact, and with a trained one."""

import json
import sys
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from point_mass import PointMass, action_spec
from seen_arm import SeenArm, pairs

from wm_planner import share
from wm_planner.bench.measurements.camera_check import fault_rows, faults, with_fault
from wm_planner.cli import main
from wm_planner.collection import CollectConfig, collect
from wm_planner.control.pose import action_between, apply_action, matrix_from_euler
from wm_planner.errors import ConfigError
from wm_planner.evaluation.camera_check import selection
from wm_planner.evaluation.camera_check.energies import energies, tool_action_of
from wm_planner.evaluation.camera_check.hypotheses import AXES, EXPECTED, YAWS, Hypothesis, hypotheses
from wm_planner.evaluation.camera_check.picture_changes import PICTURES
from wm_planner.evaluation.camera_check.verdict import verdict

ARM = SeenArm()
KIND = tool_action_of(ARM.card)
TRIED = hypotheses(KIND)


def judged(measured, model=ARM):
    return verdict(energies(model, measured, hypotheses(tool_action_of(model.card))))


def test_all_axes_are_tried_with_the_gripper_both_ways_and_pictures_as_they_are():
    assert len(AXES) == 1 + 11 + 3 + 2 + 3
    assert len(TRIED) == 2 * len(AXES) + len(PICTURES)
    assert TRIED[0] == EXPECTED
    no_gripper = tool_action_of(PointMass(named(("dx", "dy", "dz"))).card)
    assert len(hypotheses(no_gripper)) == len(AXES) + len(PICTURES)


def named(names, unit="m"):
    action = action_spec(len(names), -0.05, 0.05)
    return msgspec.structs.replace(action, names=names, units=(unit,) * len(names))


def test_a_yaw_of_90_degrees_turns_positions_orientations_and_actions_alike():
    turned, pose, action = Hypothesis(YAWS[90]), pairs(1)[0].before.state["tcp_pose"], pairs(1)[0].action
    told = turned.state({"tcp_pose": pose, "mass": np.ones(1)})
    np.testing.assert_allclose(told["tcp_pose"][:3], [-pose[1], pose[0], pose[2]], atol=1e-12)
    np.testing.assert_allclose(
        matrix_from_euler(told["tcp_pose"][3:6]),
        np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]) @ matrix_from_euler(pose[3:6]),
        atol=1e-12,
    )
    assert told["mass"] == 1 and told["tcp_pose"][6] == pose[6]
    np.testing.assert_allclose(
        apply_action(told["tcp_pose"], turned.action(action, KIND)),
        turned.state({"tcp_pose": apply_action(pose, action.astype(np.float64))})["tcp_pose"],
        atol=1e-6,
    )


@pytest.mark.parametrize("tried", TRIED[: 2 * len(AXES)], ids=lambda each: each.fault or "expected")
def test_an_action_between_two_poses_is_that_between_the_poses_in_other_axes(tried):
    (pair,) = pairs(1, seed=4)
    pose, action = pair.before.state["tcp_pose"], pair.action.astype(np.float64)
    poses = pose, apply_action(pose, action)
    before, after = (tried.state({"tcp_pose": each})["tcp_pose"] for each in poses)
    np.testing.assert_allclose(action_between(before, after), tried.action(action, KIND), atol=1e-9)


@pytest.mark.parametrize("fault", faults(KIND), ids=lambda each: each.fault or "nothing")
def test_a_fault_that_is_put_in_is_undone_by_its_own_hypothesis(fault):
    (pair,) = pairs(1)
    faulty = with_fault(pair, fault, KIND)
    np.testing.assert_allclose(fault.action(faulty.action, KIND), pair.action, atol=1e-6)
    state = fault.state(faulty.before.state)["tcp_pose"]
    np.testing.assert_allclose(apply_action(state, np.zeros(7)), pair.before.state["tcp_pose"], atol=1e-9)
    np.testing.assert_array_equal(
        fault.picture.undo(faulty.before.images["front"]), pair.before.images["front"]
    )


@pytest.mark.parametrize("fault", TRIED[: 2 * len(AXES)], ids=lambda each: each.fault or "nothing")
def test_every_fault_of_axes_and_gripper_is_named(fault):
    result = judged([with_fault(pair, fault, KIND) for pair in pairs()])
    assert result.is_sure and result.best.hypothesis == fault
    assert result.best.ratio == pytest.approx(0, abs=1e-3)
    assert str(result).startswith(fault.fault or "camera, axes and gripper are as the model expects")


def test_every_fault_of_the_bench_is_named_in_every_case():
    rows = list(fault_rows(ARM, pairs(60), cases=3))
    assert [row.fault for row in rows[:3]] == ["nothing", YAWS[30].fault, YAWS[90].fault]
    assert all((row.named, row.wrong, row.cases) == (3, 0, 3) for row in rows)


def test_the_advice_says_in_one_line_what_to_do():
    fault = Hypothesis(YAWS[90], swaps_gripper=True)
    said = str(judged([with_fault(pair, fault, KIND) for pair in pairs()]))
    assert "the base axes are turned by 90 degrees about z against the camera" in said
    assert "move the camera by 90 degrees counter-clockwise around the workspace" in said
    assert "send one minus its position, and change the sign of its action" in said
    assert "\n" not in said


def test_a_model_that_knows_nothing_of_the_actions_blames_no_axis():
    result = judged(pairs(), SeenArm(gain=0.0))
    assert not result.explains and not result.as_expected
    assert str(result).startswith("nothing explains the pictures")


def test_a_gripper_that_cannot_be_seen_leaves_both_ways_open():
    class Blind(SeenArm):
        def rollout(self, latent, actions, noise=None):
            without = np.array([1.0] * 6 + [0.0])
            hidden = {**latent, "tcp_pose": latent["tcp_pose"] * without}
            return super().rollout(hidden, actions * without)

    result = judged(pairs(grips=False), Blind())
    first, second = result.explanations[:2]
    assert first.hypothesis.axes is second.hypothesis.axes is EXPECTED.axes
    assert not result.is_sure and first.confidence == 0
    said = "camera and axes are as expected (100% sure), but not which way the gripper counts (0% sure)"
    assert str(result).startswith(said)


def test_half_of_the_pairs_are_those_in_which_the_gripper_moves(monkeypatch):
    actions = np.zeros((101, 7), np.float32)
    actions[[7, 50, 51, 80], 6] = 0.5, -0.5, 0.05, 0.3
    data = SimpleNamespace(episode=np.zeros(101, int), read=lambda name, rows: actions[rows])
    monkeypatch.setattr(selection, "check_fits", lambda data, card: None)
    monkeypatch.setattr(selection, "pairs_at", lambda data, card, rows: rows.tolist())
    assert {7, 50, 80} <= set(selection.telling_pairs(data, ARM.card, 10))
    assert len(selection.telling_pairs(data, ARM.card, 10)) == 10
    assert len(set(selection.telling_pairs(data, ARM.card, 4)) & {7, 50, 80}) == 2


def test_pictures_are_encoded_once_per_change_if_the_state_passes_through_the_encoder():
    model = SeenArm()
    energies(model, pairs(2), hypotheses(KIND))
    assert model.encoded == 2 * 2 * (1 + len(PICTURES))

    class Mixed(SeenArm):
        """Its encoder keeps no pose of its own."""

        def __init__(self):
            super().__init__()
            self.card = msgspec.structs.replace(self.card, latents=self.card.latents[:1])

        def encode(self, observation, **more):
            self.pose = observation.state.get("tcp_pose")
            latent = super().encode(observation)
            return {"z": np.concatenate([latent["z"], latent["tcp_pose"]], axis=1)}

        def rollout(self, latent, actions, noise=None):
            parts = {"z": latent["z"][:, :-7], "tcp_pose": latent["z"][:, -7:]}
            rollout = super().rollout(parts, actions)
            rollout.latents["z"] = np.pad(rollout.latents["z"], ((0, 0), (0, 0), (0, 7)))
            return rollout

    fault = Hypothesis(YAWS[30])
    assert judged([with_fault(pair, fault, KIND) for pair in pairs(20)], Mixed()).best.hypothesis == fault


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        (named(("throttle", "steering")), "takes actions throttle, steering"),
        (action_spec(7), "takes actions a0"),
    ],
)
def test_a_model_without_a_tool_cannot_be_checked(action, problem):
    with pytest.raises(ConfigError, match=f"{problem}.*can be checked for actions dx, dy, dz in m"):
        tool_action_of(PointMass(action).card)


# --- rendered pictures, and a trained model of displacements

REACH = "models/bundles/panda_reach_small"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    path = tmp_path_factory.mktemp("reach") / "data"
    collect(CollectConfig(scene="sim/panda_reach.py", episodes=2, steps=20, seed=500_000, jobs=1), path)
    return path


@pytest.fixture
def wm(monkeypatch, capsys):
    """Runs `wm` in this process, and returns its exit code and its output."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["wm", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main.main()
            sys.exit(0)
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out + captured.err

    return call


def test_the_command_finds_rendered_pictures_of_the_trained_robot_as_expected(rendered, wm):
    code, printed = wm("camera-check", share.find(REACH), "--data", rendered, "--pairs", 20)
    assert code == 0
    assert "camera, axes and gripper are as the model expects (" in printed


def test_the_command_names_axes_that_were_turned_and_ends_with_1(rendered, wm):
    actions = np.load(rendered / "action.npy", mmap_mode="r+")
    kept = actions.copy()
    actions[:] = kept @ YAWS[90].matrix.astype(np.float32)  # by -90 degrees
    try:
        code, printed = wm("camera-check", share.find(REACH), "--data", rendered, "--pairs", 20, "--json")
    finally:
        actions[:] = kept
    found = json.loads(printed)
    assert code == 1 and found["is_sure"] and not found["as_expected"]
    assert found["hypotheses"][0]["fault"] == YAWS[90].fault


def test_without_data_and_running_nodes_the_command_says_how_to_get_pictures(wm):
    code, printed = wm("camera-check", share.find(REACH), "--domain", "nothing-runs-here")
    assert code == 2
    assert "no node runs in domain 'nothing-runs-here'" in printed
