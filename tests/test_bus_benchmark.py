import pytest

from wm_planner.evaluation import bus_benchmark


@pytest.mark.slow
def test_a_picture_over_the_bus_costs_at_most_half_more_than_over_bare_zeromq():
    bare, bus = bus_benchmark.measure()
    assert (bare.transport, bus.transport) == ("bare pyzmq", "bus")
    assert bus.message_bytes > 256 * 256 * 3 and bare.ratio == 1.0
    assert bus.ratio <= 1.5, f"{bus.cpu_us:.0f} us over the bus, {bare.cpu_us:.0f} us over bare pyzmq"
