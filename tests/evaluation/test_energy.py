import json

import matplotlib.image
import msgspec
import numpy as np
import pytest
from moving_dot import write as write_dots
from point_mass import PointMass, action_spec

from wm_planner.cli import main
from wm_planner.contracts.card import ActionSpec, Card, ObservationSpec, TrainingRecord
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.control.pose import apply_action
from wm_planner.errors import ConfigError, DatasetError
from wm_planner.evaluation.model_quality import energy
from wm_planner.evaluation.model_quality.energy import landscapes, near_minima, planes
from wm_planner.evaluation.model_quality.pairs import Pair, recorded_pair, spread_pairs

PLANES = [(0, 1), (0, 2), (1, 2)]
POSE_CHANGE = ActionSpec(
    names=("dx", "dy", "dz", "droll", "dpitch", "dyaw", "dgripper"),
    units=("m", "m", "m", "rad", "rad", "rad", "share"),
    low=(-0.075,) * 7,
    high=(0.075,) * 7,
)


class Mover(PointMass):
    """Its image is the position, and its latent as well; an action moves it by `gain` times the action."""

    def __init__(self, gain=1.0):
        super().__init__(action_spec(3, -0.05, 0.05), max_candidates=50)
        self.gain = gain

    def encode(self, observation, last_action=None, memory=None, noise=None):
        return {"z": observation.images["front"][None]}

    def rollout(self, latent, actions, noise=None):
        return super().rollout(latent, self.gain * np.asarray(actions))


def pair(*action):
    start, action = np.array([0.1, 0.2, 0.3]), np.array(action, np.float32)
    return Pair("", Observation({"front": start}), Observation({"front": start + action}), action)


def test_minimum_of_an_exact_model_is_at_the_recorded_action():
    model = Mover()
    for drawn, (i, j) in zip(landscapes(model, pair(0.013, -0.021, 0.05), PLANES), PLANES, strict=True):
        assert drawn.names == (f"a{i}", f"a{j}")
        assert drawn.offset == (0, 0)
        assert drawn.is_near
        assert drawn.cost.shape == (11, 11)
        assert drawn.cost.min() == pytest.approx(0, abs=1e-8)
        assert drawn.values[0][drawn.recorded[0]] == pytest.approx((0.013, -0.021, 0.05)[i])
        np.testing.assert_allclose(np.diff(drawn.values), 0.01)
    assert model.evaluations == 3 * 121
    assert max(len(batch) for batch in model.seen) == 50  # the card's max_candidates


def test_rows_are_the_first_component_and_columns_the_second():
    (drawn,) = landscapes(Mover(), pair(0.03, -0.02, 0.0), [(0, 1)], metric="l2")
    expected = (drawn.values[0][:, None] - 0.03) ** 2 + (drawn.values[1] + 0.02) ** 2
    np.testing.assert_allclose(drawn.cost, expected / 3, atol=1e-8)


def test_minimum_of_a_model_with_inverted_actions_is_elsewhere():
    for drawn in landscapes(Mover(gain=-1.0), pair(0.03, -0.03, 0.03), PLANES):
        assert not drawn.is_near
        assert [abs(step) for step in drawn.offset] == [6, 6]


def test_grid_spans_the_bounds_and_extends_to_a_recorded_action_beyond_them():
    (inside,) = landscapes(Mover(), pair(0.05, -0.05, 0.0), [(0, 1)])
    np.testing.assert_allclose(inside.values, [np.linspace(-0.05, 0.05, 11)] * 2, atol=1e-7)
    assert inside.recorded == (10, 0)
    (beyond,) = landscapes(Mover(), pair(0.09, 0.0, 0.0), [(0, 1)], cells=5)
    np.testing.assert_allclose(beyond.values[0], np.linspace(-0.01, 0.09, 5), atol=1e-7)


def test_planes_are_those_named_or_all_pairs_of_the_first_three_components():
    assert planes(POSE_CHANGE) == PLANES
    assert planes(POSE_CHANGE, ["dz,dgripper"]) == [(2, 6)]
    with pytest.raises(ConfigError, match="no component 'dgriper', did you mean 'dgripper'"):
        planes(POSE_CHANGE, ["dx,dgriper"])
    with pytest.raises(ConfigError, match=r"wanted two components, e\.g\. --axes dx,dy"):
        planes(POSE_CHANGE, ["dx"])
    with pytest.raises(ConfigError, match="a landscape needs two"):
        planes(action_spec(1))


def test_near_minima_counts_states_with_a_minimum_near_the_recorded_action(monkeypatch):
    pairs = [pair(0.03, 0.0, 0.0), pair(0.0, 0.005, 0.0), pair(0.0, -0.02, 0.0), pair(0.0, 0.0, 0.05)]
    monkeypatch.setattr(energy, "spread_pairs", lambda data, card, count: pairs)
    assert [near.successes for near in near_minima(Mover(), None, 4).values()] == [4, 4, 4]
    rates = near_minima(Mover(gain=-1.0), None, 4, named=["a0,a1"])
    assert rates[("a0", "a1")][:2] == (2, 4)


# --- recorded pairs


def card(cameras, state, action=POSE_CHANGE, side=16):
    observation = ObservationSpec(cameras=cameras, height=side, width=side, state=(state,))
    return Card(
        name="mine", family="", about="", observation=observation, action=action, control_dt_s=0.2, latents=()
    )


@pytest.fixture(scope="module")
def dots(tmp_path_factory):
    return write_dots(tmp_path_factory.mktemp("dots") / "data", seed=0, episodes=4)


def dot_card(**changes):
    action = action_spec(3, -0.05, 0.05)
    action = msgspec.structs.replace(action, names=changes.get("names", ("dx", "dy", "dz")))
    return card(changes.get("cameras", ("side",)), Quantity(name="tcp_position", size=3, unit="m"), action)


def test_pair_of_a_data_set_is_a_frame_an_action_and_the_next_frame(dots):
    pair = recorded_pair(dots.path, dot_card(), episode=2, step=7)
    row = 2 * 9 + 7
    assert pair.source.endswith("data, episode 2, step 7")
    np.testing.assert_array_equal(pair.before.images["side"], dots.images[row, 1])
    np.testing.assert_array_equal(pair.after.images["side"], dots.images[row + 1, 1])
    np.testing.assert_array_equal(pair.before.state["tcp_position"], dots.quantity("tcp_position")[row])
    np.testing.assert_array_equal(pair.action, dots.action[row])
    assert not pair.after.state  # goals are images only


def test_pairs_are_spread_over_all_episodes_and_within_one_episode_each(dots):
    pairs = list(spread_pairs(dots, dot_card(), 10))
    assert len(pairs) == 10
    assert pairs[0].source.endswith("episode 0, step 0")
    assert pairs[-1].source.endswith("episode 3, step 7")
    assert len(list(spread_pairs(dots, dot_card(), 1000))) == 4 * 8


def test_missing_pair_is_an_error_that_names_the_reason(dots, tmp_path):
    for changes, where, reason in (
        ({}, {"episode": 4}, "episode is 4, wanted 0 to 3"),
        ({}, {"step": 8}, "step is 8, wanted 0 to 7"),
        ({"cameras": ("wrist",)}, {}, "no camera 'wrist' .known: front, side."),
        ({"names": ("a", "b", "c")}, {}, "has actions dx, dy, dz, mine takes a, b, c"),
    ):
        with pytest.raises(DatasetError, match=reason):
            recorded_pair(dots.path, dot_card(**changes), **where)
    np.savez(tmp_path / "other.npz", observations=np.zeros((1, 2, 4, 4, 3)))
    with pytest.raises(
        DatasetError, match=r"cannot be read .*states.* wanted a data set folder, or an \.npz"
    ):
        recorded_pair(tmp_path / "other.npz", dot_card())
    np.savez_compressed(tmp_path / "damaged.npz", observations=np.arange(999))
    damaged = bytearray((tmp_path / "damaged.npz").read_bytes())
    damaged[66] = 0xFF  # where the compressed data begin
    (tmp_path / "damaged.npz").write_bytes(damaged)
    with pytest.raises(DatasetError, match=r"observations cannot be read .* wanted a data set folder"):
        recorded_pair(tmp_path / "damaged.npz", dot_card())


def test_pair_of_an_array_file_has_the_action_between_two_poses(tmp_path):
    states = np.array([[[0.5, 0.1, 0.2, 3.0, 0.1, -1.9, 0.2], [0.52, 0.1, 0.25, 3.1, 0.0, -1.8, 0.4]]])
    np.savez(tmp_path / "x.npz", observations=np.zeros((1, 2, 16, 16, 3), np.uint8), states=states)
    pose = Quantity(name="tcp_pose", size=7, unit="")
    pair = recorded_pair(tmp_path / "x.npz", card(("wrist",), pose))
    assert list(pair.before.images) == ["wrist"]
    np.testing.assert_allclose(apply_action(states[0, 0], pair.action), states[0, 1], atol=1e-6)
    with pytest.raises(DatasetError, match="step is 1, wanted 0 to 0"):
        recorded_pair(tmp_path / "x.npz", card(("wrist",), pose), step=1)
    with pytest.raises(DatasetError, match="mine wants 2 cameras"):
        recorded_pair(tmp_path / "x.npz", card(("wrist", "front"), pose))


# --- the command


def test_card_without_training_data_warns_of_random_weights():
    record = TrainingRecord(command=(), revision="", recipe={})
    model = Mover().card
    for training, warns in (
        (None, True),
        (record, True),
        (msgspec.structs.replace(record, data={"data/x": "ab"}), False),
    ):
        assert (energy.warning(msgspec.structs.replace(model, training=training)) is not None) is warns


@pytest.fixture
def wm(monkeypatch, capsys):
    """Runs `wm` in this process, and returns its exit code and its output."""

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["wm", *map(str, arguments)])
        try:
            main.main()
            code = 0
        except SystemExit as exit_:
            code = exit_.code or 0
        captured = capsys.readouterr()
        return code, " ".join((captured.out + captured.err).split())

    return call


@pytest.mark.torch
def test_wm_energy_plots_the_landscapes_of_two_recorded_frames(shared_data, tmp_path, wm):
    from published_toy import toy_is_a_published_size, toy_networks, write

    file = shared_data("franka") / "franka_example_traj.npz"
    toy, out = tmp_path / "toy", tmp_path / "energy"
    with toy_is_a_published_size():
        code, output = wm("import", write(tmp_path / "toy.pt", *toy_networks()), "--out", toy)
    assert code == 0
    assert "toy.pt: encoder: 28 arrays, left over: pos_embed" in output
    assert "largest difference between torch and ONNX Runtime: encode " in output
    code, output = wm("energy", toy, "--data", file, "--out", out, "--cells", 5)
    assert code == 0
    assert "names no training data: with random weights, landscapes mean nothing" in output
    figures = json.loads((out / "energy.json").read_text())
    assert [tuple(each["names"]) for each in figures["landscapes"]] == [
        ("dx", "dy"),
        ("dx", "dz"),
        ("dy", "dz"),
    ]
    cost = np.array(figures["landscapes"][0]["cost"])
    assert cost.shape == (5, 5)
    assert cost.std() > 0
    row, _ = figures["landscapes"][0]["recorded"]
    assert figures["landscapes"][0]["values"][0][row] == pytest.approx(0.0924, abs=1e-4)  # from the file
    plot = matplotlib.image.imread(out / "energy.png")
    assert plot.shape[0] > 300
    assert plot.std() > 0.1


def test_unknown_metric_is_an_error(wm):
    code, output = wm("energy", "x", "--data", "x", "--out", "y", "--metric", "l3")
    assert code == 2
    assert "energy.metric: got 'l3', known: cosine, l1, l2" in output
