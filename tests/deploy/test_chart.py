"""What the Helm chart sends to a cluster, for a dozen and a half of installations."""

import functools
import json
import re
from typing import Any

import jsonschema_rs
import kubernetes_validate
import pytest
import yaml

from frontend.net.plain_text import plain_text_warnings
from frontend.settings import ROOT, Settings, load
from tests.deploy.chart import (
    BASE,
    CASES,
    CHART,
    DIGEST,
    Manifest,
    matches,
    merged,
    of_kind,
    render,
    workloads,
)
from tests.deploy.helm import ChartError, linted
from tests.deploy.test_compose import SETTINGS, TRITON

CUSTOM = {
    path.stem: jsonschema_rs.validator_for(json.loads(path.read_text()))
    for path in (ROOT / "deploy" / "helm" / "schemas").glob("*.json")
}
KUBERNETES = "1.37"
each_case = pytest.mark.parametrize("name", CASES)


@functools.cache
def rendered(case: str) -> list[Manifest]:
    return render(merged(BASE, CASES[case]))


def containers(manifests: list[Manifest]) -> list[Manifest]:
    return [container for _, pod in workloads(manifests) for container in pod["spec"]["containers"]]


def pod_labels(manifests: list[Manifest]) -> dict[str, dict[str, str]]:
    """By component; a pool's by its name."""
    pods = [pod["metadata"]["labels"] for _, pod in workloads(manifests)]
    return {labels.get("imgen/pool", labels["app.kubernetes.io/component"]): labels for labels in pods}


@each_case
def test_every_object_follows_its_schema_to_the_letter(name: str) -> None:
    for manifest in rendered(name):
        custom = CUSTOM.get(manifest["kind"].lower())
        if custom:
            custom.validate(manifest)
        else:
            assert kubernetes_validate.validate(manifest, KUBERNETES, strict=True) == KUBERNETES


def test_validation_finds_what_kubernetes_would_drop() -> None:
    (deployment, *_) = of_kind(rendered("least"), "Deployment")
    spoilt = merged(deployment, {"spec": {"template": {"spec": {"terminationGraceSeconds": 3}}}})
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(spoilt, KUBERNETES, strict=True)
    (scaled, *_) = of_kind(rendered("scaled"), "ScaledObject")
    with pytest.raises(jsonschema_rs.ValidationError):
        CUSTOM["scaledobject"].validate(merged(scaled, {"spec": {"maxReplicas": 3}}))


def test_linter_has_nothing_but_the_icon_to_say() -> None:
    """Of the chart with values; bare, it tells what is missing."""
    said = linted(CHART)
    assert {message["error"] for message in said if message["severity"] < 3} == {"icon is recommended"}
    assert "publicUrl" in str([message for message in said if message["severity"] == 3])


def nulls(value: Any) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(nulls(each) for each in inside)


@each_case
def test_nothing_is_left_empty_by_a_template(name: str) -> None:
    """`env:` without anything below it is null, which schemas let pass."""
    assert not [each for each in rendered(name) if nulls(each)]


@each_case
def test_objects_have_names_of_their_own(name: str) -> None:
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in rendered(name)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"publicUrl": ""}, "publicUrl"),
        ({"secret": {"name": ""}}, "secret"),
        ({"s3": {"bucket": ""}}, "s3/bucket"),
        ({"acs": {"fetchAllow": []}}, "acs/fetchAllow"),
        ({"acs": {"enabled": False}}, "acs/url"),
        ({"worker": {"workers": 3}}, "workers"),
        ({"settings": {"redis_url": "redis://x"}}, "redis_url"),
        ({"settings": {"JOB_DEADLINE_S": 3}}, "JOB_DEADLINE_S"),
        ({"settings": {"drain_s": 3}}, "drain_s"),
        ({"catalogue": {"claim": ""}}, "catalogue: name a claim or an image"),
        ({"tritons": {"h100": {"models": {"claim": ""}}}}, "tritons.h100.models: name a claim or an image"),
        ({"tritons": {"h100": None}}, "tritons: name a pool"),
        ({"worker": {"autoscaling": {"max": 3}}}, "scaling.prometheus"),
        ({"images": {"frontend": "imgen-frontend"}}, "images/frontend"),
    ],
)
def test_values_that_make_no_installation_are_refused_with_their_name(
    values: dict[str, Any], told: str
) -> None:
    with pytest.raises(ChartError, match=re.escape(told)):
        render(merged(BASE, values))


@each_case
def test_pods_keep_to_the_restricted_profile(name: str) -> None:
    """Kubernetes' Pod Security Standards, each rule of `restricted` that a field of ours could break."""
    volumes = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim"}
    for _, pod in workloads(rendered(name)):
        spec, security = pod["spec"], pod["spec"]["securityContext"]
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers", "initContainers"} & spec.keys()
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= volumes | {"projected", "secret"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert not any("hostPort" in port for port in container.get("ports", []))
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]


@each_case
def test_what_is_mounted_is_a_volume_and_nothing_else_is_written_to(name: str) -> None:
    for workload, pod in workloads(rendered(name)):
        claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])]
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        mounts = [mount for each in pod["spec"]["containers"] for mount in each.get("volumeMounts", [])]
        assert {mount["name"] for mount in mounts} == volumes.keys() | set(claims)
        for mount in mounts:
            writable = mount["name"] in claims or "emptyDir" in volumes[mount["name"]]
            assert writable or mount["readOnly"] is True
        for volume in volumes.values():
            assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"]


@each_case
def test_every_variable_is_a_setting_or_read_by_the_program(name: str) -> None:
    own = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "REDIS_PASSWORD", "VALKEYCLI_AUTH", "REDISCLI_AUTH"}
    of_models = TRITON | {"IMGEN_CPU_RUNTIME"}
    for container in containers(rendered(name)):
        named = [variable["name"] for variable in container.get("env", [])]
        assert len(named) == len(set(named))
        assert set(named) <= (of_models if container["name"] == "triton" else SETTINGS | own)


@each_case
def test_no_key_stands_in_what_everybody_may_read(name: str) -> None:
    """Manifests are seen by whoever may list pods; Secrets by fewer."""
    secret = {f"IMGEN_{each}".upper() for each, row in Settings.__dataclass_fields__.items()
              if row.metadata["secret"]} | {"AWS_SECRET_ACCESS_KEY"}  # fmt: skip
    assert not of_kind(rendered(name), "Secret")
    for container in containers(rendered(name)):
        for variable in container.get("env", []):
            if variable["name"] in secret - {"IMGEN_REDIS_URL"}:
                assert "secretKeyRef" in variable["valueFrom"]
        url = [each for each in container.get("env", []) if each["name"] == "IMGEN_REDIS_URL"]
        assert all("valueFrom" in each or ":$(REDIS_PASSWORD)@" in each["value"] for each in url)


@each_case
def test_frontends_accept_what_they_are_given(name: str) -> None:
    """And send no key in plain text, beyond the namespace's own parts."""
    for container in containers(rendered(name)):
        if container["name"] in ("api", "worker"):
            hidden = {"IMGEN_REDIS_URL": "rediss://:x@redis.example.org:6379/0"}
            given = {
                each["name"]: each.get("value", hidden.get(each["name"], "x" * 8))
                for each in container["env"]
            }
            settings = load(given)
            assert container["args"] == ["serve", "--role", container["name"]]
            elsewhere = [words for words in plain_text_warnings(settings) if "gpu1.example.org" not in words]
            assert elsewhere == []
            grace = next(pod["spec"]["terminationGracePeriodSeconds"] for _, pod in workloads(rendered(name))
                         if pod["spec"]["containers"][0] is container)  # fmt: skip
            assert grace >= settings.drain_s + 15  # as docs of IMGEN_DRAIN_S have it


@each_case
def test_services_and_budgets_find_their_pods_and_ports(name: str) -> None:
    pods = [(pod["metadata"]["labels"], pod["spec"]) for _, pod in workloads(rendered(name))]
    for service in of_kind(rendered(name), "Service"):
        found = [
            spec for labels, spec in pods if matches({"matchLabels": service["spec"]["selector"]}, labels)
        ]
        assert len(found) == (2 if service["metadata"]["name"].endswith("-operators") else 1)
        for spec in found:
            open_ports = {port["name"] for each in spec["containers"] for port in each["ports"]}
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= open_ports
    for budget in of_kind(rendered(name), "PodDisruptionBudget"):
        assert sum(matches(budget["spec"]["selector"], labels) for labels, _ in pods) == 1
    budgets = {
        each["metadata"]["name"].removeprefix("demo-")
        for each in of_kind(rendered(name), "PodDisruptionBudget")
    }
    long_lived = {
        each["metadata"]["name"].removeprefix("demo-")
        for each, _ in workloads(rendered(name))
        if each["kind"] != "Job"
    }
    assert budgets == long_lived - {"redis"}  # of one, none could ever be evicted


@each_case
def test_pods_are_spread_over_zones_and_nodes(name: str) -> None:
    for _, pod in workloads(rendered(name)):
        spread = pod["spec"]["topologySpreadConstraints"]
        keys = [each["topologyKey"] for each in spread]
        assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        assert all(matches(each["labelSelector"], pod["metadata"]["labels"]) for each in spread)


@each_case
def test_probes_go_to_ports_that_are_open(name: str) -> None:
    for container in containers(rendered(name)):
        if container["name"] == "bucket":
            continue
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = container[probe].get("httpGet") or container[probe].get("tcpSocket")
            assert asked["port"] in ports if asked else container[probe]["exec"]["command"]


def allowed(manifests: list[Manifest], source: str, target: str, port: int) -> bool:
    """Whether a connection between two of our pods is let out and in, by NetworkPolicies' rules."""
    pods = pod_labels(manifests)

    def lets(direction: str, rules: str, peers: str, this: str, other: str) -> bool:
        policies = [
            each["spec"]
            for each in of_kind(manifests, "NetworkPolicy")
            if direction in each["spec"]["policyTypes"] and matches(each["spec"]["podSelector"], pods[this])
        ]
        return not policies or any(
            any(each["port"] == port for each in rule.get("ports", [{"port": port}]))
            and any(
                "podSelector" in peer and matches(peer["podSelector"], pods[other])
                for peer in rule.get(peers, [{"podSelector": {}}])
            )
            for policy in policies
            for rule in policy.get(rules, [])
        )

    return lets("Egress", "egress", "to", source, target) and lets(
        "Ingress", "ingress", "from", target, source
    )


PORTS = {"api": (8080, 8081), "worker": (8081,), "h100": (8000, 8001, 8002), "acs": (9000,), "redis": (6379,)}


@pytest.mark.parametrize("name", ["trial", "closed networks"])
def test_parts_are_reached_by_their_callers_alone(name: str) -> None:
    manifests = rendered(name)
    open_ways = {
        (source, target, port)
        for source in PORTS
        for target, ports in PORTS.items()
        for port in ports
        if source != target and allowed(manifests, source, target, port)
    }
    assert open_ways == {
        (source, target, port)
        for source in ("api", "worker")
        for target, port in (("h100", 8001), ("redis", 6379))
    } | {("api", "acs", 9000)}


def test_nobody_but_prometheus_reads_metrics_and_nobody_outside_reaches_a_part() -> None:
    for policy in of_kind(rendered("trial"), "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            ports = {each["port"] for each in rule["ports"]}
            if "from" not in rule:
                assert ports == {8080}
            elif any("namespaceSelector" in peer for peer in rule["from"]):
                assert ports <= {8081, 8002}


def test_private_addresses_are_not_among_the_public_ones() -> None:
    blocks = [
        peer["ipBlock"]
        for policy in of_kind(rendered("least"), "NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    assert {block["cidr"] for block in blocks} == {"0.0.0.0/0", "::/0", "169.254.20.10/32"}
    for block in blocks:
        if block["cidr"] == "0.0.0.0/0":
            assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(block["except"])


def test_queues_length_scales_workers_and_every_pool_that_may_grow() -> None:
    scaled = {each["metadata"]["name"]: each["spec"] for each in of_kind(rendered("scaled"), "ScaledObject")}
    assert scaled.keys() == {"demo-worker", "demo-triton-h100"}
    for spec in scaled.values():
        waiting, working = spec["triggers"]
        assert waiting["metricType"] == "Value"
        assert waiting["metadata"]["query"] == (
            'max(imgen_jobs_waiting{namespace="pictures"}) / '
            'clamp_min(sum(rate(imgen_attempts_total{outcome="made",namespace="pictures"}[5m])), 0.1)'
        )
        assert waiting["metadata"]["threshold"] == "30"
        assert working["metricType"] == "AverageValue"
    by_name = {each["metadata"]["name"]: each["spec"] for each, _ in workloads(rendered("scaled"))}
    assert "replicas" not in by_name["demo-worker"]  # else each upgrade would undo it
    assert "replicas" not in by_name["demo-triton-h100"]
    assert by_name["demo-triton-l40s"]["replicas"] == 1
    (autoscaler,) = of_kind(rendered("scaled"), "HorizontalPodAutoscaler")
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == "demo-api"


def test_every_pool_is_reached_under_its_name() -> None:
    (url,) = {
        each["value"]
        for container in containers(rendered("two kinds of GPU"))
        for each in container.get("env", [])
        if each["name"] == "IMGEN_TRITON_URLS"
    }
    assert url == "dns:///demo-triton-h100:8001,dns:///demo-triton-slice:8001"
    headless = [each["spec"]["clusterIP"] for each in of_kind(rendered("two kinds of GPU"), "Service")
                if "triton" in each["metadata"]["name"]]  # fmt: skip
    assert headless == ["None", "None"]


def test_pool_asks_for_its_own_kind_of_gpu() -> None:
    by_pool = {
        each["metadata"]["name"]: pod["spec"]
        for each, pod in workloads(rendered("two kinds of GPU"))
        if each["kind"] == "StatefulSet"
    }
    limits = {
        name: spec["containers"][0]["resources"]["limits"].keys() - {"memory"}
        for name, spec in by_pool.items()
    }
    assert limits == {"demo-triton-h100": {"nvidia.com/gpu"}, "demo-triton-slice": {"nvidia.com/mig-3g.40gb"}}
    assert by_pool["demo-triton-h100"]["nodeSelector"] == {"gpu": "h100"}
    assert by_pool["demo-triton-slice"]["runtimeClassName"] == "nvidia"
    without = rendered("without a GPU")
    assert "nvidia.com/gpu" not in str([pod for _, pod in workloads(without)])


def test_prometheus_is_led_to_frontends_and_tritons() -> None:
    manifests = rendered("watched")
    services = of_kind(manifests, "Service")
    for monitor in of_kind(manifests, "ServiceMonitor"):
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        found = [
            each for each in services if matches(monitor["spec"]["selector"], each["metadata"]["labels"])
        ]
        assert len(found) == 1
        ports = {port["name"] for port in found[0]["spec"]["ports"]}
        assert {each["port"] for each in monitor["spec"]["endpoints"]} <= ports


@pytest.mark.parametrize("name", ["ingress", "gateway"])
def test_what_leads_in_leads_to_the_api(name: str) -> None:
    text = json.dumps(of_kind(rendered(name), "Ingress", "HTTPRoute"))
    assert "demo-api" in text
    assert "api.example.org" in text
    assert not of_kind(rendered("least"), "Ingress", "HTTPRoute")


def test_values_that_the_documents_show_are_an_installation() -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    (shown,) = re.findall(r"```yaml\n# values-prod.yaml\n(.*?)```", text, re.DOTALL)
    values = yaml.safe_load(shown.replace("REGISTRY", "registry.example.org").replace("sha256:…", DIGEST))
    assert {each["kind"] for each in render(values)} >= {"ScaledObject", "ServiceMonitor", "Job"}


def test_chart_has_the_versions_of_the_program() -> None:
    from frontend.common.version import __version__

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    images = yaml.safe_load((CHART / "values.yaml").read_text())["images"]
    assert chart["appVersion"] == __version__
    assert {images[name].rpartition(":")[2] for name in ("frontend", "acs", "triton")} == {__version__}


def test_trials_redis_is_composes() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    images = yaml.safe_load((CHART / "values.yaml").read_text())["images"]
    assert images["redis"] == compose["services"]["redis"]["image"]
