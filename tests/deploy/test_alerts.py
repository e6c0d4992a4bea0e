"""Alerts fire for what they are about, alone, and not for a system that is well: promtool evaluates them."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import frontend.services as every_metric
from tests.metrics_page import names_in

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}
PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
HOURS = 2  # than which no alert waits longer; a rate of six hours takes what there is
LEFT_S = 1_000 * 86_400  # of the certificate, from the test's beginning, which is 1970
OUR_FAULT = 'imgen_http_requests_total{route="/api/v2",status="500"}'

# A system that is well: series → values, one a minute, as promtool writes them ("0+60": 60 more each).
HEALTHY = {
    'up{job="imgen",instance="a"}': "1+0",
    'up{job="triton",instance="t"}': "1+0",
    'imgen_triton_alive{triton="a:8001",instance="a"}': "1+0",
    'imgen_triton_alive{triton="b:8001",instance="a"}': "1+0",
    'imgen_http_requests_total{route="/api/v2",status="200"}': "0+6000",
    OUR_FAULT: "0+0",
    'imgen_picture_seconds_bucket{le="30.0"}': "0+60",
    "imgen_picture_seconds_count": "0+60",
    'imgen_poll_to_verdict_seconds_bucket{le="10.0"}': "0+60",
    "imgen_poll_to_verdict_seconds_count": "0+60",
    "imgen_jobs_oldest_waiting_seconds": "3+0",
    'imgen_part_up{part="redis"}': "1+0",
    'imgen_part_up{part="llm"}': "1+0",
    'imgen_part_up{part="accepting"}': "1+0",
    "imgen_redis_memory_used_ratio": "0.3+0",
    'imgen_redis_script_seconds_bucket{le="0.003"}': "0+600",
    'imgen_redis_script_seconds_bucket{le="0.3"}': "0+600",
    'imgen_redis_script_seconds_bucket{le="+Inf"}': "0+600",
    "imgen_pictures_unstored": "0+0",
    "imgen_certificate_expires_timestamp_seconds": f"{LEFT_S}+0",
    'imgen_jobs_ended_total{outcome="completed"}': "0+58",
    'imgen_jobs_ended_total{outcome="failed"}': "0+0",
    'imgen_jobs_ended_total{outcome="cancelled"}': "0+20",
    'imgen_attempts_total{outcome="made"}': "0+60",
    'imgen_attempts_total{outcome="work"}': "0+0",
    'imgen_reviews_total{outcome="safe"}': "0+60",
    'imgen_reviews_total{outcome="none"}': "0+0",
    'imgen_limits_hit_total{limit="queue_is_full"}': "0+0",
    'imgen_limits_hit_total{limit="too_many_requests_for_this_key"}': "0+10",
    'imgen_networks_made_no_numbers_total{network="eros-denoiser",runtime="openvino"}': "0+0",
    "imgen_webhooks_pending": "4+0",
    'imgen_webhook_attempts_total{outcome="delivered"}': "0+60",
    'imgen_webhook_attempts_total{outcome="given_up"}': "0+0",
    'imgen_llm_answers_total{outcome="used"}': "0+10",
    'imgen_llm_answers_total{outcome="none"}': "0+0",
}
# Each: what is otherwise, and which alerts fire then.
CASES: tuple[tuple[Mapping[str, str], set[str]], ...] = (
    ({}, set()),
    ({OUR_FAULT: "0+300"}, {"ImgenErrorsFast", "ImgenErrorsSlow"}),
    ({OUR_FAULT: "0+50"}, {"ImgenErrorsSlow"}),
    ({OUR_FAULT: "0+3"}, set()),
    ({'imgen_http_requests_total{route="/docs",status="500"}': "0+300"}, set()),
    ({'imgen_picture_seconds_bucket{le="30.0"}': "0+54"}, {"ImgenPicturesSlow"}),
    ({'imgen_picture_seconds_bucket{le="30.0"}': "0+58"}, set()),
    ({'imgen_poll_to_verdict_seconds_bucket{le="10.0"}': "0+50"}, {"ImgenVerdictsSlow"}),
    ({"imgen_jobs_oldest_waiting_seconds": "90+0"}, {"ImgenQueueOld"}),
    ({'up{job="imgen",instance="b"}': "0+0"}, {"ImgenServerAway"}),
    ({'up{job="imgen",instance="a"}': ""}, {"ImgenServerAway"}),
    ({'up{job="triton",instance="t"}': "0+0"}, {"ImgenTritonAway"}),
    ({'imgen_triton_alive{triton="b:8001",instance="a"}': "0+0"}, {"ImgenTritonAway"}),
    ({'imgen_part_up{part="redis"}': "0+0"}, {"ImgenPartDown"}),
    ({'imgen_part_up{part="llm"}': "0+0"}, {"ImgenOptionalPartDown"}),
    ({'imgen_part_up{part="accepting"}': "0+0"}, set()),
    ({"imgen_redis_memory_used_ratio": "0.85+0"}, {"ImgenRedisFull"}),
    ({'imgen_redis_script_seconds_bucket{le="0.003"}': "0+500"}, {"ImgenRedisSlow"}),
    ({"imgen_pictures_unstored": "2+0"}, {"ImgenPicturesUnstored"}),
    ({"imgen_certificate_expires_timestamp_seconds": "86400+0"}, {"ImgenCertificateExpiring"}),
    ({'imgen_jobs_ended_total{outcome="failed"}': "0+6"}, {"ImgenJobsFailing"}),
    ({'imgen_jobs_ended_total{outcome="cancelled"}': "0+200"}, set()),
    ({'imgen_attempts_total{outcome="work"}': "0+20"}, {"ImgenAttemptsFailing"}),
    ({'imgen_reviews_total{outcome="none"}': "0+20"}, {"ImgenNoVerdicts"}),
    ({'imgen_limits_hit_total{limit="queue_is_full"}': "0+1"}, {"ImgenOrdersRefused"}),
    (
        {'imgen_networks_made_no_numbers_total{network="eros-denoiser",runtime="openvino"}': "0+1"},
        {"ImgenNoNumbers"},
    ),
    (
        {'imgen_networks_made_no_numbers_total{network="eros-decoder",runtime="openvino"}': "_x105 1+0"},
        {"ImgenNoNumbers"},
    ),
    ({OUR_FAULT: "0+50", 'imgen_llm_answers_total{outcome="absent"}': "0+50"}, set()),
    ({"imgen_webhooks_pending": "2000+0"}, {"ImgenWebhooksBehind"}),
    ({'imgen_webhook_attempts_total{outcome="given_up"}': "0+20"}, {"ImgenWebhooksBehind"}),
    ({'imgen_llm_answers_total{outcome="none"}': "0+20"}, {"ImgenLlmFailing"}),
)  # fmt: skip


def promtool(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)


def as_tested(changes: Mapping[str, str], firing: set[str]) -> dict[str, Any]:
    series = {name: values for name, values in {**HEALTHY, **changes}.items() if values}
    told = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(firing)]
    return {
        "interval": "1m",
        "name": json.dumps(dict(changes)),
        "input_series": [
            {"series": name, "values": f"{values}x{HOURS * 60}"} for name, values in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": 'max by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{HOURS}h",
                "exp_samples": told,
            }
        ],
    }


def test_alerts_fire_for_what_they_are_about_alone(tmp_path: Path) -> None:
    file = tmp_path / "alerts.test.yaml"
    tests = {
        "rule_files": [str(PROMETHEUS / "alerts.yaml")],
        "evaluation_interval": "1m",
        "tests": [as_tested(changes, firing) for changes, firing in CASES],
    }
    file.write_text(yaml.safe_dump(tests))
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_share_of_errors_is_none_where_there_never_was_one(tmp_path: Path) -> None:
    """Nor of a language model's, of which a server without one tells nothing."""
    case = as_tested(
        dict.fromkeys((OUR_FAULT, *(name for name in HEALTHY if "llm_answers" in name)), ""), set()
    )
    told = [{"labels": "imgen:errors:ratio_rate5m", "value": 0}]
    case["promql_expr_test"] = [{"expr": "imgen:errors:ratio_rate5m", "eval_time": "1h", "exp_samples": told}]
    file = tmp_path / "errors.test.yaml"
    rules = str(PROMETHEUS / "alerts.yaml")
    file.write_text(yaml.safe_dump({"rule_files": [rules], "evaluation_interval": "1m", "tests": [case]}))
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_seen_to_fire() -> None:
    assert ALERTS.keys() - set().union(*(firing for _, firing in CASES)) == set()


def test_summary_tells_the_figure(tmp_path: Path) -> None:
    file = tmp_path / "summary.test.yaml"
    told = {
        "exp_labels": {"severity": "page"},
        "exp_annotations": {
            "summary": "a job has waited for 1m 30s",
            "runbook_url": "docs/runbooks/queue-old.md",
        },
    }
    expected = {"eval_time": f"{HOURS}h", "alertname": "ImgenQueueOld", "exp_alerts": [told]}
    case = as_tested({"imgen_jobs_oldest_waiting_seconds": "90+0"}, {"ImgenQueueOld"})
    tests = {"rule_files": [str(PROMETHEUS / "alerts.yaml")], "evaluation_interval": "1m"}
    file.write_text(yaml.safe_dump({**tests, "tests": [{**case, "alert_rule_test": [expected]}]}))
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("kind", "file"), [("config", "prometheus.yaml"), ("rules", "alerts.yaml")])
def test_configuration_and_rules_are_what_prometheus_takes(kind: str, file: str) -> None:
    done = promtool("check", kind, PROMETHEUS / file)
    assert (done.returncode, "SUCCESS" in done.stdout) == (0, True), done.stdout + done.stderr


def test_rules_and_pages_ask_for_metrics_that_the_server_tells(tmp_path: Path) -> None:
    assert every_metric  # imported, so that all are registered
    known = {family.name for family in REGISTRY.collect()}
    rules = [rule for group in RULES["groups"] for rule in group["rules"]]
    queries = [query for page in PAGES for query in queries_of(page)]
    told = {name for query in [*queries, *(rule["expr"] for rule in rules)] for name in names_in(query)}
    assert told - known == set()
    file = tmp_path / "pages.yaml"
    written = [{"record": f"page:query:{number}", "expr": query} for number, query in enumerate(queries)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "pages", "rules": written}]}))
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def queries_of(page: Path) -> list[str]:
    blocks = re.findall(r"^```promql\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("name", ALERTS)
def test_alert_leads_to_its_page(name: str) -> None:
    page = ROOT / ALERTS[name]["annotations"]["runbook_url"]
    text = page.read_text()
    assert name in text
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == ["What it means", "How to confirm", "What to do"]
    assert ALERTS[name]["labels"]["severity"] in ("page", "ticket")


def test_every_page_is_of_an_alert() -> None:
    assert {ROOT / rule["annotations"]["runbook_url"] for rule in ALERTS.values()} == set(PAGES)
    assert [page.name for page in PAGES if len(queries_of(page)) < 2] == []
