"""For schemathesis: what no schema can tell. A job's id, a link and a picture's bytes cannot be made up."""

import os
from typing import Any
from urllib.parse import parse_qs, urlsplit

import schemathesis
from schemathesis import Case, GenerationMode, HookContext

from frontend.common.data_uri import ONE_PIXEL

JOB, LINK = os.environ["IMGEN_TEST_JOB"], urlsplit(os.environ["IMGEN_TEST_LINK"])


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """The idempotency key is one of orders alone."""
    body = case.body if isinstance(case.body, dict) else {}
    if case.operation.path == "/v1/images/generations":
        return True
    return body.get("action") == "generate" or "Idempotency-Key" not in (case.headers or {})


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, object]) -> None:
    """Of requests that shall be accepted."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if case.operation.path == "/files/{key}":
        case.path_parameters = {"key": LINK.path.removeprefix("/files/")}
        case.query = {name: values[0] for name, values in parse_qs(LINK.query).items()}
    if case.operation.path == "/v1/models/{id}":
        case.path_parameters = {"id": "eros"}
    if case.operation.path == "/v1/images/generations" and isinstance(case.body, dict):
        case.body = {**case.body, "n": 1}  # each takes its time
    if case.operation.path == "/api/v2/jobs/{id}/events":
        case.path_parameters = {"id": JOB}
    if isinstance(case.body, dict):
        case.body = _with_what_is_there(case.body)


def _with_what_is_there(body: dict[str, Any]) -> dict[str, Any]:
    if body.get("action") == "verify":
        return {"action": "verify", "image": ONE_PIXEL}
    there = dict(body)
    if "id" in body:
        there["id"] = JOB
    if isinstance(body.get("prompt"), str):  # whom an @ names must be there, and something must be said
        there["prompt"] = f"a lake, {body['prompt']}".replace("@", "").replace("\uff20", "")
    if body.get("webhook_url"):  # a public address, of whatever may be one
        there["webhook_url"] = "https://studio.example/imgen"
    if body.get("wm_image"):
        there["wm_image"] = ONE_PIXEL
    if body.get("action") == "random" and body.get("character"):
        there["character"] = "aya"
    return there
