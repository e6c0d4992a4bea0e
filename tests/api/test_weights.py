"""Models and characters that Triton has no weights of."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.inventory import ModelStock
from tests.api.harness import Api, api
from tests.fakes import FakeTriton
from tests.frontend.catalogue.test_catalogue import CHARACTER, MODEL

if TYPE_CHECKING:
    from redis.asyncio import Redis

ONLY_EROS = {"eros": ModelStock(frozenset({"aya"}))}


@contextlib.asynccontextmanager
async def two_models(redis_url: str, folder: Path, triton: FakeTriton) -> AsyncIterator[Api]:
    """Alto, which comes first, and eros; aya is drawn with both, zoe with alto alone."""
    for kind in ("models", "characters"):
        (folder / "catalogue" / kind).mkdir(parents=True, exist_ok=True)
    (folder / "catalogue" / "models" / "alto.yaml").write_text(MODEL + "order: 1\n")
    (folder / "catalogue" / "models" / "eros.yaml").write_text(MODEL)
    for name, models in (("aya", "[alto, eros]"), ("zoe", "[alto]")):
        text = CHARACTER.replace("[eros]", models) + "depicts: adult\n"
        (folder / "catalogue" / "characters" / f"{name}.yaml").write_text(text)
    async with api(redis_url, folder / "data", triton=triton, catalogue_dir=folder / "catalogue") as server:
        yield server


async def offered(server: Api) -> tuple[list[str], list[str]]:
    _, told = await server.post({"action": "models"})
    return list(told["models"]), told["characters"]


async def test_model_without_weights_is_not_offered_and_no_other_draws_for_it(
    redis: "Redis", redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    triton = FakeTriton(inventory=ONLY_EROS)
    async with two_models(redis_url, tmp_path, triton) as server:
        assert await offered(server) == (["eros"], ["aya"])
        for use_cache in (False, True):
            order = {"action": "generate", "prompt": "a lake", "model": "alto", "use_cache": use_cache}
            assert await server.post(order) == (
                502,
                {
                    "error": "Generation failed",
                    "detail": "model alto cannot draw at present; these can draw: eros",
                },
            )
        assert triton.orders == []
        for model in (None, "no such model", 7):
            job = await server.generate(prompt="a lake", model=model)
            assert job["model"] == "eros"
        code, said = await server.post({"action": "generate", "prompt": "@zoe a lake"})
        assert (code, said["error"]) == (400, "Invalid character") and "zoe" in said["detail"]
        async with server.http.get(f"{server.url}/readyz") as response:
            ready = await response.json()
        assert ready["parts"]["models"]
        (line,) = (line for line in ready["warnings"] if "has no weights" in line)
        assert "(see its log): alto; `imgen export" in line
        warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert warned.count(line) == 1


async def test_triton_that_is_away_changes_neither(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    triton = FakeTriton()
    async with two_models(redis_url, tmp_path, triton) as server:
        assert await offered(server) == (["alto", "eros"], ["aya", "zoe"])  # it never told
        triton.inventory = ONLY_EROS
        await until_offered(server, (["eros"], ["aya"]))
        triton.inventory, triton.takes_orders = None, False
        looks = triton.asked_inventory
        async with asyncio.timeout(30):
            while triton.asked_inventory < looks + 2:
                await asyncio.sleep(0.02)
        assert await offered(server) == (["eros"], ["aya"])
        assert (await server.post({"action": "generate", "prompt": "a lake", "model": "alto"}))[0] == 502
        triton.inventory = ONLY_EROS | {"alto": ModelStock(frozenset({"aya", "zoe"}))}
        await until_offered(server, (["alto", "eros"], ["aya", "zoe"]))


async def until_offered(server: Api, wanted: tuple[list[str], list[str]]) -> None:
    async with asyncio.timeout(30):
        while await offered(server) != wanted:
            await asyncio.sleep(0.02)


async def test_order_that_does_not_fit_the_memory_is_refused_in_a_sentence(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    why = "1024x1024 with eros takes about 21.3 GiB of memory; there is 15.6 GiB"
    eros = ModelStock(frozenset({"aya"}), {"1024x1024": why})
    triton = FakeTriton(inventory={"eros": eros, "alto": ModelStock(frozenset({"aya"}))})
    async with two_models(redis_url, tmp_path, triton) as server:
        order = {"action": "generate", "prompt": "a lake", "width": 1024, "height": 1024}
        refused = (502, {"error": "Generation failed", "detail": why})
        assert await server.post({**order, "model": "eros"}) == refused
        assert (await server.post({**order, "model": "alto"}))[0] == 200
        assert (await server.post({**order, "model": "eros", "width": 1216, "height": 832}))[0] == 200
        async with server.http.get(f"{server.url}/readyz") as response:
            warnings = (await response.json())["warnings"]
        assert "orders are refused for want of memory (IMGEN_MEMORY_MB): eros: 1024x1024" in warnings


async def test_what_runs_the_networks_is_told_to_operators(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    eros = ModelStock(frozenset({"aya"}), {}, {"eros-denoiser": "openvino 2026.4.1 bf16"})
    async with two_models(redis_url, tmp_path, FakeTriton(inventory={"eros": eros})) as server:
        async with server.http.get(f"{server.url}/readyz") as response:
            assert (await response.json())["runtimes"] == {"eros-denoiser": ["openvino 2026.4.1 bf16"]}


async def test_request_that_was_accepted_before_is_answered_as_it_was(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    triton = FakeTriton()
    async with two_models(redis_url, tmp_path, triton) as server:
        order = {"action": "generate", "prompt": "a lake", "model": "alto", "idempotency_key": "k"}
        first = await server.post(order)
        assert first[0] == 200
        triton.inventory = ONLY_EROS
        await until_offered(server, (["eros"], ["aya"]))
        assert await server.post(order) == first
        assert (await server.post({**order, "prompt": "a tree"}))[0] == 409
        assert (await server.post({**order, "idempotency_key": "other"}))[0] == 502


async def test_server_whose_triton_has_nothing_is_not_ready(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with two_models(redis_url, tmp_path, FakeTriton(inventory={})) as server:
        assert await offered(server) == ([], [])
        assert (await server.post({"action": "generate", "prompt": "a lake"}))[0] == 502
        assert (await server.post({"action": "random"}))[0] == 200
        async with server.http.get(f"{server.url}/readyz") as response:
            assert response.status == 503 and not (await response.json())["parts"]["models"]


async def test_answer_says_that_negative_terms_have_no_effect_where_the_model_takes_none(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    eros = ModelStock(frozenset({"aya"}), negatives=False)
    triton = FakeTriton(inventory={"eros": eros, "alto": ModelStock(frozenset({"aya"}))})
    async with two_models(redis_url, tmp_path, triton) as server:
        note = "Negative terms have no effect: the model eros is drawn with by the prompt alone"
        assert (await server.generate(prompt="a lake, -rain", model="eros"))["notes"] == [note]
        assert (await server.generate(prompt="a lake", negative="rain", model="eros"))["notes"] == [note]
        assert "notes" not in await server.generate(prompt="a lake", model="eros")
        assert "notes" not in await server.generate(prompt="a lake, -rain", model="alto")


async def test_answer_says_that_weights_have_no_effect_where_the_model_reads_plain_text(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    eros = ModelStock(frozenset({"aya"}), emphasis=False)
    triton = FakeTriton(inventory={"eros": eros, "alto": ModelStock(frozenset({"aya"}))})
    async with two_models(redis_url, tmp_path, triton) as server:
        note = "Weights have no effect: the model eros reads the words as plain text"
        assert (await server.generate(prompt="a (lake:1.3)", model="eros"))["notes"] == [note]
        assert "notes" not in await server.generate(prompt="a lake", model="eros")
        assert "notes" not in await server.generate(prompt="a (lake:1.3)", model="alto")
