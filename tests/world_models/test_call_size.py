import time
from types import SimpleNamespace

import msgspec
import pytest
from point_mass import make_card, write_bundle

from wm_planner.contracts.card import LatentSpec
from wm_planner.world_models.onnx import call_size
from wm_planner.world_models.onnx.call_size import best_size, call_times_us, most_candidates
from wm_planner.world_models.onnx.model import OnnxWorldModel


class Timed:
    """Advances the CPU clock by 1 ms per call and 10 us per candidate and step, 20 us if over 100."""

    def __init__(self, monkeypatch, scale=1.0, card=None):
        self.card, self.scale, self.now_s, self.calls = card or make_card(), scale, 0.0, []
        monkeypatch.setattr(call_size, "time", SimpleNamespace(process_time=lambda: self.now_s))

    def rollout(self, latent, actions):
        count, horizon, _ = actions.shape
        self.calls.append(count)
        self.now_s += self.scale * (1e-3 + horizon * count * (20e-6 if count > 100 else 10e-6))


def test_the_size_with_the_least_cpu_time_per_candidate_is_found(monkeypatch):
    times_us = call_times_us(Timed(monkeypatch))
    assert times_us[16] == pytest.approx(10 + 1e3 / (2 * 16))
    assert times_us[512] == pytest.approx(20 + 1e3 / (2 * 512))
    assert best_size(times_us) == 96


def test_the_larger_of_equally_good_sizes_is_chosen():
    assert best_size({16: 5.0, 64: 4.0, 128: 4.05, 512: 4.3}) == 128


def test_a_slow_model_is_measured_by_its_smallest_call_alone(monkeypatch):
    slow = Timed(monkeypatch, scale=3000.0)
    assert best_size(call_times_us(slow)) == 16
    assert slow.calls == [16]


def test_a_measurement_stays_within_its_budget(monkeypatch):
    model = Timed(monkeypatch, scale=30.0)
    call_times_us(model)
    assert call_size.BUDGET_S / 2 < model.now_s <= call_size.BUDGET_S


def test_the_memory_for_latents_limits_a_call(monkeypatch):
    card = make_card()
    assert most_candidates(card) == 512
    cache = LatentSpec(name="keys_values", shape=(100, 2**20), role="cache")
    large = msgspec.structs.replace(card, latents=(*card.latents, cache))
    assert most_candidates(large) == 5
    assert set(call_times_us(Timed(monkeypatch, card=large))) == {5}


def test_a_model_with_a_memory_of_one_step_predicts_one(monkeypatch):
    card = msgspec.structs.replace(make_card(), max_horizon=1)
    times_us = call_times_us(Timed(monkeypatch, card=card))
    assert times_us[16] == pytest.approx(10 + 1e3 / 16)


def test_a_bundle_is_timed_in_onnx_runtime(tmp_path):
    write_bundle(tmp_path / "toy", make_card())
    before = time.process_time()
    times_us = call_times_us(OnnxWorldModel.load(tmp_path / "toy", device="cpu"))
    spent_us = 1e6 * (time.process_time() - before)
    assert set(times_us) == set(call_size.SIZES)
    assert all(0 < size * took_us < spent_us for size, took_us in times_us.items())
