import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError

from embedded.redis import redis_part
from frontend.net.networks import networks
from frontend.net.plain_text import plain_text_warnings
from frontend.settings import Settings, load

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = (DEPLOY / "compose.yaml").read_text()
SETTINGS = {f"IMGEN_{name.upper()}" for name in Settings.__dataclass_fields__} | {"IMGEN_CONFIG"}
# Read by the models within Triton, not by the frontend.
TRITON = {"IMGEN_TRITON_SITE", "IMGEN_MODEL_REPOSITORIES", "IMGEN_RESIDENT_MB", "IMGEN_TRITON_TLS"}


def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(COMPOSE)
    return parsed


def example() -> dict[str, str]:
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def filled(text: str, values: dict[str, str]) -> str:
    """As Compose replaces ${NAME}, ${NAME?} and ${NAME:?}."""

    def value(match: re.Match[str]) -> str:
        assert match[1] in values, match[1]
        assert values[match[1]] or match[2] != ":?", f"{match[1]} is empty"
        return values[match[1]]

    return re.sub(r"\$\{(\w+)(:?\??)\}", value, text)


def test_file_follows_the_compose_specification() -> None:
    command = [f"{sys.prefix}/bin/check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*command, str(DEPLOY / "compose.yaml")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "path",
    ["Dockerfile", *(f"deploy/{p}" for p in ("compose.yaml", ".env.example", "README.md", "imgen.service"))],
)
def test_every_setting_that_is_named_exists(path: str) -> None:
    named = set(re.findall(r"\bIMGEN_[A-Z0-9_]*[A-Z0-9]", (ROOT / path).read_text()))
    assert named <= SETTINGS | TRITON


def test_tritons_own_variables_are_read_by_its_models_or_its_script() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "model_repository").rglob("*.py"))
    sources += (DEPLOY / "triton.sh").read_text()
    assert all(name in sources for name in TRITON)


def test_example_names_exactly_what_compose_asks_for() -> None:
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE))
    assert asked | {"COMPOSE_PROFILES"} == set(example())


def test_example_and_compose_hold_no_secret() -> None:
    for name, value in example().items():
        if re.search(r"PASSWORD|SECRET|KEY", name):
            assert value == "", name
    assert not re.search(r"(?i)(password|secret|key)\w*: *[\"']?[a-z0-9+/]{16,}", COMPOSE)


def test_frontend_accepts_the_settings_that_compose_gives_it() -> None:
    values = {name: value or "x" * 8 for name, value in example().items()}
    values["IMGEN_LLM_URL"] = "https://llm.example.org/v1"
    environment = compose()["services"]["frontend"]["environment"]
    settings = load({k: filled(v, values) for k, v in environment.items() if k.startswith("IMGEN_")})
    assert settings.redis_url == "redis://:xxxxxxxx@redis:6379/0"
    assert settings.triton_urls == ("triton:8001",)
    assert settings.acs_url == "http://acs:9000"
    assert settings.s3_public_endpoint == "https://pictures.example.org"
    assert plain_text_warnings(settings) == []  # though the reviewer's key goes there: all on this host


def test_frontends_believe_the_proxy_alone() -> None:
    """Nothing else is on the network from whose addresses X-Forwarded-For is believed."""
    edge, services = compose()["networks"]["edge"], compose()["services"]
    assert services["frontend"]["environment"]["IMGEN_TRUSTED_PROXIES"] == "${EDGE_SUBNET:?}"
    assert edge == {"internal": True, "ipam": {"config": [{"subnet": "${EDGE_SUBNET:?}"}]}}
    assert {name for name, each in services.items() if "edge" in each["networks"]} == {"frontend", "proxy"}
    (network,) = networks("trusted_proxies", [example()["EDGE_SUBNET"]])
    assert network.is_private


def test_proxy_reaches_the_frontends_through_the_network_that_they_trust() -> None:
    assert compose()["services"]["frontend"]["networks"]["edge"] == {"aliases": ["api"]}
    assert "dynamic a api 8080" in (DEPLOY / "Caddyfile").read_text()


def test_missing_password_stops_compose() -> None:
    with pytest.raises(AssertionError, match="REDIS_PASSWORD is empty"):
        filled(COMPOSE, {**dict.fromkeys(example(), "x"), "REDIS_PASSWORD": ""})


@pytest.mark.parametrize("name", compose()["services"])
def test_service_is_hardened_restarted_and_watched(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+[mg]", filled(str(service["mem_limit"]), example()))
    assert 0 < service["pids_limit"] <= 8192
    assert service["restart"] in ("unless-stopped", "on-failure:5")
    # The images that we build say in the Dockerfile how they are.
    assert "healthcheck" in service or service["image"].startswith("imgen-")


def test_only_the_proxy_can_be_reached_from_outside() -> None:
    services = compose()["services"]
    assert {name: service["ports"] for name, service in services.items() if "ports" in service} == {
        "proxy": ["80:80", "443:443", "443:443/udp"],
        "grafana": ["127.0.0.1:3000:3000"],
    }
    assert compose()["networks"]["inside"]["internal"] is True
    assert all(services[name]["networks"] == ["inside"] for name in ("redis", "triton", "s3"))


def test_mounted_files_and_build_targets_exist() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    volumes = compose()["volumes"]
    for service in compose()["services"].values():
        for source in (item.split(":")[0] for item in service.get("volumes", []) if "${" not in item):
            assert (DEPLOY / source).exists() if source.startswith("./") else source in volumes
        if build := service.get("build"):
            assert (DEPLOY / build["context"]).resolve() == ROOT
            assert f" AS {build['target']}\n" in dockerfile


@pytest.mark.redis
def test_redis_writes_each_accepted_job_to_disk_and_shows_nobody_its_password(tmp_path: Path) -> None:
    """Compose's own command, with a Redis in Valkey's place."""
    command = [word.replace("$$", "$") for word in compose()["services"]["redis"]["command"]]
    (tmp_path / "valkey-server").symlink_to(redis_part(tmp_path).command[0])
    socket = tmp_path / "s"
    place = f"--port 0 --unixsocket {socket} --dir {tmp_path} -"
    command[-1] = command[-1].replace(" - <<", f" {place} <<")
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "VALKEYCLI_AUTH": "harbour password",
        "REDIS_MAXMEMORY": example()["REDIS_MAXMEMORY"],
    }
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            client = until_connected(Redis(unix_socket_path=str(socket), password="harbour password"))
            with pytest.raises(AuthenticationError):
                Redis(unix_socket_path=str(socket)).ping()
            for name, value in (("appendonly", "yes"), ("appendfsync", "always")):
                assert client.config_get(name) == {name: value}
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("maxmemory") == {"maxmemory": str(3 << 30)}
            assert b"harbour" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        finally:
            process.terminate()


def until_connected(client: Redis) -> Redis:
    deadline = time.monotonic() + 30
    while True:
        try:
            client.ping()
        except RedisConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return client


def test_monitoring_is_what_grafana_finds_by_itself() -> None:
    """Its own server cannot run here; the files that it reads at its start name each other."""
    grafana = compose()["services"]["grafana"]
    mounted = {
        place: DEPLOY / source for source, place, _ in (each.split(":") for each in grafana["volumes"])
    }
    provisioning = "/etc/grafana/provisioning"
    (source,) = yaml.safe_load(mounted[f"{provisioning}/datasources/imgen.yaml"].read_text())["datasources"]
    (provider,) = yaml.safe_load(mounted[f"{provisioning}/dashboards/imgen.yaml"].read_text())["providers"]
    prometheus = compose()["services"]["prometheus"]
    assert source["url"] == "http://prometheus:9090"
    assert "--web.listen-address=0.0.0.0:9090" in prometheus["command"]
    assert set(grafana["networks"]) & set(prometheus["networks"])
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scraped["scrape_interval"]
    folder = mounted[provider["options"]["path"]]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (folder / Path(home).name).is_file()


@pytest.mark.parametrize(("password", "said"), [("", "GRAFANA_PASSWORD is empty\n"), ("s3cret", "")])
def test_grafana_starts_with_a_password_alone(tmp_path: Path, password: str, said: str) -> None:
    (tmp_path / "run.sh").symlink_to("/bin/true")
    *shell, script = compose()["services"]["grafana"]["entrypoint"]
    script = script.replace("$$", "$").replace("/run.sh", str(tmp_path / "run.sh"))
    environment = {"PATH": os.environ["PATH"], "GF_SECURITY_ADMIN_PASSWORD": password}
    done = subprocess.run([*shell, script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0 if password else 1, said)


def test_no_command_line_of_a_container_holds_a_secret() -> None:
    secrets = [name for name in example() if re.search(r"PASSWORD|SECRET|KEY", name)]
    for name, service in compose()["services"].items():
        told = str([service.get("command"), service.get("entrypoint"), service.get("healthcheck")])
        assert not [secret for secret in secrets if f"${{{secret}" in told], name


def test_reviewer_and_frontends_share_a_key() -> None:
    services = compose()["services"]
    keys = {services[name]["environment"]["IMGEN_ACS_KEY"] for name in ("frontend", "acs")}
    assert keys == {"${ACS_KEY:?}"}


def test_proxy_has_clients_come_back_by_tls_and_waits_for_none_of_them() -> None:
    text = (DEPLOY / "Caddyfile").read_text()
    assert "header Strict-Transport-Security max-age=31536000" in text
    assert text.count("\timport https_only\n") == 2
    for name in ("read_header", "read_body", "write", "idle"):
        assert re.search(rf"^\s+{name} \d+[sm]$", text, re.MULTILINE), name
