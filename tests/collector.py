"""A collector of traces: a real HTTP server that reads what OpenTelemetry sends, as protobuf or as JSON."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from embedded.part import free_port
from tests.fakes import listening


@dataclass(frozen=True)
class CollectedSpan:
    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str  # "" for none
    seconds: float
    failed: bool
    attributes: dict[str, str]


@dataclass
class Collector:
    url: str = ""
    spans: list[CollectedSpan] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Collector"]:
        app = web.Application(client_max_size=16 << 20)
        app.add_routes([web.post("/v1/traces", self._take)])
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        async with listening(app, port):
            yield self

    async def until(self, count: int, service: str, patience_s: float = 60.0) -> list[CollectedSpan]:
        """Waits until that service has told of so many spans. Raises TimeoutError."""
        async with asyncio.timeout(patience_s):
            while len(told := [span for span in self.spans if span.service == service]) < count:
                await asyncio.sleep(0.05)
        return told

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        is_json = request.content_type == "application/json"
        self.spans += spans_of(json.loads(body) if is_json else _as_json(body))
        return web.Response(content_type="application/x-protobuf")


def _as_json(body: bytes) -> dict[str, Any]:
    """OTLP's JSON has hexadecimal ids, where protobuf's has base64."""
    message = ExportTraceServiceRequest.FromString(body)
    told: dict[str, Any] = MessageToDict(message)
    for resource, plain in zip(message.resource_spans, told["resourceSpans"], strict=True):
        for scope, plain_scope in zip(resource.scope_spans, plain["scopeSpans"], strict=True):
            for span, plain_span in zip(scope.spans, plain_scope["spans"], strict=True):
                plain_span["traceId"], plain_span["spanId"] = span.trace_id.hex(), span.span_id.hex()
                plain_span["parentSpanId"] = span.parent_span_id.hex()
    return told


def spans_of(told: dict[str, Any]) -> Iterator[CollectedSpan]:
    for resource in told["resourceSpans"]:
        service = _attributes(resource["resource"]).get("service.name", "")
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                began, ended = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
                yield CollectedSpan(
                    service=service,
                    name=span["name"],
                    trace_id=span["traceId"],
                    span_id=span["spanId"],
                    parent_id=span.get("parentSpanId", ""),
                    seconds=(ended - began) / 1e9,
                    failed=span.get("status", {}).get("code") in (2, "STATUS_CODE_ERROR"),
                    attributes=_attributes(span),
                )


def _attributes(told: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: str(*each["value"].values()) for each in told.get("attributes", ())}
