"""The published examples of the cache, word for word but for the prompt, on what `imgen up` starts."""

import json
import time
from typing import Any

import requests

from tests.system.running import System

PROMPT = "@bella red jacket, warm lighting"
SEED = 3  # a picture of chance is taken for another one by the reviewer's detector now and then
EXAMPLE = """
{
"action": "generate",
"prompt": "@PROMPT@",
"model": "eros",
"style": "professional",
"use_cache": true,
"cache_only": false,
"cache_force": false,
"cache_pick": 5
}
"""


def example(prompt: str, **changes: Any) -> Any:
    return {**json.loads(EXAMPLE.replace("@PROMPT@", prompt)), **changes}


def answered_from_cache(system: System, body: Any) -> Any:
    """A picture is in the cache a moment after its verdict."""
    deadline = time.monotonic() + 10
    while not (job := system.post(body)).get("cache"):
        assert time.monotonic() < deadline, job
        time.sleep(0.2)
    return job


def test_published_example_is_drawn_once_and_then_handed_out(system: System) -> None:
    first = system.post(example(PROMPT, seed=SEED))
    assert set(first) == {"id", "prompt", "model", "format", "gen_id"}
    drawn = system.until_final(first["id"])
    assert "cache" not in drawn
    job = answered_from_cache(system, example("@bella Red jacket , warm lighting", cache_only=True))
    assert set(job) == {"id", "prompt", "model", "format", "gen_id", "cache"}
    assert (job["id"][:6], job["gen_id"], job["format"]) == ("cache_", first["gen_id"], "jpeg")
    state = system.post({"action": "status", "id": job["id"], "prompt": job["prompt"], "model": job["model"]})
    assert (state["status"], state["cache"], state["meta"]["compliance"]) == ("COMPLETED", True, "safe")
    assert [image["type"] for image in state["meta"]["images"]] == ["signed", "thumbnail"]
    files = [requests.get(image["url"], timeout=30) for image in state["meta"]["images"]]
    assert [file.status_code for file in files] == [200, 200]


def test_published_example_of_a_miss(system: System) -> None:
    answer = system.send(example("@bella a lighthouse in a storm", cache_only=True))
    assert (answer.status_code, answer.json()) == (404, {"error": "No cached result found"})


def test_other_colour_other_count_and_negation_are_not_the_same(system: System) -> None:
    body = example("two dogs, a red ball, in a park")
    system.until_final(system.post({**body, "seed": SEED})["id"])
    answered_from_cache(system, {**body, "cache_only": True})
    for prompt in (
        "three dogs, a red ball, in a park",
        "two dogs, a blue ball, in a park",
        "two dogs, in a park, without a red ball",
        "two dogs, in a park, -ball",
    ):
        answer = system.send({**body, "prompt": prompt, "cache_only": True})
        assert (answer.status_code, answer.json()) == (404, {"error": "No cached result found"}), prompt


def test_picture_taken_down_by_hand_is_gone(system: System) -> None:
    body = example("a small boat on a lake, morning")
    meta = system.until_final(system.post({**body, "seed": SEED})["id"])["meta"]
    answered_from_cache(system, {**body, "cache_only": True})
    taken = system.imgen("takedown", meta["gen_id"])
    assert (taken.returncode, taken.stderr) == (0, "")
    assert "taken down; 2 jobs showed it; 2 files deleted" in taken.stdout
    deadline = time.monotonic() + 10
    while (answer := system.send({**body, "cache_only": True})).status_code != 404:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    assert requests.get(meta["images"][0]["url"], timeout=30).status_code == 404
