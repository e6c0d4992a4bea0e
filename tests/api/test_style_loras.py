"""Styles that have a LoRA, over HTTP, with the real Triton and the toy networks that have a bank."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from redis.asyncio import Redis

from tests.api.harness import Api, RealTriton, api
from tests.api.test_cache import entered
from tests.banked_models import MERGED, STYLES
from tests.frontend.catalogue.test_catalogue import CHARACTER, MODEL
from tests.triton_server import RunningTriton

STYLED = """\
adapters: bank
styles:
  plain: {label: Plain}
  ink: {label: Ink, lora: ../loras/ink.safetensors, strength: 0.7}
  oil: {label: Oil, lora: ../loras/oil.safetensors}
"""
ORDER = {"prompt": "@yuri a quiet lake", "style": "ink", "size": "1024x1024", "seed": 5, "format": "png"}
PROMPTS = ("@nova a quiet lake", "@yuri a quiet lake", "a quiet lake")


@pytest.fixture
async def styled(
    redis: "Redis", redis_url: str, banked_triton: RunningTriton, tmp_path: Path
) -> AsyncIterator[Api]:
    catalogue = tmp_path / "catalogue"
    for name in ("models", "characters"):
        (catalogue / name).mkdir(parents=True)
    write_model(tmp_path)
    for name in ("nova", "yuri", MERGED):
        text = CHARACTER.replace("[eros]", "[banked]") + "depicts: nonhuman\n"
        text += "merged: true\n" if name == MERGED else ""
        (catalogue / "characters" / f"{name}.yaml").write_text(text)
    triton = RealTriton(banked_triton.url)
    async with api(redis_url, tmp_path / "data", triton=triton, catalogue_dir=catalogue) as server:
        async with asyncio.timeout(30):
            while not server.services.catalogue.current.style_loras:
                await asyncio.sleep(0.05)  # until Triton has told
        yield server


def write_model(folder: Path, strength: float = 0.7) -> None:
    text = (
        MODEL.split("styles:")[0].replace("steps: 8", "steps: 2").replace("guidance: 3", "guidance: 1")
        + STYLED
    )
    path = folder / "catalogue" / "models" / "banked.yaml"
    path.with_suffix(".new").write_text(text.replace("0.7", str(strength)))
    path.with_suffix(".new").rename(path)


async def until_strength(server: Api, strength: float) -> None:
    async with asyncio.timeout(30):
        while server.services.catalogue.current.models["banked"].styles["ink"].strength != strength:
            await asyncio.sleep(0.05)


async def drawn(server: Api, **fields: Any) -> dict[str, Any]:
    state = await server.finished(**{**ORDER, **fields})
    assert state["status"] == "COMPLETED", state
    meta: dict[str, Any] = state["meta"]
    return meta


async def pixels(server: Api, meta: dict[str, Any]) -> npt.NDArray[np.float64]:
    async with server.http.get(meta["images"][0]["url"]) as response:
        picture = Image.open(io.BytesIO(await response.read()))
    return np.asarray(picture.convert("RGB"), np.float64)


async def test_a_picture_tells_of_character_and_style_by_hash_and_strength(styled: Api) -> None:
    both, plain = await drawn(styled), await drawn(styled, style="plain")
    base = {"engine": "e" * 64, "base": "e" * 64, "lora": f"{3:064x}", "lora_strength": "0.5"}
    assert plain["weights"] == base
    ink = {"style_lora": f"{STYLES['ink']:064x}", "style_lora_strength": "0.7"}
    assert both["weights"] == base | ink


async def test_styles_and_characters_at_once_are_drawn_as_alone(styled: Api) -> None:
    """But for their invisible marks, of which each picture has another; Triton's pixels are the same to the
    bit: tests/model_repository/text_to_image/test_bank.py."""
    orders = [{"prompt": prompt, "style": style} for prompt in PROMPTS for style in ("plain", "ink")]
    alone = [await drawn(styled, **each) for each in orders]
    together = await asyncio.gather(*(drawn(styled, **each) for each in orders))
    pictures = [await pixels(styled, meta) for meta in alone]
    for number, meta in enumerate(together):
        assert meta["weights"] == alone[number]["weights"]
        found = await pixels(styled, meta)
        distances = [float(np.abs(found - other).mean()) for other in pictures]
        assert distances[number] < 4 and min(distances) == distances[number]
        assert sorted(distances)[1] > 2 * distances[number]


async def test_a_cached_picture_of_another_strength_never_answers(styled: Api, tmp_path: Path) -> None:
    cached = {"use_cache": True}
    first = await drawn(styled, **cached)
    await entered(styled, 1)
    again = await styled.generate(**ORDER, **cached)
    assert again.get("cache") and again["gen_id"] == first["gen_id"]
    write_model(tmp_path, strength=0.3)
    await until_strength(styled, 0.3)
    code, _ = await styled.post(
        {"action": "generate", **ORDER, **cached, "cache_only": True, "cache_force": True}
    )
    assert code == 404
    other = await drawn(styled, **cached)
    assert other["weights"]["style_lora_strength"] == "0.3" and other["gen_id"] != first["gen_id"]


async def test_a_style_that_no_bank_can_hold_is_not_offered_and_no_other_draws_for_it(styled: Api) -> None:
    _, told = await styled.post({"action": "models"})
    assert set(told["models"]["banked"]["styles"]) == {"plain", "ink"}
    refused = {
        "oil": "style oil of model banked cannot draw at present",
        "ink": f"style ink has a LoRA, which @{MERGED}, merged, cannot be drawn with",
    }
    for style, detail in refused.items():
        order = {"action": "generate", "prompt": f"@{MERGED} a lake", "style": style}
        assert await styled.post(order) == (502, {"error": "Generation failed", "detail": detail})
    assert (await drawn(styled, prompt=f"@{MERGED} a lake", style="plain"))["character"] == MERGED
