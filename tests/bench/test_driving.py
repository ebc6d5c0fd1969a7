"""The benchmarks of driving kernels and of closed loops."""

import numpy as np
from typer.testing import CliRunner

from wm_planner.bench.measurements.driving import (
    KernelTiming,
    Scene,
    _shapely_work,
    driving_rows,
    driving_table,
)
from wm_planner.bench.measurements.driving_loop import loop_timings
from wm_planner.cli.bench import app
from wm_planner.driving.geometry import collision
from wm_planner.driving.vehicle.vehicle import PACIFICA
from wm_planner.terminal import console


def test_shapely_does_the_same_work():
    scene = Scene(40)
    by_name = _shapely_work(scene)
    hits = next(work for name, work in by_name.items() if name.startswith("first collisions"))()
    ours = collision.first_collisions(scene.ego, PACIFICA.size, scene.agents, scene.sizes)
    np.testing.assert_array_equal(hits, ours)
    fraction = (ours.min(axis=1) < 40).mean()
    assert 0.1 < fraction < 0.9  # some collide
    s, d = next(work for name, work in by_name.items() if name.startswith("projection"))()
    projected = scene.line.project(scene.ego[..., :2])
    np.testing.assert_allclose(projected.s, s, atol=1e-6)
    np.testing.assert_allclose(np.abs(projected.d), d, atol=1e-9)


def test_numba_checks_collisions_twenty_times_as_fast_as_shapely():
    row = next(driving_rows(candidates=512, repeats=12))
    assert row.shapely / row.numba > 20
    assert row.shapely / row.numpy > 5


def test_missing_timings_are_blank():
    rows = [KernelTiming("all", 0.001, 0.002, 0.02), KernelTiming("no kernel", None, 0.002)]
    with console.capture() as capture:
        console.print(driving_table(iter(rows)))
    lines = [line.split() for line in capture.get().splitlines()]
    assert ["all", "1.00", "2.00", "20.00", "20", "10"] in lines
    assert ["no", "kernel", "2.00"] in lines


def test_the_command_prints_every_row():
    result = CliRunner().invoke(app, ["driving", "--candidates", "20", "--repeats", "1"])
    assert result.exit_code == 0, result.output
    for word in (
        "first collisions, 20",
        "projection",
        "corners",
        "tracker, 15",
        "PDM score",
        "feasibility",
        "224 px",
        "64 px",
    ):
        assert word in result.output


def test_a_closed_loop_is_twenty_times_faster_than_real_time_and_five_times_with_images():
    speed = {timing.mode: timing.dt / timing.step_s for timing in loop_timings(["sim/drive_merge.xml"])}
    assert speed["replayed agents"] > 20
    assert speed["reactive agents"] > 20
    assert speed["reactive agents, image of 224 px"] > 5
