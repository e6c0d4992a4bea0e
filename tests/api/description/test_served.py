"""The documents as clients meet them, and the programs in them as they run."""

import base64
import gzip
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from frontend.routes import ROUTES
from tests.api.description.running import media_type_at, output_of
from tests.api.harness import Api
from tests.fakes import UNSAFE
from tests.programs import needs

PAGES = [route for route in ROUTES if route.method == "GET" and "{" not in route.path and not route.with_key]


async def read(server: Api, path: str) -> str:
    async with server.http.get(f"{server.url}{path}") as response:
        assert response.status == 200
        return await response.text()


async def program(server: Api, language: str) -> str:
    """As the page has it."""
    found = re.search(rf"^```{language}\n(.*?)^```$", await read(server, "/llm-docs"), re.M | re.S)
    assert found
    return found[1]


@pytest.mark.parametrize("route", PAGES, ids=lambda route: route.path)
async def test_page_is_what_its_row_says(shared: Api, route: Any) -> None:
    async with shared.http.get(f"{shared.url}{route.path}") as response:
        assert response.status == 200
        assert await response.read()
        told = {answer.media_type.partition(";")[0] for answer in route.answers}
        assert response.content_type in (told or {"application/json", "text/css", "text/javascript"})


async def test_page_needs_nothing_from_elsewhere_and_runs_no_code_of_its_own(shared: Api) -> None:
    async with shared.http.get(f"{shared.url}/docs") as response:
        policy, page = response.headers["Content-Security-Policy"], await response.text()
    assert "unsafe" not in policy and "http" not in policy and "default-src 'none'" in policy
    assert "//" not in page and "<script>" not in page and "style=" not in page and " on" not in page
    for path in re.findall(r'(?:src|href)="(docs/[^"]+|llm-docs)"', page):
        assert await read(shared, f"/{path}")


async def test_document_is_sent_once_and_compressed_where_that_is_understood(shared: Api) -> None:
    url = f"{shared.url}/openapi.json"
    async with shared.http.get(url, headers={"Accept-Encoding": "identity"}) as plain:
        assert "Content-Encoding" not in plain.headers
        text, etag = await plain.read(), plain.headers["ETag"]
    async with shared.http.get(url, headers={"Accept-Encoding": "gzip"}, auto_decompress=False) as small:
        assert small.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await small.read()) == text
    async with shared.http.get(url, headers={"If-None-Match": etag}) as again:
        assert (again.status, await again.read()) == (304, b"")
    async with shared.http.get(url, headers={"Accept-Encoding": "gzip;q=0"}) as refused:
        assert "Content-Encoding" not in refused.headers


async def test_page_for_models_is_markdown_at_both_addresses(shared: Api) -> None:
    async with shared.http.get(f"{shared.url}/llms.txt") as response:
        assert response.headers["Content-Type"] == "text/markdown; charset=utf-8"
        assert await response.text() == await read(shared, "/llm-docs")


async def test_every_answer_is_as_described(server: Api) -> None:
    """Of each action, in each state that a job can come to."""
    described = json.loads(await read(server, "/openapi.json"))
    schemas = {name: closed(each) for name, each in described["components"]["schemas"].items()}

    async def answered(*kinds: str, **body: Any) -> dict[str, Any]:
        """The answer is of the first of these types that it can be; of one of them it must be."""
        status, answer = await server.post(body)
        assert status == 200, answer
        assert any(fits(schemas, kind, answer) for kind in kinds), (kinds, answer)
        return answer

    async def polled(job: dict[str, Any], *states: str) -> dict[str, Any]:
        await server.until(job["id"], *states)
        return await answered(*statuses(schemas, states), action="status", id=job["id"])

    await answered("ModelsAnswer", action="models")
    await answered("RandomAnswer", action="random")
    server.triton.gate.clear()
    running = await answered("GenerateAnswer", action="generate", prompt="a <lora:x:1> lake")
    assert running["notes"]
    await polled(running, "IN_PROGRESS")
    await answered("CancelledAnswer", action="cancel", id=running["id"])
    await polled(running, "CANCELLED")
    server.triton.gate.set()
    safe = await polled(await answered("GenerateAnswer", action="generate", prompt="a lake"), "COMPLETED")
    assert fits(schemas, "CompletedAnswer", safe)
    server.acs.verdict = UNSAFE
    blocked = await polled(await server.generate(), "COMPLETED")
    assert fits(schemas, "BlockedAnswer", blocked) and blocked["unsafe_url"]
    async with server.http.get(safe["meta"]["images"][0]["url"]) as response:
        image = f"data:;base64,{base64.b64encode(await response.read()).decode()}"
    assert (await answered("KeyVerifyAnswer", action="verify", image=image))["picture"]


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """With no field that it does not name."""
    return {**schema, "additionalProperties": False} if "properties" in schema else schema


def fits(schemas: dict[str, Any], kind: str, answer: dict[str, Any]) -> bool:
    whole = {"$ref": f"#/components/schemas/{kind}", "components": {"schemas": schemas}}
    return Draft202012Validator(whole).is_valid(answer)


def statuses(schemas: dict[str, Any], states: Iterable[str]) -> list[str]:
    """The answers that say one of these states."""
    said = {name: each.get("properties", {}).get("status", {}).get("const") for name, each in schemas.items()}
    return [name for name, state in said.items() if state in states]


async def test_python_program_draws_a_picture(server: Api, tmp_path: Path) -> None:
    url = await output_of(server, sys.executable, "-c", await program(server, "python"), cwd=tmp_path)
    assert await media_type_at(server, url) == "image/jpeg"


async def test_javascript_program_draws_a_picture(server: Api, tmp_path: Path) -> None:
    file = tmp_path / "program.mjs"
    file.write_text(await program(server, "javascript"))
    url = await output_of(server, needs("node"), file, cwd=tmp_path)
    assert await media_type_at(server, url) == "image/jpeg"


async def test_shell_program_asks_and_orders(server: Api, tmp_path: Path) -> None:
    lines = (await program(server, "sh")).splitlines()[1:]  # the first names address and key
    said = await output_of(server, "bash", "-euc", "\n".join(f"{line}\necho" for line in lines), cwd=tmp_path)
    models, job, status = [json.loads(line) for line in said.splitlines() if line]
    assert "eros" in models["models"] and job["id"].startswith("run_") and status == {"error": "Bad ID"}


async def test_shell_line_follows_a_job_to_its_end(server: Api, tmp_path: Path) -> None:
    page = await read(server, "/llm-docs")
    line = next(each for each in page.splitlines() if each.startswith("curl -sN"))
    job = await server.generate()
    said = await output_of(server, "bash", "-euc", f"ID={job['id']}\n{line}", cwd=tmp_path)
    last = said.strip().split("\n\n")[-1]
    assert last.startswith('event: status\nid: COMPLETED\ndata: {"status":"COMPLETED"')
