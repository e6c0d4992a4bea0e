"""Samplers of the catalogue, over HTTP, with the real Triton."""

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
from tests.frontend.catalogue.test_catalogue import MODEL
from tests.triton_server import RunningTriton

STYLES = """\
spacing: karras
styles:
  plain: {label: Plain}
  solver: {label: Solver, sampler: dpmpp_2m, steps: 5}
  few: {label: Few, sampler: lcm, steps: 4, guidance: 1}
  uniform: {label: Uniform, spacing: beta}
  other: {label: Other, sampler: euler_ancestral}
"""


@pytest.fixture
async def sampled(
    redis: "Redis", redis_url: str, triton: RunningTriton, tmp_path: Path
) -> AsyncIterator[Api]:
    models = tmp_path / "catalogue" / "models"
    models.mkdir(parents=True)
    head = MODEL.split("styles:")[0].replace("steps: 8", "steps: 3")
    (models / "tiny.yaml").write_text(head + STYLES)
    real = RealTriton(triton.url)
    async with api(redis_url, tmp_path / "data", triton=real, catalogue_dir=tmp_path / "catalogue") as server:
        yield server


async def drawn(server: Api, style: str, **fields: Any) -> tuple[dict[str, Any], npt.NDArray[np.float64]]:
    order = {"prompt": "a quiet lake", "size": "1024x1024", "seed": 5, "format": "png", "use_cache": False}
    state = await server.finished(**order, style=style, **fields)
    assert state["status"] == "COMPLETED", state
    async with server.http.get(state["meta"]["images"][0]["url"]) as response:
        picture = Image.open(io.BytesIO(await response.read()))
    return state["meta"], np.asarray(picture.convert("RGB"), np.float64)


async def test_each_style_is_drawn_by_its_sampler_and_meta_tells_it(sampled: Api) -> None:
    found = {style: await drawn(sampled, style) for style in ("plain", "solver", "few", "uniform")}
    told = {
        style: (meta["steps"], meta.get("sampler"), meta.get("spacing")) for style, (meta, _) in found.items()
    }
    assert told == {
        "plain": (3, "euler", "karras"),
        "solver": (5, "dpmpp_2m", None),
        "few": (4, "lcm", None),
        "uniform": (3, "euler", "beta"),
    }
    _, again = await drawn(sampled, "few")
    marks = np.abs(again - found["few"][1]).mean()  # the same, but for the invisible mark
    pictures = [pixels for _, pixels in found.values()]
    apart = [np.abs(one - other).mean() for n, one in enumerate(pictures) for other in pictures[:n]]
    assert marks < 3 < min(apart), (marks, apart)


async def test_style_whose_sampler_the_model_cannot_be_drawn_by_is_refused(sampled: Api) -> None:
    """A flow model, as Triton has told."""
    async with asyncio.timeout(30):
        while not sampled.services.catalogue.current.withheld_styles:
            await asyncio.sleep(0.05)
    code, told = await sampled.post({"action": "generate", "prompt": "a quiet lake", "style": "other"})
    assert (code, told["detail"]) == (502, "style other of model tiny cannot draw at present")
    assert "euler_ancestral is no sampler of a flow model" in " ".join(sampled.services.catalogue.warnings)
    await drawn(sampled, "plain")
