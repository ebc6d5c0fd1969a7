import msgspec
import numpy as np
import pytest
from point_mass import action_spec, make_card, write_bundle

from wm_planner.config import convert
from wm_planner.contracts.card import ActionSpec, Card, LatentSpec
from wm_planner.errors import BundleError, ConfigError
from wm_planner.world_models.onnx.card_file import read_card, write_card


@pytest.fixture
def bundle(tmp_path):
    write_bundle(tmp_path / "toy", make_card())
    return tmp_path / "toy"


def edit(bundle, old, new):
    path = bundle / "card.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_card_is_read_as_it_was_written(tmp_path):
    card = write_bundle(tmp_path / "toy", make_card(results=({"scene": "reach", "success": "9/10"},)))
    assert read_card(tmp_path / "toy") == card


def test_a_card_is_written_without_leftover_files(bundle):
    write_card(make_card(), bundle)
    assert sorted(file.name for file in bundle.iterdir()) == ["card.yaml", "encode.onnx", "step.onnx"]


def test_a_changed_graph_is_found_by_its_checksum(bundle):
    with (bundle / "step.onnx").open("ab") as graph:
        graph.write(b"!")
    reason = r"graphs\.step\.sha256 is \w{12}…, but that of the file is \w{12}…"
    with pytest.raises(BundleError, match=reason):
        read_card(bundle)


def test_a_missing_graph_is_named(bundle):
    (bundle / "encode.onnx").unlink()
    with pytest.raises(BundleError, match=r"graphs\.encode: encode\.onnx is missing; export"):
        read_card(bundle)


def test_a_misspelt_key_is_reported_with_its_path_and_the_closest_key(bundle):
    edit(bundle, "control_dt_s", "control_dts")
    with pytest.raises(
        BundleError, match=r"card\.yaml: unknown key 'control_dts', did you mean 'control_dt_s'"
    ):
        read_card(bundle)


@pytest.mark.parametrize("period_s", ["0", "-0.1", "1.0e-300", "100000"])
def test_a_control_period_that_no_clock_can_keep_is_refused(bundle, period_s):
    edit(bundle, "control_dt_s: 0.1", f"control_dt_s: {period_s}")
    with pytest.raises(BundleError, match=r"card\.yaml\.control_dt_s: got .*, wanted a number (>=|<=) "):
        read_card(bundle)


def test_an_invalid_value_is_reported_with_its_path(bundle):
    edit(bundle, "height: 4", "height: tall")
    with pytest.raises(BundleError, match=r"card\.yaml\.observation\.height: got '.*', wanted an integer"):
        read_card(bundle)


def test_a_folder_without_a_card_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"card\.yaml: cannot be read .* \(a bundle is a folder with"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"units": ["m"]}, "the same length"),
        ({"low": [1, 0], "high": [-1, 1]}, "wanted every low below its high"),
        ({"rate": [1.0, 0.0]}, "wanted one value above 0 per component"),
    ],
)
def test_an_invalid_action_box_is_refused(values, reason):
    spec = msgspec.to_builtins(action_spec()) | values
    with pytest.raises(ConfigError, match=f"card.action: .*{reason}"):
        convert(spec, ActionSpec, "card.action")


@pytest.mark.parametrize("field", ["low", "high", "rate"])
def test_a_bound_that_is_not_a_number_is_refused(field):
    values = msgspec.structs.asdict(action_spec()) | {field: (np.nan, 1.0)}
    with pytest.raises(ValueError, match=r"wanted every low below|wanted one value above 0"):
        ActionSpec(**values)


def test_costs_may_require_what_the_card_offers():
    latents = (LatentSpec(name="z", shape=(2,)), LatentSpec(name="pose", shape=(3,), unit="m"))
    card: Card = make_card(latents=latents, capabilities=("reward",))
    assert card.offers == {"latent:z", "latent:pose", "state:pose", "output:reward"}


def test_the_representation_is_the_largest_learned_array():
    latents = (
        LatentSpec(name="slow", shape=(8,)),
        LatentSpec(name="tokens", shape=(4, 3)),
        LatentSpec(name="keys", shape=(400,), role="cache"),
        LatentSpec(name="joints", shape=(20,), unit="rad"),
    )
    assert make_card(latents=latents).representation == "tokens"
