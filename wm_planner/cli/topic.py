"""`wm topic`: the topics of running nodes."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from wm_planner.cli.running import DomainName, Json, ignore_suspension, print_json, print_rows
from wm_planner.terminal import console

if TYPE_CHECKING:
    from wm_planner.messaging.rate import RateMeter

app = typer.Typer(no_args_is_help=True, help="Show the topics of running nodes, their messages and rates.")

Topic = Annotated[str, typer.Argument(help="name of a topic, e.g. /plan")]


@app.command("list")
def list_(domain: DomainName = None, json: Json = False) -> None:
    """List the topics of a run with their types, publishers and readers."""
    from wm_planner.messaging.running import domain_named, topics_of

    found = topics_of(domain_named(domain))
    if json:
        return print_json(found)
    rows = [
        (row.name, row.type.replace("/msg/", "/"), ", ".join(row.publishers), ", ".join(row.readers))
        for row in found
    ]
    return print_rows("topics", ("topic", "type", "published by", "read by"), rows)


@app.command()
def echo(
    topic: Topic,
    count: Annotated[int | None, typer.Option(min=1, help="end after this number of messages")] = None,
    full: Annotated[bool, typer.Option("--full", help="write long arrays out")] = False,
    domain: DomainName = None,
    json: Json = False,
) -> None:
    """Print the messages of a topic as they come, until Ctrl-C or the end of the run."""
    import yaml

    from wm_planner.messaging.listener import Listener
    from wm_planner.messaging.plain import MOST_VALUES, plain
    from wm_planner.messaging.running import domain_named, published

    found = domain_named(domain)
    ignore_suspension()
    with Listener(found, published(found, topic)) as listener:
        for delivery in islice(filter(None, listener.deliveries()), count):
            message = plain(delivery.message(), None if full else MOST_VALUES)
            if json:
                print_json(message)
            else:
                text = yaml.safe_dump(message, sort_keys=False, default_flow_style=None)
                console.out(f"{text}---", highlight=False)
    if listener.dropped:
        console.print(f"{listener.dropped} messages were not shown: the output is too slow")


@app.command()
def hz(
    topic: Topic,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="end after this time")] = None,
    window: Annotated[int, typer.Option(min=2, help="messages that a rate is computed from")] = 1000,
    domain: DomainName = None,
    json: Json = False,
) -> None:
    """Print the rate of a topic once per second, until Ctrl-C or the end of the run."""
    from wm_planner.clock import Deadline, WallClock
    from wm_planner.messaging.listener import Listener
    from wm_planner.messaging.rate import RateMeter
    from wm_planner.messaging.running import domain_named, published

    found, clock, meter = domain_named(domain), WallClock(), RateMeter(window)
    ignore_suspension()
    end = None if seconds is None else Deadline.after(clock, seconds)
    line = Deadline.after(clock, 1.0)
    with Listener(found, published(found, topic)) as listener:
        for delivery in listener.deliveries():
            if delivery is not None:
                meter.add(delivery)
            if end is not None and end.left_s() <= 0:
                break
            if line.left_s() <= 0:
                line = Deadline.after(clock, 1.0)
                _print_rate(meter, json)
    _print_rate(meter, json)


def _print_rate(meter: "RateMeter", json: bool) -> None:
    rate = meter.rate()
    if json:
        return print_json(rate)
    return console.out(
        f"{rate.mean_hz:8.2f} Hz   {1000 * rate.shortest_s:.1f} to {1000 * rate.longest_s:.1f} ms apart   "
        f"{rate.bytes_per_s / 1000:.1f} kB/s   {rate.messages} messages, {rate.lost} lost",
        highlight=False,
    )
