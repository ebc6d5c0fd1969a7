from wm_planner.bench.measurements.datasets import form_rows, recorded_episodes


def test_every_form_gives_back_what_was_written():
    meta, episodes = recorded_episodes("sim/cartpole.py", 32, episodes=2, steps=9)
    rows = list(form_rows(meta, episodes, ("folder", "npz")))
    assert [row.form for row in rows] == ["folder", "npz"]
    assert all(row.is_equal and row.written > 0 and row.sampled > 0 for row in rows)
    assert rows[0].kilobytes > 32 * 32 * 3 / 1e3
