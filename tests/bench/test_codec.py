from wm_planner.bench.measurements.codec import codec_benchmark, codec_table


def test_every_kind_of_message_is_converted_and_has_a_row():
    costs = codec_benchmark(repeats=1)
    assert {cost.message.split()[0] for cost in costs} >= {"JointTrajectory", "Image", "Latent", "Odometry"}
    assert all(min(cost[1:]) > 0 for cost in costs)
    assert codec_table(costs).row_count == len(costs)
