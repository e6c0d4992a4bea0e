import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from frontend.settings import Settings, load

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = (DEPLOY / "compose.yaml").read_text()
SETTINGS = {f"IMGEN_{name.upper()}" for name in Settings.__dataclass_fields__} | {"IMGEN_CONFIG"}
# Read by the models within Triton, not by the frontend.
TRITON = {"IMGEN_TRITON_SITE", "IMGEN_MODEL_REPOSITORIES", "IMGEN_RESIDENT_MB"}


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


def test_tritons_own_variables_are_read_by_its_models() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "model_repository").rglob("*.py"))
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
    environment = compose()["services"]["frontend"]["environment"]
    settings = load({k: filled(v, values) for k, v in environment.items() if k.startswith("IMGEN_")})
    assert settings.redis_url == "redis://:xxxxxxxx@redis:6379/0"
    assert settings.triton_urls == ("triton:8001",)
    assert settings.acs_url == "http://acs:9000"
    assert settings.s3_public_endpoint == "https://pictures.example.org"


def test_missing_password_stops_compose() -> None:
    with pytest.raises(AssertionError, match="REDIS_PASSWORD is empty"):
        filled(COMPOSE, {**dict.fromkeys(example(), "x"), "REDIS_PASSWORD": ""})


@pytest.mark.parametrize("name", compose()["services"])
def test_service_is_hardened_restarted_and_watched(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] in ("unless-stopped", "on-failure:5")
    # The images that we build say in the Dockerfile how they are.
    assert "healthcheck" in service or service["image"].startswith("imgen-")


def test_only_the_proxy_can_be_reached_from_outside() -> None:
    services = compose()["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert compose()["networks"]["inside"] == {"internal": True}
    assert all(services[name]["networks"] == ["inside"] for name in ("redis", "triton", "s3"))


def test_mounted_files_and_build_targets_exist() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    volumes = compose()["volumes"]
    for service in compose()["services"].values():
        for source in (item.split(":")[0] for item in service.get("volumes", []) if "${" not in item):
            assert (DEPLOY / source).is_file() if source.startswith("./") else source in volumes
        if build := service.get("build"):
            assert (DEPLOY / build["context"]).resolve() == ROOT
            assert f" AS {build['target']}\n" in dockerfile


def test_redis_writes_each_accepted_job_to_disk() -> None:
    command = compose()["services"]["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--appendfsync") + 1] == "always"
    assert command[command.index("--maxmemory") + 1] == "${REDIS_MAXMEMORY:?}"
    assert re.fullmatch(r"\d+gb", example()["REDIS_MAXMEMORY"])
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
