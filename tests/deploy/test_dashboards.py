"""Dashboards are what their list of panels makes, and ask for metrics that there are, in PromQL."""

import asyncio
import json
import re
import runpy
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client import REGISTRY

import frontend.services as every_metric
from embedded.part import free_port, running
from embedded.triton import triton_part
from tests.metrics_page import names_in

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "deploy" / "grafana"
FILES: dict[Path, str] = runpy.run_path(str(GRAFANA / "dashboards.py"))["files"]()
DASHBOARDS: dict[str, dict[str, Any]] = {path.stem: json.loads(text) for path, text in FILES.items()}
VARIABLES = {"$__rate_interval": "1m", "$triton": "t", "$address": "a"}
QUERIES = [
    target["expr"]
    for dashboard in DASHBOARDS.values()
    for panel in dashboard["panels"]
    for target in panel.get("targets", ())
]


def test_files_are_what_the_list_makes() -> None:
    assert {path: path.read_text() for path in GRAFANA.glob("*.json")} == FILES, "run dashboards.py there"


def test_server_tells_every_metric_that_a_panel_asks_for() -> None:
    assert every_metric  # imported, so that all are registered
    known = {family.name for family in REGISTRY.collect() if family.name.startswith("imgen_")}
    asked = {name for query in QUERIES for name in names_in(query)}
    assert asked - known == set()
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text())["groups"]
    recorded = {rule["record"] for group in rules for rule in group["rules"] if "record" in rule}
    assert {name for query in QUERIES for name in re.findall(r"imgen:[\w:]+", query)} <= recorded


def test_every_query_is_promql(tmp_path: Path) -> None:
    def plain(query: str) -> str:
        for name, value in VARIABLES.items():
            query = query.replace(name, value)
        return query

    written = [
        {"record": f"panel:query:{number}", "expr": plain(query)} for number, query in enumerate(QUERIES)
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": written}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [query for query in QUERIES if "$" in plain(query)] == []


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_do_not_lie_over_each_other(name: str) -> None:
    panels = DASHBOARDS[name]["panels"]
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places)) and max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)


@pytest.mark.triton
async def test_triton_tells_every_metric_that_its_panels_ask_for(
    tiny_repository: Path, tmp_path: Path
) -> None:
    """But for those of a GPU."""
    port = free_port()
    part = triton_part(data_dir=tmp_path, repositories=[tiny_repository], threads=1)
    kept = [word for word in part.command if not word.startswith("--allow-metrics")]
    command = (*kept, "--metrics-address=127.0.0.1", f"--metrics-port={port}")
    async with running(replace(part, command=command), tmp_path), aiohttp.ClientSession() as http:
        async with asyncio.timeout(60):
            while not (page := await read(http, port)):
                await asyncio.sleep(0.1)
    told = set(re.findall(r"^# TYPE (\w+)", page, re.MULTILINE))
    asked = {name for query in QUERIES for name in re.findall(r"\bnv_\w+", query)}
    assert {name for name in asked if not name.startswith("nv_gpu_")} - told == set()
    assert len(asked) > 8


async def read(http: aiohttp.ClientSession, port: int) -> str:
    try:
        async with http.get(f"http://127.0.0.1:{port}/metrics") as response:
            return await response.text()
    except aiohttp.ClientConnectionError:  # it listens there a moment later
        return ""
