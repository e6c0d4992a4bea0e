"""Spans for a collector: OpenTelemetry's SDK, over OTLP/HTTP. Imported only where a collector is named."""

import random
import time

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from frontend.common.trace_context import TraceContext
from frontend.common.tracer import Attributes, Span
from frontend.common.version import __version__

MAX_QUEUE = 2_048  # spans; more are dropped, so a collector that is away costs nothing but its traces
SEND_S = 5.0  # that one batch may take
_NS = 1_000_000_000


class OtlpTracer:
    """A thread of its own sends the spans."""

    def __init__(self, url: str, share: float) -> None:
        """`url`: of a collector, without /v1/traces. `share`: of requests that are traced, 0 to 1."""
        exporter = OTLPSpanExporter(f"{url.rstrip('/')}/v1/traces", timeout=SEND_S)
        resource = Resource.create({"service.name": "imgen", "service.version": __version__})
        # Who is traced is decided here, once for a request: what is not traced never reaches the SDK.
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=MAX_QUEUE))
        self._tracer = self._provider.get_tracer("imgen", __version__)
        self._share = share

    def begin(self, name: str, parent: TraceContext | None, attributes: Attributes) -> Span | None:
        if (
            random.getrandbits(30) >= self._share * 2**30
        ):  # a client's own flag would let it fill the collector
            return None
        return OtlpSpan(self._tracer, name, parent, attributes)

    def resume(self, name: str, parent: TraceContext | None, attributes: Attributes) -> Span | None:
        return OtlpSpan(self._tracer, name, parent, attributes) if parent and parent.sampled else None

    def close(self) -> None:
        self._provider.shutdown()


class OtlpSpan:
    def __init__(
        self, tracer: trace.Tracer, name: str, parent: TraceContext | None, attributes: Attributes
    ) -> None:
        self._tracer = tracer
        self._span = tracer.start_span(name, _remote(parent), attributes=attributes)
        told = self._span.get_span_context()
        self.context = TraceContext(f"{told.trace_id:032x}", f"{told.span_id:016x}", sampled=True)

    def child(self, name: str, attributes: Attributes) -> Span:
        return OtlpSpan(self._tracer, name, self.context, attributes)

    def told(self, name: str, began_ago_s: float, took_s: float, attributes: Attributes) -> None:
        began = time.time_ns() - int(began_ago_s * _NS)
        over = self._tracer.start_span(
            name, trace.set_span_in_context(self._span), attributes=attributes, start_time=began
        )
        over.end(began + int(took_s * _NS))

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def end(self, error: BaseException | None = None) -> None:
        """The kind of an error alone: its words may hold a client's."""
        if error is not None:
            self._span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        self._span.end()


def _remote(parent: TraceContext | None) -> otel_context.Context:
    if parent is None:
        return trace.set_span_in_context(trace.INVALID_SPAN)
    known = SpanContext(
        int(parent.trace_id, 16), int(parent.span_id, 16), True, TraceFlags(TraceFlags.SAMPLED)
    )
    return trace.set_span_in_context(NonRecordingSpan(known))
