"""What /metrics tells, read as Prometheus reads it."""

import re

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[str, float]
"""By name and labels, as they stand on the page: imgen_jobs_ended_total{outcome="failed"}."""


async def read_page(http: aiohttp.ClientSession, url: str) -> str:
    async with http.get(f"{url}/metrics") as response:
        assert response.status == 200
        return await response.text()


def samples_of(page: str) -> Samples:
    """Ours alone: other names are Python's own."""
    return {
        _written(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith("imgen_") and not sample.name.endswith("_created")
    }


def _written(name: str, labels: dict[str, str]) -> str:
    told = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{told}}}" if told else name


def growth(before: Samples, after: Samples) -> Samples:
    """Of what has grown."""
    grown = {name: value - before.get(name, 0.0) for name, value in after.items()}
    return {name: value for name, value in grown.items() if value}


def names_in(query: str) -> set[str]:
    """Our metrics that a PromQL expression asks for; of what rules record (imgen:…) none."""
    told = re.findall(r"\bimgen_\w+", re.sub(r"\bimgen:\w+(?::\w+)*", "", query))
    return {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in told}
