"""The benchmark of the bus."""

import pytest

from wm_planner.bench.measurements import bus as b
from wm_planner.bench.measurements.bus import BusRow, bus_rows, bus_table
from wm_planner.errors import ConfigError


@pytest.mark.slow
def test_a_picture_over_the_bus_costs_about_what_it_costs_over_bare_zeromq():
    """The aim is a ratio of 1.0; 0.97 and 1.10 were measured at load 25."""
    bus, bare = bus_rows(("bus", "bare pyzmq"))
    assert (bus.transport, bare.transport) == ("bus", "bare pyzmq")
    assert bus.lost == bare.lost == 0.0
    assert bus.cpu_us <= 1.25 * bare.cpu_us, f"{bus.cpu_us:.0f} us, {bare.cpu_us:.0f} us over bare pyzmq"


def test_pictures_go_over_the_bus_and_over_bare_zeromq_in_turn():
    rows = bus_rows(("bus", "bare pyzmq"), size=160, blocks=1, rounds=1)
    assert [(row.transport, row.lost) for row in rows] == [("bus", 0.0), ("bare pyzmq", 0.0)]
    assert all(row.p50_us > 0 and row.cpu_us > 0 for row in rows)


def test_a_peer_that_cannot_be_installed_is_named_and_left_out(monkeypatch, capsys):
    def refuse(peer):
        raise ConfigError("no such version")

    monkeypatch.setattr(b, "python_of", refuse)
    rows = bus_rows(("bare pyzmq", "rclpy"), size=160, blocks=1, rounds=1)
    assert [row.transport for row in rows] == ["bare pyzmq"]
    assert "rclpy is not installed: no such version" in capsys.readouterr().out


def test_the_table_has_a_row_per_transport_with_ratios_to_bare_zeromq():
    rows = [BusRow("bus", 50.0, 80.0, 0.0), BusRow("bare pyzmq", 100.0, 160.0, 0.0)]
    table = bus_table(rows)
    cells = list(zip(*(column.cells for column in table.columns), strict=True))
    assert cells == [
        ("bus", "50", "0.50", "80", "0.50", "0.0%"),
        ("bare pyzmq", "100", "1.00", "160", "1.00", "0.0%"),
    ]
