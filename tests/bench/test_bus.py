"""The benchmark of the bus."""

import pytest

from wm_planner.bench.measurements.bus import BusCost, bus_benchmark, bus_table


@pytest.mark.slow
def test_an_image_over_the_bus_costs_at_most_half_more_than_over_bare_zeromq():
    costs = bus_benchmark()
    bare, bus = costs
    assert (bare.transport, bus.transport) == ("bare pyzmq", "bus")
    assert bus.message_bytes > 256 * 256 * 3 and bare.ratio == 1.0
    assert bus.ratio <= 1.5, f"{bus.cpu_us:.0f} us over the bus, {bare.cpu_us:.0f} us over bare pyzmq"


def test_the_table_has_a_row_per_transport():
    costs = (BusCost("bare pyzmq", 9, 100.0, 1.0), BusCost("bus", 9, 125.0, 1.25))
    table = bus_table(costs)
    rows = list(zip(*(column.cells for column in table.columns), strict=True))
    assert rows == [("bare pyzmq", "100", "1.00"), ("bus", "125", "1.25")]
