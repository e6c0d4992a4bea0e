"""Grafana's dashboards from one list of panels: run as a script, it writes the JSON files beside it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT, ACROSS = 8, 8, 3  # of a panel, in Grafana's 24 columns
OVER = "$__rate_interval"
SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True)
class Panel:
    title: str
    unit: str  # Grafana's: s, percentunit, reqps, short, bytes, ops, …
    queries: dict[str, str]  # legend → PromQL
    about: str = ""
    kind: str = "timeseries"  # or stat
    stacked: bool = False


@dataclass(frozen=True)
class Dashboard:
    uid: str
    title: str
    about: str
    rows: dict[str, tuple[Panel, ...]]
    variables: tuple[tuple[str, str], ...] = ()  # name, and the query of its values


def quantile(share: float, histogram: str, by: str = "", where: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket{where}[{OVER}])))"


def quantiles(histogram: str, where: str = "") -> dict[str, str]:
    return {f"p{share * 100:g}": quantile(share, histogram, where=where) for share in (0.5, 0.95, 0.99)}


def per_second(counter: str, by: str = "", where: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate({counter}{where}[{OVER}]))"


def share(part: str, whole: str) -> str:
    return f"{part} / {whole}"


def mean(sums: str, counts: str, by: str, where: str) -> str:
    return share(per_second(sums, by, where), per_second(counts, by, where))


RESIDENT = "max by (triton) (imgen_triton_characters)"
MADE = per_second("imgen_attempts_total", where='{outcome="made"}')
CACHED = per_second("imgen_jobs_accepted_total", where='{source="cache"}')
ORDERS = per_second("imgen_jobs_accepted_total", "model, source")
NO_NUMBERS = "sum by (network, runtime) (increase(imgen_networks_made_no_numbers_total[1h]))"
ENDED = per_second("imgen_jobs_ended_total")
OPERATORS = Dashboard(
    "imgen-operators",
    "imgen: operation",
    "Whether it works, and where to look where it does not; alerts: docs/slo.md",
    {
        "Objectives": (
            Panel(
                "Answers that are errors of ours",
                "percentunit",
                {"5 minutes": "imgen:errors:ratio_rate5m", "6 hours": "imgen:errors:ratio_rate6h"},
                "Objective: below 0.1 % in 30 days",
            ),
            Panel(
                "Pictures slower than 30 s",
                "percentunit",
                {"15 minutes": "imgen:slow_pictures:ratio_rate15m"},
                "Objective: below 5 %",
            ),
            Panel(
                "Verdicts later than 10 s",
                "percentunit",
                {"15 minutes": "imgen:slow_verdicts:ratio_rate15m"},
                "Objective: below 1 %",
            ),
        ),
        "Parts": (
            Panel(
                "Parts that work", "bool_on_off", {"{{part}}": "min by (part) (imgen_part_up)"}, kind="stat"
            ),
            Panel(
                "Servers and Tritons that answer",
                "short",
                {"{{job}}": 'sum by (job) (up{job=~"imgen|triton"})'},
            ),
            Panel("Versions", "short", {"{{version}}": "count by (version) (imgen_build_info)"}),
            Panel(
                "Redis: time of a script, p99",
                "s",
                {"{{script}}": quantile(0.99, "imgen_redis_script_seconds", "script")},
            ),
            Panel(
                "Redis: scripts",
                "ops",
                {"{{script}}": per_second("imgen_redis_script_seconds_count", "script")},
            ),
            Panel(
                "Redis: memory in use",
                "percentunit",
                {"of maxmemory": "max(imgen_redis_memory_used_ratio)"},
                "From 90 % on orders are refused",
            ),
        ),
        "Jobs": (
            Panel(
                "Queue",
                "short",
                {"waiting": "max(imgen_jobs_waiting)", "waiting or at work": "max(imgen_jobs_unfinished)"},
            ),
            Panel(
                "Oldest job in the queue",
                "s",
                {"age": "max(imgen_jobs_oldest_waiting_seconds)"},
                "Objective: below a minute",
            ),
            Panel(
                "Workers", "short", {"at work": "sum(imgen_jobs_working)", "there are": "sum(imgen_workers)"}
            ),
            Panel(
                "How jobs end",
                "ops",
                {"{{outcome}}": per_second("imgen_jobs_ended_total", "outcome")},
                stacked=True,
            ),
            Panel(
                "How starts of jobs end",
                "ops",
                {"{{outcome}}": per_second("imgen_attempts_total", "outcome")},
                "made, lost (cancelled, timed out, taken over); else what was to blame",
                stacked=True,
            ),
            Panel(
                "Pictures that wait for the store",
                "short",
                {"{{instance}}": "sum by (instance) (imgen_pictures_unstored)"},
            ),
            Panel("Stages, p95", "s", {"{{stage}}": quantile(0.95, "imgen_stage_seconds", "stage")}),
            Panel("One denoising step", "s", quantiles("imgen_denoise_step_seconds")),
            Panel(
                "Parts of finishing, p95",
                "s",
                {"{{part}}": quantile(0.95, "imgen_finishing_seconds", "part")},
            ),
            Panel(
                "Networks that computed no numbers",
                "short",
                {"{{network}} {{runtime}}": NO_NUMBERS},
                "No data: none did",
            ),
        ),
        "Tritons": (
            Panel("Load", "percentunit", {"{{triton}}": "max by (triton) (imgen_triton_load)"}),
            Panel("Tritons that answer", "short", {"{{triton}}": "min by (triton) (imgen_triton_alive)"}),
            Panel("Orders at work", "short", {"{{triton}}": "sum by (triton) (imgen_triton_orders)"}),
            Panel("Failed", "ops", {"{{triton}}": per_second("imgen_triton_failures_total", "triton")}),
            Panel("Characters in memory", "short", {"{{triton}}": RESIDENT}),
        ),
        "Review": (
            Panel(
                "Reviews", "ops", {"{{outcome}}": per_second("imgen_reviews_total", "outcome")}, stacked=True
            ),
            Panel("One review", "s", quantiles("imgen_review_seconds")),
            Panel("First poll to verdict", "s", quantiles("imgen_poll_to_verdict_seconds")),
        ),
        "API": (
            Panel(
                "Answers",
                "reqps",
                {"{{status}}": per_second("imgen_http_requests_total", "status")},
                stacked=True,
            ),
            Panel(
                "Time to answer, p95",
                "s",
                {"{{route}}": quantile(0.95, "imgen_http_request_seconds", "route")},
            ),
            Panel("Actions, p95", "s", {"{{action}}": quantile(0.95, "imgen_action_seconds", "action")}),
            Panel(
                "Limits that were hit",
                "reqps",
                {"{{limit}}": per_second("imgen_limits_hit_total", "limit")},
                stacked=True,
            ),
            Panel(
                "Connections given up",
                "ops",
                {"{{reason}}": per_second("imgen_http_refused_connections_total", "reason")},
            ),
            Panel(
                "Clients that wait on an open connection",
                "short",
                {"{{instance}}": "sum by (instance) (imgen_streams_open)"},
            ),
        ),
        "Others": (
            Panel(
                "Webhooks",
                "ops",
                {"{{outcome}}": per_second("imgen_webhook_attempts_total", "outcome")},
                stacked=True,
            ),
            Panel("Webhooks that are pending", "short", {"pending": "max(imgen_webhooks_pending)"}),
            Panel(
                "Webhooks: time of an attempt, of a delivery, p95",
                "s",
                {
                    "attempt": quantile(0.95, "imgen_webhook_attempt_seconds"),
                    "delivery": quantile(0.95, "imgen_webhook_delay_seconds"),
                },
            ),
            Panel(
                "Language model",
                "ops",
                {"{{outcome}}": per_second("imgen_llm_answers_total", "outcome")},
                stacked=True,
            ),
            Panel("Language model: time of a prompt", "s", quantiles("imgen_llm_seconds")),
            Panel(
                "Cells that a limit ended",
                "ops",
                {"{{limit}}": per_second("imgen_cells_ended_total", "limit")},
                "Strangers' bytes that asked for too much",
            ),
            Panel(
                "Content credentials: the certificate's days",
                "d",
                {"left": "(min(imgen_certificate_expires_timestamp_seconds) - time()) / 86400"},
                kind="stat",
            ),
            Panel(
                "Timestamp authority",
                "ops",
                {"{{result}}": per_second("imgen_timestamp_replies_total", "result")},
                "No data where IMGEN_TSA_URL is not set",
            ),
            Panel(
                "Memory of the servers",
                "bytes",
                {"{{instance}}": 'process_resident_memory_bytes{job="imgen"}'},
                "Without the processes in which strangers' bytes are read",
            ),
            Panel(
                "Processor cores that the servers use",
                "short",
                {"{{instance}}": f'rate(process_cpu_seconds_total{{job="imgen"}}[{OVER}])'},
            ),
            Panel("Gauges that could not be read", "short", {"{{instance}}": "imgen_metrics_unread"}),
        ),
    },
)
PRODUCT = Dashboard(
    "imgen-product",
    "imgen: what clients get",
    "Pictures, where they come from, how long they take, and what was refused",
    {
        "Pictures": (
            Panel(
                "Pictures an hour",
                "short",
                {"drawn": f"3600 * {MADE}", "of the cache": f"3600 * {CACHED}"},
                stacked=True,
            ),
            Panel(
                "Orders an hour, by model",
                "short",
                {"{{model}} {{source}}": f"3600 * {ORDERS}"},
                stacked=True,
            ),
            Panel(
                "Drawn in the last day",
                "short",
                {"pictures": 'round(sum(increase(imgen_attempts_total{outcome="made"}[1d])))'},
                kind="stat",
            ),
            Panel("From an order to its picture", "s", quantiles("imgen_picture_seconds")),
            Panel("From the first poll to the verdict", "s", quantiles("imgen_poll_to_verdict_seconds")),
            Panel(
                "Share that was blocked",
                "percentunit",
                {
                    "blocked": share(
                        per_second("imgen_jobs_ended_total", where='{outcome="blocked"}'),
                        per_second("imgen_jobs_ended_total", where='{outcome=~"blocked|completed"}'),
                    )
                },
            ),
            Panel(
                "Share that failed, timed out or was not judged",
                "percentunit",
                {
                    "{{outcome}}": per_second(
                        "imgen_jobs_ended_total", "outcome", '{outcome=~"failed|timed_out|unjudged"}'
                    )
                    + f" / ignoring (outcome) group_left {ENDED}"
                },
            ),
            Panel(
                "Share that was cancelled",
                "percentunit",
                {
                    "cancelled": share(
                        per_second("imgen_jobs_ended_total", where='{outcome="cancelled"}'), ENDED
                    )
                },
            ),
        ),
        "Cache": (
            Panel(
                "Share of look-ups that hit",
                "percentunit",
                {
                    "hit": share(
                        per_second("imgen_cache_lookups_total", where='{outcome="hit"}'),
                        per_second("imgen_cache_lookups_total"),
                    )
                },
            ),
            Panel(
                "Why look-ups missed",
                "ops",
                {"{{outcome}}": per_second("imgen_cache_lookups_total", "outcome", '{outcome!="hit"}')},
                "What the nearest picture lacked; docs/cache.md",
                stacked=True,
            ),
            Panel("Time of a look-up", "s", quantiles("imgen_cache_lookup_seconds")),
            Panel(
                "Pictures in the cache",
                "short",
                {"pictures": "max(imgen_cache_pictures)", "partitions": "max(imgen_cache_partitions)"},
            ),
            Panel("Memory of the cache", "bytes", {"{{instance}}": "imgen_cache_bytes"}),
            Panel(
                "Look-ups that read a whole partition",
                "short",
                {"{{instance}}": "imgen_cache_whole_searches"},
            ),
        ),
        "What clients ask": (
            Panel(
                "Actions",
                "reqps",
                {"{{action}}": per_second("imgen_action_seconds_count", "action")},
                stacked=True,
            ),
            Panel(
                "What keys have used",
                "short",
                {"{{measure}}": 'max by (measure) (imgen_used{measure!~"engine_ms|bytes"})'},
                "Since ever; `imgen usage`",
            ),
            Panel(
                "Engine time that keys have used",
                "s",
                {"engine": 'max(imgen_used{measure="engine_ms"}) / 1000'},
                "Since ever",
            ),
            Panel(
                "Bytes of pictures that keys were made",
                "bytes",
                {"stored": 'max(imgen_used{measure="bytes"})'},
                "Since ever",
            ),
            Panel("Actions, p50", "s", {"{{action}}": quantile(0.5, "imgen_action_seconds", "action")}),
            Panel(
                "Limits of keys that were hit",
                "reqps",
                {"{{limit}}": per_second("imgen_limits_hit_total", "limit", '{limit!~"server_.*|queue_.*"}')},
                stacked=True,
            ),
        ),
    },
)
_THERE = '{triton="$address"}'
FAILURES_THERE = per_second("imgen_triton_failures_total", where=_THERE)
_HERE = '{instance="$triton"}'
TRITON = Dashboard(
    "imgen-triton",
    "imgen: one Triton",
    "What a Triton does, network by network; choose its address and its metrics' above",
    {
        "As the API servers see it": (
            Panel("Load", "percentunit", {"taken": f"max(imgen_triton_load{_THERE})"}, "Of what it can hold"),
            Panel("Orders", "short", {"{{instance}}": f"sum by (instance) (imgen_triton_orders{_THERE})"}),
            Panel("It answers", "bool_on_off", {"to all": f"min(imgen_triton_alive{_THERE})"}, kind="stat"),
            Panel("Characters in its memory", "short", {"resident": f"max(imgen_triton_characters{_THERE})"}),
            Panel("Orders and requests that it failed", "ops", {"failed": FAILURES_THERE}),
        ),
        "Networks": (
            Panel("Runs", "ops", {"{{model}}": per_second("nv_inference_exec_count", "model", _HERE)}),
            Panel(
                "Orders in a run",
                "short",
                {"{{model}}": mean("nv_inference_count", "nv_inference_exec_count", "model", _HERE)},
                "How many the batcher merged, on average",
            ),
            Panel(
                "Failed",
                "ops",
                {
                    "{{model}} {{reason}}": per_second("nv_inference_request_failure", "model, reason", _HERE)
                    + " > 0"
                },
                "No data: none did",
            ),
            Panel(
                "Time of a request",
                "µs",
                {
                    "{{model}}": mean(
                        "nv_inference_request_duration_us", "nv_inference_request_success", "model", _HERE
                    )
                },
            ),
            Panel(
                "Of it: waiting for a batch",
                "µs",
                {
                    "{{model}}": mean(
                        "nv_inference_queue_duration_us", "nv_inference_request_success", "model", _HERE
                    )
                },
            ),
            Panel(
                "Of it: computing",
                "µs",
                {
                    "{{model}}": mean(
                        "nv_inference_compute_infer_duration_us",
                        "nv_inference_request_success",
                        "model",
                        _HERE,
                    )
                },
            ),
            Panel(
                "Requests that wait",
                "short",
                {"{{model}}": f"sum by (model) (nv_inference_pending_request_count{_HERE})"},
            ),
        ),
        "Machine": (
            Panel(
                "Processor in use",
                "percentunit",
                {"processor": f"nv_cpu_utilization{_HERE}", "GPU {{gpu_uuid}}": f"nv_gpu_utilization{_HERE}"},
            ),
            Panel(
                "Memory in use",
                "bytes",
                {
                    "main": f"nv_cpu_memory_used_bytes{_HERE}",
                    "GPU {{gpu_uuid}}": f"nv_gpu_memory_used_bytes{_HERE}",
                },
            ),
            Panel(
                "Power of the GPU",
                "watt",
                {"{{gpu_uuid}}": f"nv_gpu_power_usage{_HERE}"},
                "No data without a GPU",
            ),
        ),
    },
    variables=(
        ("address", "label_values(imgen_triton_load, triton)"),
        ("triton", "label_values(nv_inference_count, instance)"),
    ),
)
DASHBOARDS = (OPERATORS, PRODUCT, TRITON)


def shown(dashboard: Dashboard) -> dict[str, Any]:
    """As Grafana's JSON model has it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["imgen"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": list(_variables(dashboard))},
        "panels": list(_panels(dashboard)),
    }


def _variables(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    yield {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    for name, query in dashboard.variables:
        yield {"name": name, "type": "query", "datasource": SOURCE, "query": query, "refresh": 2, "sort": 1}


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for title, panels in dashboard.rows.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
            "panels": [],
        }
        y += 1
        for place, panel in enumerate(panels):
            number += 1
            at = {"x": place % ACROSS * WIDTH, "y": y + place // ACROSS * HEIGHT, "w": WIDTH, "h": HEIGHT}
            yield {"id": number, "gridPos": at, **_panel(panel)}
        y += -(-len(panels) // ACROSS) * HEIGHT


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.kind == "timeseries":
        mode = {"mode": "normal" if panel.stacked else "none"}
        defaults |= {"min": 0, "custom": {"stacking": mode, "fillOpacity": 30 if panel.stacked else 0}}
    targets = [
        {"refId": chr(ord("A") + number), "expr": query, "legendFormat": legend, "datasource": SOURCE}
        for number, (legend, query) in enumerate(panel.queries.items())
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
    }


def files() -> dict[Path, str]:
    """Each file of a dashboard, and what belongs into it."""
    return {
        HERE / f"{each.uid.removeprefix('imgen-')}.json": json.dumps(
            shown(each), indent=1, ensure_ascii=False
        )
        + "\n"
        for each in DASHBOARDS
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
