"""Camera images brought to the form of a card."""

import numpy as np
import pytest
from PIL import Image

from wm_planner.contracts.card import ObservationSpec
from wm_planner.errors import ShapeError
from wm_planner.world_models.onnx.camera_images import check_image, cropped, fitted, noise_image, resized

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(256, size=(6, 8, 3), dtype=np.uint8)
DEPTH = RNG.uniform(0, 5, (6, 8, 1)).astype(np.float32)


def spec(encoding="rgb8", fit="exact", height=6, width=8):
    return ObservationSpec(cameras=("front",), height=height, width=width, encoding=encoding, fit=fit)


def test_an_image_of_the_right_form_is_not_copied():
    assert fitted(spec(), COLOURS) is COLOURS


def test_grey_becomes_colours_and_colours_grey():
    grey = fitted(spec("mono8"), COLOURS)
    assert np.abs(grey[:, :, 0] - np.asarray(Image.fromarray(COLOURS).convert("L")).astype(int)).max() <= 1
    assert (fitted(spec(), grey) == grey).all()


@pytest.mark.parametrize(("shape", "size"), [((40, 60), (10, 15)), ((33, 47), (16, 20)), ((8, 9), (20, 30))])
def test_scaling_agrees_with_pillow_to_one_level(shape, size):
    smooth = np.add.outer(np.linspace(0, 120, shape[0]), np.linspace(0, 120, shape[1]))
    picture = (smooth[:, :, None] + RNG.uniform(0, 15, (*shape, 3))).astype(np.uint8)
    pillow = Image.fromarray(picture).resize(size[::-1], Image.Resampling.BILINEAR)
    assert np.abs(resized(picture, *size).astype(int) - np.asarray(pillow)).max() <= 1


def test_a_crop_keeps_the_centre_and_the_aspect_ratio():
    rows = np.broadcast_to(np.arange(8, dtype=np.uint8)[None, :, None], (4, 8, 3))
    assert (cropped(rows, 1.0)[0, :, 0] == [2, 3, 4, 5]).all()
    assert cropped(rows, 0.25).shape == (2, 8, 3)
    assert (fitted(spec(fit="crop", height=4, width=4), rows)[0, :, 0] == [2, 3, 4, 5]).all()


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_depth_that_is_not_finite_is_refused(number):
    broken = DEPTH.copy()
    broken[2, 3:5] = number
    with pytest.raises(ShapeError, match="front is depth of which 2 pixels are not finite, wanted 0 where"):
        check_image(spec("32FC1"), broken, "front is")


def test_scaled_depth_holds_only_depths_that_were_measured():
    small = fitted(spec("32FC1", "stretch", height=3, width=5), DEPTH)
    assert small.shape == (3, 5, 1) and np.isin(small, DEPTH).all()


@pytest.mark.parametrize(
    ("wanted", "image", "message"),
    [
        (
            spec(height=5),
            COLOURS,
            r"front is uint8 \(6, 8, 3\), wanted uint8 \(5, 8, 3\): .*observation\.fit",
        ),
        (spec("32FC1"), COLOURS, r"front is uint8 \(6, 8, 3\), wanted float32 \(6, 8, 1\)$"),
        (spec("mono8"), DEPTH, r"front is float32 \(6, 8, 1\), wanted uint8 \(6, 8, 1\)$"),
        (spec(), COLOURS[:, :, 0], r"front is uint8 \(6, 8\), wanted uint8 \(6, 8, 3\)$"),
    ],
)
def test_an_image_of_another_kind_or_size_is_refused(wanted, image, message):
    with pytest.raises(ShapeError, match=message):
        check_image(wanted, image, "front is")


@pytest.mark.parametrize("encoding", ["rgb8", "mono8", "32FC1"])
def test_noise_is_of_the_form_of_the_card(encoding):
    wanted = spec(encoding)
    image = noise_image(wanted, RNG)
    assert fitted(wanted, image) is image
