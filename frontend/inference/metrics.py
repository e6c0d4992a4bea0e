"""Figures of each Triton, under its address; those of one that is gone are forgotten."""

import contextlib

from prometheus_client import Counter, Gauge

ALIVE = Gauge("imgen_triton_alive", "Whether a Triton answers: 0 or 1", ["triton"])
ORDERS = Gauge("imgen_triton_orders", "Orders of this server that a Triton works on", ["triton"])
LOAD = Gauge(
    "imgen_triton_load",
    "Share of what a Triton can hold that is taken, by all servers as far as told",
    ["triton"],
)
CHARACTERS = Gauge("imgen_triton_characters", "Characters whose denoiser a Triton has in memory", ["triton"])
FAILURES = Counter("imgen_triton_failures", "Orders and requests that a Triton failed", ["triton"])


def forget(triton: str) -> None:
    for metric in (ALIVE, ORDERS, LOAD, CHARACTERS, FAILURES):
        with contextlib.suppress(KeyError):  # it never answered
            metric.remove(triton)
