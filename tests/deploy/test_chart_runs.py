"""What the Helm chart has a cluster run, run here: every command, variable and probe of it."""

import asyncio
import re
import secrets
import shlex
import subprocess
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from frontend.finishing.own_chain import own_chain
from frontend.invisible_mark.keys import parse
from frontend.settings import ROOT
from tests.deploy.chart import BASE, CASES, as_containers, merged, notes, of_kind, render, workloads
from tests.deploy.containers import Machine, machine
from tests.deploy.orders import draw
from tests.docs.shown_commands import commands
from tests.frontend.storage.keys import ACCESS_KEY, BUCKET, SECRET_KEY
from tests.frontend.storage.servers import moto

API, WORKER, TRITON, ACS, REDIS, RULES = (
    f"demo-{name}" for name in ("api", "worker", "triton-cpu", "acs", "redis", "bucket")
)


def secret(folder: Path) -> dict[str, str]:
    """The entries that docs/kubernetes.md lists."""
    folder.mkdir()
    certificate, key = own_chain(folder)
    return {
        "redis-password": secrets.token_hex(32),
        "acs-key": secrets.token_hex(32),
        "s3-access-key": ACCESS_KEY,
        "s3-secret-key": SECRET_KEY,
        "mark-key": f"1 {secrets.token_hex(32)}\n",
        "c2pa-certificate": certificate.read_text(),
        "c2pa-key": key.read_text(),
    }


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Machine]:
    async for bucket in moto(tmp_path):
        values = merged(
            BASE,
            {
                "redis": {"enabled": True},
                "s3": {"bucket": BUCKET, "endpoint": bucket, "addressing": "path", "rules": True},
                "acs": {"fetchAllow": [f"{bucket}/"]},
                "tritons": {
                    "h100": None,
                    "cpu": {"models": {"claim": "models"}, "gpu": {"count": 0}, "residentMb": 100},
                },
            },
        )
        volumes = {"models": ROOT / "demo" / "models", "catalogue": ROOT / "demo" / "catalogue"}
        containers = as_containers(render(values), secret(tmp_path / "secret"), volumes, tmp_path)
        with machine(tmp_path, containers) as running:
            yield running


def test_keys_for_a_trial_are_made_for_their_owner_alone_and_found_by_the_chart(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    lines = [line for line in commands(text) if line.startswith(("(umask", "printf"))]
    subprocess.run(["sh", "-ec", "\n".join(lines)], cwd=tmp_path, check=True)
    keys = tmp_path / "keys"
    assert keys.stat().st_mode & 0o777 == 0o700
    made = {path.name: path.read_text() for path in keys.iterdir()}
    assert parse(made["mark-key"], keys).keys() == {1}
    assert re.fullmatch("[0-9a-f]{64}", made["acs-key"])
    assert re.fullmatch("[0-9a-f]{64}", made["redis-password"])
    table = text[text.index("| entry |") : text.index("All servers need")]
    told = {name for row in re.findall(r"^\| (.+?) \|", table, re.M) for name in re.findall("`(.+?)`", row)}
    asked = {
        each["valueFrom"]["secretKeyRef"]["key"]
        for redis in (True, False)
        for _, pod in workloads(render(merged(BASE, {"redis": {"enabled": redis}})))
        for each in pod["spec"]["containers"][0].get("env", ())
        if "valueFrom" in each
    }
    assert asked | {"mark-key", "c2pa-certificate"} == told


@pytest.mark.system
async def test_installation_draws_a_reviewed_picture_and_every_probe_succeeds(cluster: Machine) -> None:
    for name in (REDIS, ACS, TRITON):
        cluster.start(name)
    cluster.until_ready(REDIS)
    for name in (API, WORKER):
        cluster.start(name)
    cluster.until_ready(API, WORKER, ACS, TRITON)
    rules = cluster.run(RULES, *cluster.containers[RULES].words)
    assert (rules.returncode, rules.stdout) == (0, f"bucket: {BUCKET} has its rules\n"), rules.stderr

    made_key, asked = (shlex.split(line)[6:] for line in notes(BASE).splitlines() if "kubectl" in line)
    assert made_key[:3] == ["python", "-m", "cli.main"]
    key = cluster.run(API, *made_key).stdout.split()[-1]
    inside = [word.replace("127.0.0.1", cluster.addresses[API]) for word in asked]
    assert '"acs": true' in cluster.run(API, *inside).stdout.replace('":', '": ').replace(":  ", ": ")
    url = f"http://{cluster.addresses[API]}:8080/api/v2"
    picture = draw(url, key)
    assert (await asyncio.to_thread(requests.get, picture, timeout=30)).content[:4] == b"RIFF"

    metrics = "".join(told(cluster, name) for name in (API, WORKER))
    families = {family.name for family in text_string_to_metric_families(metrics)}
    queries = str(of_kind(render(merged(BASE, CASES["scaled"])), "ScaledObject"))
    assert {name.removesuffix("_total") for name in re.findall(r"imgen_\w+", queries)} <= families
    assert "nv_inference_request_success" in told(cluster, TRITON, 8002)
    for name in (API, WORKER, ACS, TRITON, REDIS):
        assert cluster.stop(name) == 0, cluster.log(name)


def told(cluster: Machine, name: str, port: int = 8081) -> str:
    with urllib.request.urlopen(f"http://{cluster.addresses[name]}:{port}/metrics", timeout=30) as answer:
        return str(answer.read().decode())
