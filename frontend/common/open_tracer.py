"""Who is told of traces, by the settings."""

from frontend.common.errors import SettingError
from frontend.common.tracer import NO_TRACER, Tracer


def open_tracer(otlp_url: str, share: float) -> Tracer:
    """Where `otlp_url` is empty, nobody, and nothing of OpenTelemetry is imported. Raises SettingError."""
    if not otlp_url:
        return NO_TRACER
    if not otlp_url.startswith(("http://", "https://")):
        raise SettingError("IMGEN_OTLP_URL: expected http://… or https://…")
    try:
        from frontend.common.otlp import OtlpTracer
    except ImportError:
        raise SettingError("IMGEN_OTLP_URL: needs OpenTelemetry (pip install 'imgen[otel]')") from None
    return OtlpTracer(otlp_url, share)
