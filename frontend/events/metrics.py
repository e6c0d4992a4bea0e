"""Gauges of those who wait."""

from prometheus_client import Gauge

from frontend.events.seats import Seats

OPEN_STREAMS = Gauge("imgen_streams_open", "Clients of this server that wait on an open connection")


async def refresh(seats: Seats) -> None:
    OPEN_STREAMS.set(seats.taken)
