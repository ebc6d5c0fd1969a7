"""Signals that are no measurements, from an environment to data, to training, to a card and to perception."""

import house_env
import numpy as np
import pytest
from point_mass import action_spec, make_card, write_bundle

from wm_planner.bridges.messages import goal_message, signal_messages
from wm_planner.collection import CollectConfig, collect
from wm_planner.contracts.card import ObservationSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.task import Goal
from wm_planner.data.episodes import EpisodeData
from wm_planner.data.validation import validated
from wm_planner.errors import SimulationError
from wm_planner.messaging import messages as m
from wm_planner.simulation.gym import GymSimulator

TEXTS = {"mission": house_env.MISSIONS}
SCENE = "gym,id=house_env:tests/House-v0,texts={mission: [stay, go to the kitchen]}"
READ = ("microphone", "room", "speed", "mission")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "house"
    collect(CollectConfig(scene=SCENE, episodes=2, steps=6, jobs=1), path)
    return EpisodeData.open(path)


def test_audio_labels_and_texts_are_recorded_with_their_bounds(data):
    assert data.meta.state == (
        Quantity(name="microphone", size=8, unit="", low=(-1.0,), high=(1.0,)),
        Quantity(name="room", size=1, unit="", choices=3),
        Quantity(name="speed", size=2, unit="", low=(0.0, None), high=(5.0, None)),
        Quantity(name="mission", size=1, unit="", choices=2, labels=house_env.MISSIONS),
    )
    assert validated(data) == ()
    np.testing.assert_array_equal(data.quantity("mission"), data.quantity("room") % 2)
    np.testing.assert_array_equal(data.quantity("microphone")[:, 0], -data.quantity("microphone")[:, 1])


def test_training_reads_them_by_name_and_the_card_keeps_their_bounds(data, tmp_path, bench):
    from wm_planner.training.clips import Clips

    clips = Clips([data], frames=3)
    batch = clips.draw(4, ["room"], np.random.default_rng(0), reads=("microphone", "mission"))
    assert batch["microphone"].shape == (4, 3, 8) and batch["mission"].shape == (4, 3, 1)
    state = tuple(clips.spec.quantity(name) for name in READ)
    card = make_card(action_spec(12), observation=ObservationSpec(state=state))
    write_bundle(tmp_path / "ears", card)
    made = bench("perception", world_model=str(tmp_path / "ears"))
    made.bus.has_publisher = lambda topic: False
    made.deliver("/goal", goal_message(1, Goal({}, {"mission": np.array([1])}), 0))
    simulator = GymSimulator(GymSimulator.Config(id="house_env:tests/House-v0", texts=TEXTS))
    simulator.reset(0)
    seen = simulator.step(np.array([0.5])).observation
    for topic, message in signal_messages(seen, 7).items():
        if topic in made.node.inputs:
            made.deliver(topic, message)
    [latent] = made.take("/latent")
    (z,) = m.named_arrays_of(latent.arrays).values()
    np.testing.assert_allclose(z, [[*[0.5, -0.5] * 4, 2.0, 0.5, 50.0, 0.0]])
    wrong = {**signal_messages(seen, 8), "/signal/room": m.signal("room", np.array([3]), 8)}
    for topic, message in wrong.items():
        if topic in made.node.inputs:
            made.deliver(topic, message)
    assert not made.take("/latent")
    assert "room is 3, wanted one of the 3 labels from 0" in made.node._refusals.reasons[0]


def test_an_audio_window_is_heard_with_its_axes(bench, tmp_path):
    window = Quantity(name="microphone", size=6, unit="1 at 16 kHz")
    write_bundle(tmp_path / "ears", make_card(action_spec(6), observation=ObservationSpec(state=(window,))))
    made = bench("perception", world_model=str(tmp_path / "ears"))
    made.bus.has_publisher = lambda topic: False
    made.deliver("/goal", goal_message(1, Goal({}, {"microphone": np.zeros(6)}), 0))
    samples = np.arange(6, dtype=np.float32).reshape(3, 2)  # three instants of two channels
    made.deliver("/signal/microphone", m.signal("microphone", samples, 1))
    [latent] = made.take("/latent")
    np.testing.assert_array_equal(m.named_arrays_of(latent.arrays)["z"], [[0, 1, 2, 3, 4, 5]])


def test_a_text_that_is_not_listed_is_refused_by_name():
    few = {"mission": ("stay",)}
    with pytest.raises(SimulationError, match="'mission' is 'go to the kitchen', which is not listed"):
        GymSimulator(GymSimulator.Config(id="house_env:tests/House-v0", texts=few))
    other = {"misson": ("stay",)}
    with pytest.raises(SimulationError, match="no text 'misson', did you mean 'mission'"):
        GymSimulator(GymSimulator.Config(id="house_env:tests/House-v0", texts=other))
