"""A V-JEPA 2-AC of the width of ViT-L with random weights, imported and launched."""

import pytest
from published_toy import toy_networks, write
from toys import new_domain_name

from wm_planner.launching import file
from wm_planner.launching.run import RECORDING, prepare
from wm_planner.launching.supervisor import Supervisor
from wm_planner.networks.vjepa2 import VitSize
from wm_planner.recording.bag import Bag
from wm_planner.training import bundle
from wm_planner.training.importing import Heads, import_checkpoint

WIDTH = VitSize(dim=1024, depth=2, heads=16)  # 2 of its 24 layers, which are alike
FEW = ("episodes=1", "steps=2", "horizon=1", "samples=4", "elites=2", "iterations=1")


@pytest.mark.slow
def test_a_bundle_of_the_width_of_vit_large_plans_and_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "BATCHES", bundle.FEW_BATCHES)
    weights = write(tmp_path / "vitl.pt", *toy_networks(WIDTH))
    card, _ = import_checkpoint(weights, tmp_path / "vitl", heads=Heads(16, 16))
    assert {spec.name: spec.shape for spec in card.latents}["tokens"] == (256, 1024)
    spec = file.load(file.find("franka_droid"), "vitl", [f"model={tmp_path / 'vitl'}", *FEW])
    for node in spec.nodes:
        if node.program.stem == "recorder":
            node.params["path"] = str(tmp_path / "run" / RECORDING)
    folder = prepare(tmp_path / "run", spec)
    Supervisor(spec, folder, new_domain_name()).run()
    plans = [each.message for each in Bag(folder / RECORDING).messages({"/plan_info"})]
    assert len(plans) == 2
    assert not any(plan.fallback for plan in plans)
    assert all(plan.evaluations >= 4 for plan in plans)
