"""What compose.yaml has a host run, run here: all but Garage and Grafana, with variables and probes."""

import asyncio
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from embedded.part import free_port
from frontend.settings import ROOT
from tests.deploy.containers import OURS, Container, ContainerProbe, Machine, machine
from tests.deploy.dockerfile import health
from tests.deploy.orders import draw, until
from tests.deploy.test_compose import compose, example, filled
from tests.frontend.storage.keys import ACCESS_KEY, BUCKET, SECRET_KEY
from tests.frontend.storage.servers import moto

DEPLOY = ROOT / "deploy"
CADDY = "proxy"
SECONDS = {"s": 1, "m": 60}


def as_containers(folder: Path, values: dict[str, str]) -> list[Container]:
    """Every service but those whose programs are not here."""
    services: dict[str, Any] = _filled(compose()["services"], values)
    return [
        _container(name, each, folder) for name, each in services.items() if name not in ("s3", "grafana")
    ]


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, values) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, values) for each in value]
    return filled(value, values).replace("$$", "$") if isinstance(value, str) else value


def _container(name: str, service: dict[str, Any], folder: Path) -> Container:
    image = service["image"].removeprefix("imgen-")
    folders = {}
    for volume in service.get("volumes", ()):
        source, target = volume.split(":")[:2]
        place = DEPLOY / source if source.startswith("./") else Path(source)
        if "/" not in source:
            place = folder / "volumes" / source
            place.mkdir(parents=True, exist_ok=True)
        folders[target] = place
    return Container(
        name=name,
        image=image,
        command=tuple(service.get("entrypoint", ())),
        arguments=tuple(service["command"]) if "command" in service else None,
        environment=service.get("environment", {}),
        folders=folders,
        probes=(_probe(image, service.get("healthcheck", {})),),
        grace_s=_seconds(service.get("stop_grace_period", "10s")),
    )


def _probe(image: str, check: dict[str, Any]) -> ContainerProbe:
    if image in OURS:
        return ContainerProbe(command=tuple(health(image)))
    kind, *words = check["test"]
    return ContainerProbe(command=("sh", "-c", *words) if kind == "CMD-SHELL" else tuple(words))


def _seconds(text: str) -> float:
    return float(text[:-1]) * SECONDS[text[-1]]


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Machine]:
    api, pictures = (f"localhost:{free_port()}" for _ in range(2))
    async for bucket in moto(tmp_path):
        values = {
            **example(),
            "API_DOMAIN": api,
            "PICTURES_DOMAIN": pictures,
            "MODELS": str(ROOT / "demo" / "models"),
            "CATALOGUE": str(ROOT / "demo" / "catalogue"),
            "REDIS_PASSWORD": secrets.token_hex(32),
            "ACS_KEY": secrets.token_hex(32),
            "GARAGE_RPC_SECRET": secrets.token_hex(32),
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "IMGEN_S3_BUCKET": BUCKET,
            "IMGEN_S3_PUBLIC_ENDPOINT": f"https://{pictures}",
            "PICTURES_PREFIX": f"https://{pictures}/{BUCKET}/",
            "EDGE_SUBNET": "127.0.0.0/8",  # of this machine's proxy
        }
        elsewhere = {"s3:3900": bucket.removeprefix("http://")}
        containers = as_containers(tmp_path, values)
        with machine(tmp_path, containers, {"api": "frontend"}, elsewhere) as running:
            caddyfile(running, tmp_path)
            scrape_configuration(running, tmp_path)
            yield running


def caddyfile(host: Machine, folder: Path) -> None:
    """With names as they are here, at ports that anybody may open, and this machine's trust left alone."""
    text = host.here(CADDY, (DEPLOY / "Caddyfile").read_text())
    admin = f"{host.addresses[CADDY]}:2019"
    admin = f"admin {admin} {{\n\t\torigins {admin}\n\t}}"
    options = f"{{\n\thttp_port {free_port()}\n\tskip_install_trust\n\t{admin}\n"
    (folder / "Caddyfile").write_text(re.sub(r"^\{\n", options, text, count=1, flags=re.MULTILINE))
    host.replace_folder(CADDY, "/etc/caddy/Caddyfile", folder / "Caddyfile")


def scrape_configuration(host: Machine, folder: Path) -> None:
    """Addresses in place of names, for which Prometheus would ask a DNS server; and more often."""
    shutil.copytree(DEPLOY / "prometheus", folder / "prometheus")
    file = folder / "prometheus" / "prometheus.yaml"
    configuration = yaml.safe_load(file.read_text())
    configuration["global"] = dict.fromkeys(configuration["global"], "1s")
    for scraped in configuration["scrape_configs"]:
        found = [(each["names"], each["port"]) for each in scraped.pop("dns_sd_configs")]
        targets = [f"{host.addresses[name]}:{port}" for names, port in found for name in names]
        scraped["static_configs"] = [{"targets": targets}]
    file.write_text(yaml.safe_dump(configuration))
    host.replace_folder("prometheus", "/etc/prometheus", folder / "prometheus")


def answer_of_prometheus(host: Machine, query: str) -> dict[str, float]:
    """Its series' values, by their job."""
    url = f"http://{host.addresses['prometheus']}:9090/api/v1/query"
    answer = requests.get(url, params={"query": query}, timeout=30).json()
    assert answer["status"] == "success", answer
    return {each["metric"].get("job", ""): float(each["value"][1]) for each in answer["data"]["result"]}


@pytest.mark.system
async def test_host_draws_a_reviewed_picture_and_every_health_check_succeeds(
    host: Machine, tmp_path: Path
) -> None:
    for name in ("redis", "triton", CADDY):
        host.start(name)
    authority = tmp_path / "volumes" / "tls" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    host.until_ready("redis", CADDY)
    until(authority.exists)
    host.start("acs", SSL_CERT_FILE=str(authority))  # in the place of a certificate that everybody trusts
    host.until_ready("acs", "triton")
    rules = host.run("bucket", *host.containers["bucket"].words)
    assert (rules.returncode, rules.stdout) == (0, f"bucket: {BUCKET} has its rules\n"), rules.stderr
    host.start("frontend")
    host.until_ready("frontend")
    host.start("prometheus")
    host.until_ready("prometheus")
    key = host.run("frontend", "python", "-m", "cli.main", "keys", "create", "studio-a").stdout.split()[-1]
    url = host.environment("frontend")["IMGEN_PUBLIC_URL"]
    picture = draw(f"{url}/api/v2", key, str(authority))
    assert picture.startswith(host.environment("frontend")["IMGEN_S3_PUBLIC_ENDPOINT"])

    def get(address: str) -> requests.Response:
        return requests.get(address, timeout=30, verify=str(authority))

    doctor = host.run("frontend", "python", "-m", "cli.main", "doctor").stdout
    assert {"✓ redis: works", "✓ triton: works", "! llm: does not work; pictures are made without it"} <= {
        line.strip() for line in doctor.splitlines()
    }, doctor
    answer = await asyncio.to_thread(get, picture)
    assert answer.content[:4] == b"RIFF"
    assert answer.headers["Strict-Transport-Security"]
    assert (await asyncio.to_thread(get, f"{url}/readyz")).status_code == 404
    until(lambda: answer_of_prometheus(host, "up") == {"imgen": 1, "triton": 1})
    until(lambda: answer_of_prometheus(host, "imgen_picture_seconds_count") == {"imgen": 1})
    until(lambda: answer_of_prometheus(host, "sum by (job) (nv_inference_count) > 0").keys() == {"triton"})
    assert answer_of_prometheus(host, 'ALERTS{alertstate="firing"}') == {}
    for name in ("prometheus", "frontend", "acs", "triton", CADDY, "redis"):
        assert host.stop(name) == 0, host.log(name)
