"""The Helm chart, rendered by Helm's own library."""

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from frontend.settings import ROOT
from tests.deploy.containers import Container, ContainerProbe
from tests.deploy.helm import rendered

CHART = ROOT / "deploy" / "helm" / "imgen"
RELEASE, NAMESPACE = "demo", "pictures"
Values = dict[str, Any]
Manifest = dict[str, Any]

BASE: Values = {
    "publicUrl": "https://api.example.org",
    "secret": {"name": "imgen-keys"},
    "catalogue": {"claim": "catalogue"},
    "s3": {"bucket": "pictures"},
    "acs": {"fetchAllow": ["https://pictures.example.org/"]},
    "tritons": {"h100": {"models": {"claim": "models-h100"}}},
}
DIGEST = "sha256:" + "0a" * 32
CATALOGUE_IMAGE, MODELS_IMAGE = f"registry.example.org/catalogue:7@{DIGEST}", "registry.example.org/models:7"
CASES: dict[str, Values] = {
    "least": {},
    "trial": {"redis": {"enabled": True}, "worker": {"replicas": 1}, "api": {"replicas": 1}},
    "external secrets": {"secret": {"name": "", "external": {"store": "vault", "key": "imgen/prod"}}},
    "scaled": {
        "scaling": {"prometheus": "http://prometheus.monitoring:9090"},
        "api": {"autoscaling": {"max": 20}},
        "worker": {"autoscaling": {"max": 12}},
        "tritons": {"h100": {"autoscaling": {"max": 6}}, "l40s": {"models": {"claim": "models-l40s"}}},
    },
    "images as volumes": {
        "catalogue": {"claim": "", "image": CATALOGUE_IMAGE, "path": "catalogue"},
        "tritons": {"h100": {"models": {"claim": "", "image": MODELS_IMAGE, "path": "eros"}}},
    },
    "two kinds of GPU": {
        "tritons": {
            "h100": {"replicas": 3, "residentMb": 60_000, "nodeSelector": {"gpu": "h100"}},
            "slice": {
                "models": {"claim": "models-slice"},
                "gpu": {"resource": "nvidia.com/mig-3g.40gb", "count": 1},
                "runtimeClassName": "nvidia",
                "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            },
        }
    },
    "without a GPU": {
        "tritons": {"h100": {"gpu": {"count": 0}, "environment": {"IMGEN_CPU_RUNTIME": "onnxruntime"}}}
    },
    "Tritons elsewhere": {"tritons": {"h100": None}, "externalTritons": ["gpu1.example.org:8001"]},
    "mutual TLS": {"tritonTls": {"server": "triton-server-tls", "client": "triton-client-tls"}},
    "another reviewer": {"acs": {"enabled": False, "url": "https://acs.example.org"}},
    "watched": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "ingress": {
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "host": "api.example.org",
            "tlsSecret": "api-tls",
            "annotations": {"nginx.ingress.kubernetes.io/proxy-buffering": "off"},
        },
        "api": {"trustedProxies": ["10.0.0.0/8", "fd00::/8"]},
    },
    "gateway": {
        "gateway": {"parents": [{"name": "public", "namespace": "gateways"}], "hosts": ["api.example.org"]}
    },
    "bucket on AWS": {
        "s3": {"region": "eu-central-1", "encryption": "aws:kms", "addressing": "virtual", "rules": True},
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/imgen"}},
        "settings": {"cors_origins": "https://studio.example.org"},
    },
    "settings": {
        "settings": {"job_deadline_s": 600, "max_watermark_share": 0.5, "plain_hosts": "llm"},
        "llm": {"url": "http://llm:8000/v1", "model": "big"},
        "imagePullSecrets": [{"name": "registry"}],
        "images": {"frontend": f"registry.example.org:5000/imgen/frontend:0.1.0@{DIGEST}"},
    },
    "closed networks": {
        "networkPolicy": {
            "internet": False,
            "apiFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
            "metricsFrom": [],
            "egress": [{"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}], "ports": [{"port": 443}]}],
        },
        "redis": {"enabled": True},
    },
    "open networks": {"networkPolicy": {"enabled": False}},
}


def merged(*parts: Values) -> Values:
    """As Helm merges values: mappings into each other, null removes."""
    result: Values = {}
    for part in parts:
        for name, value in copy.deepcopy(part).items():
            if isinstance(value, dict) and isinstance(result.get(name), dict):
                result[name] = merged(result[name], value)
            elif value is None:
                result.pop(name, None)
            else:
                result[name] = value
    return result


def render(values: Values) -> list[Manifest]:
    """What an installation would send to the cluster. Raises ChartError."""
    files = rendered(CHART, values, RELEASE, NAMESPACE)
    texts = [text for path, text in files.items() if path.endswith(".yaml")]
    return [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]


def notes(values: Values) -> str:
    """What is told after an installation."""
    return rendered(CHART, values, RELEASE, NAMESPACE)["imgen/templates/NOTES.txt"]


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def workloads(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Each with its pod: {metadata, spec}."""
    for manifest in of_kind(manifests, "Deployment", "StatefulSet", "Job"):
        yield manifest, manifest["spec"]["template"]


def matches(selector: Manifest, labels: dict[str, str]) -> bool:
    """A selector of {matchLabels, matchExpressions: In}; an empty one is everything."""
    found = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return found and all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", [])
    )


def as_containers(
    manifests: list[Manifest], secret: Mapping[str, str], volumes: Mapping[str, Path], folder: Path
) -> list[Container]:
    """Each workload's container, as the kubelet would run it.

    `secret`: the Secret's entries; its files and all that is empty at first lie below `folder`. `volumes`:
    claims by name.
    """
    found = []
    for workload, pod in workloads(manifests):
        (container,) = pod["spec"]["containers"]
        name = workload["metadata"]["name"]
        held = {
            each["name"]: _folder(each, secret, volumes, folder / name)
            for each in pod["spec"].get("volumes", [])
        }
        held |= {
            claim["metadata"]["name"]: _made(folder / name / claim["metadata"]["name"])
            for claim in workload["spec"].get("volumeClaimTemplates", [])
        }
        mounts = container.get("volumeMounts", [])
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        environment: dict[str, str] = {}
        for each in container.get("env", []):
            value = _value(each, secret, environment)
            environment |= {} if value is None else {each["name"]: value}
        found.append(
            Container(
                name=name,
                image=_stage(container["image"]),
                command=tuple(container.get("command", ())),
                arguments=tuple(container["args"]) if "args" in container else None,
                environment=environment,
                folders={
                    each["mountPath"]: held[each["name"]] / each.get("subPath", "")
                    for each in mounts
                    if each["mountPath"] not in ("/tmp", "/dev/shm")  # everybody's
                },
                probes=tuple(
                    _probe(container[kind], ports)
                    for kind in ("startupProbe", "readinessProbe", "livenessProbe")
                    if kind in container
                ),
                grace_s=pod["spec"].get("terminationGracePeriodSeconds", 30),
            )
        )
    return found


def _stage(image: str) -> str:
    match = re.match(r"imgen-(frontend|acs|triton):", image)
    return match[1] if match else image


def _value(variable: Manifest, secret: Mapping[str, str], before: Mapping[str, str]) -> str | None:
    if "value" in variable:
        return re.sub(r"\$\((\w+)\)", lambda match: before[match[1]], variable["value"])
    reference = variable["valueFrom"]["secretKeyRef"]
    assert reference["key"] in secret or reference["optional"], f"the pod waits for {reference}"
    return secret.get(reference["key"])


def _folder(volume: Manifest, secret: Mapping[str, str], volumes: Mapping[str, Path], folder: Path) -> Path:
    if claim := volume.get("persistentVolumeClaim"):
        return volumes[claim["claimName"]]
    made = _made(folder / volume["name"])
    for item in volume.get("secret", {}).get("items", ()):
        (made / item["path"]).write_text(secret[item["key"]])
    return made


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _probe(probe: Manifest, ports: Mapping[str, int]) -> ContainerProbe:
    if http := probe.get("httpGet"):
        return ContainerProbe(path=http["path"], port=ports[http["port"]])
    if tcp := probe.get("tcpSocket"):
        return ContainerProbe(port=ports[tcp["port"]])
    return ContainerProbe(command=tuple(probe["exec"]["command"]))
