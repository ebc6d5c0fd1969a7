import importlib.util

import msgspec
import numpy as np
import pytest
from moving_dot import BOX_M, write

from wm_planner.contracts.card import ActionSpec, Card, LatentSpec, ObservationSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.data.forms import episode_at, open_dataset, writer
from wm_planner.errors import DatasetError
from wm_planner.evaluation.model_quality.prediction import (
    embed,
    measure,
    probe,
    relative_error,
    static_share,
)

HAS_AV = importlib.util.find_spec("av") is not None
LEROBOT = pytest.param("lerobot", marks=pytest.mark.skipif(not HAS_AV, reason="needs the extra `data`"))


class PerfectModel:
    """Its latent is the position from the state, and it models the walls of the box."""

    card = Card(
        name="perfect",
        family="test",
        about="",
        observation=ObservationSpec(
            cameras=("side", "front"),
            height=16,
            width=16,
            joined="channels",
            input_shape=(6, 16, 16),
            mean=0.0,
            std=1.0,
            state=(Quantity(name="tcp_position", size=3, unit="m"),),
        ),
        action=ActionSpec(names=("dx", "dy", "dz"), units=("m",) * 3, low=(-0.05,) * 3, high=(0.05,) * 3),
        control_dt_s=0.2,
        latents=(LatentSpec(name="z", shape=(3,)),),
        max_candidates=7,
    )

    def encode(self, observation, last_action=None, memory=None, noise=None):
        assert list(observation.images) == ["side", "front"]
        return {"z": observation.state["tcp_position"][None]}

    def step(self, latent, action, noise=None):
        return {"z": np.clip(latent["z"] + action, 0, BOX_M)}, {}


class CopyLast(PerfectModel):
    """Predicts that nothing moves."""

    def step(self, latent, action, noise=None):
        return latent, {}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("dots") / "data", seed=0)


def test_perfect_model_has_an_error_only_with_shuffled_actions(data):
    report = measure(PerfectModel(), data, "z", horizons=(1, 5))
    assert max(report.relative_error.values()) < 1e-10
    assert min(report.shuffled_error.values()) > 0.5


def test_copy_last_has_a_relative_error_of_one(data):
    report = measure(CopyLast(), data, "z", horizons=(1, 5))
    assert report.relative_error == pytest.approx({1: 1.0, 5: 1.0})


def test_probe_error_is_in_the_unit_of_the_position(data):
    report = measure(PerfectModel(), data, "z", horizons=(1,))
    assert min(report.probe_r2) > 0.999
    assert report.probe_rms < 1e-3
    assert report.std_min == pytest.approx(BOX_M / np.sqrt(12), rel=0.2)


def test_embed_keeps_the_order_of_the_frames(data):
    np.testing.assert_array_equal(embed(PerfectModel(), data)["z"], data.quantity("tcp_position"))


@pytest.mark.parametrize("form", ["npz", LEROBOT])
def test_every_form_of_the_data_gives_the_same_report(tmp_path, form):
    data = write(tmp_path / "data", seed=0, episodes=4)
    with writer(tmp_path / form, data.meta, form) as out:
        for index in range(data.meta.episodes):
            out.add(episode_at(data, index))
        out.finish(data.meta.seeds_tried, data.meta.rejected)
    reports = [
        measure(PerfectModel(), each, "z", horizons=(1, 5)) for each in (data, open_dataset(tmp_path / form))
    ]
    assert reports[0] == reports[1]


def test_data_that_cannot_be_measured_are_refused_with_the_reason(data, tmp_path):
    with pytest.raises(DatasetError, match="the longest episode has 9 frames, wanted 11: measure on longer"):
        measure(PerfectModel(), data, "z")
    with pytest.raises(DatasetError, match="has one episode, wanted two"):
        measure(PerfectModel(), write(tmp_path / "one", seed=0, episodes=1), "z", horizons=(1,))
    with pytest.raises(DatasetError, match="has no state 'tcp', known: mass, tcp_position"):
        measure(PerfectModel(), data, "z", "tcp", horizons=(1,))
    other = PerfectModel()
    other.card = msgspec.structs.replace(
        PerfectModel.card, action=msgspec.structs.replace(PerfectModel.card.action, names=("a", "b", "c"))
    )
    with pytest.raises(DatasetError, match="has actions dx, dy, dz, perfect takes a, b, c"):
        measure(other, data, "z", horizons=(1,))


def test_relative_error_is_relative_to_the_change_of_the_latent():
    real = np.array([[[0.0], [1.0], [2.0]]])
    predicted = np.array([[[1.5], [1.0]]])
    assert relative_error(real, predicted, 1) == 0.25
    assert relative_error(real, predicted, 2) == 0.25


def test_static_share_is_the_variance_that_is_constant_over_frames():
    rng = np.random.default_rng(0)
    static, moving = rng.standard_normal((1, 400, 5)), rng.standard_normal((100, 400, 5))
    assert static_share(3 * static + moving) == pytest.approx(0.9, abs=0.02)
    assert static_share(moving[:, 0]) == pytest.approx(0.0, abs=1e-12)


def test_probe_is_evaluated_on_episodes_outside_its_fit():
    rng = np.random.default_rng(0)
    z, target = rng.standard_normal((80, 60)), rng.standard_normal((80, 1))
    r2, rms = probe(z, target, np.arange(80) // 10)
    assert r2[0] < 0.0
    assert rms > 1.0
