"""The `openai` package of npm as programs use it."""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests import npm
from tests.api.description.running import output_of
from tests.api.harness import Api
from tests.fakes import UNSAFE
from tests.programs import needs

HEAD = """
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.env.IMGEN_URL}/v1`, apiKey: process.env.IMGEN_API_KEY });
"""
DRAWS = """
const models = [];
for await (const model of client.models.list()) models.push(model.id);
const drawn = await client.images.generate({ model: "dall-e-3", prompt: "a lake", n: 2, size: "1024x1792" });
const file = await fetch(drawn.data[0].url);
const streamed = [];
const stream = await client.images.generate({ model: "gpt-image-1", prompt: "a lake", stream: true });
for await (const event of stream) streamed.push([event.type, Buffer.from(event.b64_json, "base64").length]);
console.log(JSON.stringify({
  models, model: drawn.model, size: drawn.size, urls: drawn.data.length, status: file.status, streamed,
}));
"""
REFUSED = """
const told = [];
const right = process.env.IMGEN_API_KEY;
for (const [key, body] of [[right, {}], ["wrong", {}], [right, { n: 5 }], [right, { mask: "x" }]]) {
  const asking = client.withOptions({ apiKey: key });
  try {
    await asking.images.generate({ prompt: "a lake", ...body });
  } catch (error) {
    told.push([error.constructor.name, error.status, error.code, error.param, error.type]);
  }
}
try {
  const stream = await client.images.generate({ prompt: "a lake", stream: true });
  for await (const event of stream) told.push(event);
} catch (error) {
  told.push([error.constructor.name, error.code]);
}
console.log(JSON.stringify(told));
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    os.symlink(npm.installed(), tmp_path / "node_modules")
    return tmp_path


async def said(server: Api, folder: Path, program: str) -> Any:
    (folder / "program.mjs").write_text(HEAD + program)
    return orjson.loads(await output_of(server, needs("node"), "program.mjs", cwd=folder))


async def test_program_lists_models_draws_and_streams(server: Api, folder: Path) -> None:
    found = await said(server, folder, DRAWS)
    ((kind, size),) = found.pop("streamed")
    assert kind == "image_generation.completed" and size == len(server.acs.pictures[-1])
    assert found["models"][0] == found["model"] == "eros"
    assert (found["size"], found["urls"], found["status"]) == ("768x1344", 2, 200)


async def test_refusals_are_the_errors_that_programs_catch(server: Api, folder: Path) -> None:
    server.acs.verdict = UNSAFE
    request = "invalid_request_error"
    assert await said(server, folder, REFUSED) == [
        ["BadRequestError", 400, "moderation_blocked", None, "image_generation_user_error"],
        ["AuthenticationError", 401, "invalid_api_key", None, request],
        ["BadRequestError", 400, "invalid_value", "n", request],
        ["BadRequestError", 400, "unknown_parameter", "mask", request],
        ["APIError", "moderation_blocked"],
    ]
