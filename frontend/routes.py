"""Every address that this server answers at: one row each, registered by app.py, told by description/."""

from dataclasses import replace
from typing import Any

from contract.formats import FORMATS
from frontend.actions import ACTIONS
from frontend.actions.api import api
from frontend.actions.events import LAST_EVENT_ID, StatusEvent, events
from frontend.actions.files import files
from frontend.actions.operators import HealthzAnswer, ReadyzAnswer, healthz, metrics_page, readyz
from frontend.actions.page import facts, page, take_key
from frontend.actions.prefer import MAX_WAIT_S
from frontend.actions.status_answer import ID
from frontend.actions.tiles import tile, tiles
from frontend.http.body import go_on_later
from frontend.http.document import document
from frontend.http.event_stream import MEDIA_TYPE as EVENT_STREAM
from frontend.http.openai_error import OpenAIErrorAnswer
from frontend.http.route import Handler, Route, RouteAnswer, RouteParameter
from frontend.openai.images import images
from frontend.openai.images_answer import CompletedEvent, ImagesAnswer, PictureEvent
from frontend.openai.images_request import ImagesRequest
from frontend.openai.models import ListedModel, ModelList, list_models, one_model
from frontend.page.built_page import FILES, PAGE

MARKDOWN, HTML = "text/markdown; charset=utf-8", "text/html; charset=utf-8"
DOCS_FILES = ("start.js", "page.css", "swagger-ui.css", "swagger-ui-bundle.js")
OPENAI = "OpenAI's shape"
_IDEMPOTENCY_KEY = RouteParameter(
    name="Idempotency-Key",
    place="header",
    description="The same key with the same body within 24 hours waits for the first pictures.",
    example="order-7f3a",
    schema={"type": "string", "pattern": "^[ -~]{1,255}$"},
)
_API = Route(
    method="POST",
    path="/api/v2",
    name="call",
    handler=api,
    description="Does what `action` says.",
    answers=tuple(
        RouteAnswer(description=f"Of `{action.name}`", body=answer)
        for action in ACTIONS.values()
        for answer in action.answers
    ),
    parameters=(
        replace(_IDEMPOTENCY_KEY, description="Of `generate`, in place of its field `idempotency_key`."),
        RouteParameter(
            name="Prefer",
            place="header",
            description=f"Of `generate`: `wait=N`, 1 to {MAX_WAIT_S} seconds. A job that ends in time is "
            "answered as `status` would, with `Preference-Applied`.",
            example="wait=30",
        ),
    ),
    options=(("expect_handler", go_on_later),),
    with_key=True,
    extension=False,
)


def _part_of_page(path: str, handler: Handler, method: str = "GET", **more: Any) -> Route:
    """What the page alone asks for; it changes with the page."""
    name = f"page_{method}_{path}"
    words = "A part of the page."
    return Route(
        method=method,
        path=path,
        name=name,
        handler=handler,
        description=words,
        answers=(),
        described=False,
        **more,
    )


_HEALTHZ = Route(
    method="GET",
    path="/healthz",
    group="Operation",
    name="healthz",
    handler=healthz,
    description="Whether this process answers.",
    answers=(RouteAnswer(description="It does", body=HealthzAnswer),),
)
ROUTES = (
    _API,
    Route(
        method="POST",
        path="/api/v2/",
        name="call_too",
        handler=api,
        description="The same.",
        answers=_API.answers,
        options=_API.options,
        described=False,
    ),
    Route(
        method="GET",
        path="/api/v2/jobs/{id}/events",
        name="events",
        handler=events,
        description="Where a job stands, as server-sent events until its end.",
        answers=(
            RouteAnswer(
                description="The stream of such events",
                body=StatusEvent,
                media_type=EVENT_STREAM,
            ),
            RouteAnswer(
                description="`Last-Event-ID` was the last one: nothing more comes",
                status=204,
                media_type="",
            ),
        ),
        parameters=(
            RouteParameter(
                name="id",
                place="path",
                description="Of the job.",
                example=ID,
                schema={"type": "string", "pattern": "^(run|cache)_[a-z0-9]{16,40}$"},
                required=True,
            ),
            RouteParameter(
                name=LAST_EVENT_ID,
                place="header",
                description="Of the last event that you have: it is not told again.",
                example="IN_PROGRESS-0.375",
            ),
        ),
        options=(("allow_head", False),),
        with_key=True,
    ),
    Route(
        method="POST",
        path="/v1/images/generations",
        group=OPENAI,
        name="images",
        handler=images,
        description="Draws up to four pictures and waits for them, in OpenAI's shape.",
        answers=(
            RouteAnswer(description="The pictures that were found safe", body=ImagesAnswer),
            RouteAnswer(
                description="With `stream`: one such event for each",
                body=PictureEvent,
                holds=(CompletedEvent,),
                media_type=EVENT_STREAM,
            ),
        ),
        asks=ImagesRequest,
        errors=OpenAIErrorAnswer,
        shows=("prompt", "model", "n", "size", "output_format"),
        parameters=(_IDEMPOTENCY_KEY,),
        options=(("expect_handler", go_on_later),),
        with_key=True,
    ),
    Route(
        method="GET",
        path="/v1/models",
        group=OPENAI,
        name="list_models",
        handler=list_models,
        description="The models of this server, in OpenAI's shape.",
        answers=(RouteAnswer(description="The models", body=ModelList),),
        errors=OpenAIErrorAnswer,
        with_key=True,
    ),
    Route(
        method="GET",
        path="/v1/models/{id}",
        group=OPENAI,
        name="one_model",
        handler=one_model,
        description="One of them.",
        answers=(RouteAnswer(description="The model", body=ListedModel),),
        errors=OpenAIErrorAnswer,
        parameters=(
            RouteParameter(
                name="id",
                place="path",
                description="Its name.",
                example="eros",
                schema={"type": "string", "minLength": 1, "pattern": "^[^/]+$"},
                required=True,
            ),
        ),
        with_key=True,
    ),
    Route(
        method="GET",
        path="/files/{key:.+}",
        name="picture",
        handler=files,
        description="A picture or its thumbnail, by the link that `status` gave; a bucket serves its own.",
        answers=tuple(
            RouteAnswer(
                description="The file, or the range of it that was asked for",
                media_type=each.media_type,
                status=status,
            )
            for each in FORMATS.values()
            for status in (200, 206)
        ),
        parameters=(
            RouteParameter(
                name="key",
                place="path",
                description="As the link has it, slashes included.",
                example="pictures/2026/11/25/a1b2c3d4e5f6g7h8i9j0/1/a1b2c3d4e5f6g7h8i9j0_00001.webp",
                schema={"type": "string", "minLength": 1},
                required=True,
            ),
            *(
                RouteParameter(name=name, place="query", description=words, example=example, required=True)
                for name, words, example in (
                    ("filename", "Of the file, for people.", "a1b2c3d4e5f6g7h8i9j0_00001.webp"),
                    ("expires", "When the link ends, seconds since 1970.", "1795600000"),
                    ("sha256", "Of the bytes that were reviewed.", "0" * 64),
                    ("signature", "Of all of these.", "0" * 64),
                )
            ),
            RouteParameter(
                name="download",
                place="query",
                description="Has a browser save the file, under its name.",
                example="",
            ),
        ),
    ),
    Route(
        method="GET",
        path=PAGE,
        group="Documents",
        name="page",
        handler=page,
        description="The page on which people draw pictures and verify them.",
        answers=(RouteAnswer(description="The page", media_type=HTML),),
    ),
    _part_of_page("/open", take_key, "POST", options=(("expect_handler", go_on_later),)),
    _part_of_page(f"{FILES}facts.json", facts),
    _part_of_page(f"{FILES}{{name}}", document),
    _part_of_page("/api/v2/tiles", tiles, with_key=True),
    _part_of_page("/api/v2/tiles/{model}/{kind}/{name}", tile, with_key=True),
    Route(
        method="GET",
        path="/docs",
        group="Documents",
        name="docs",
        handler=document,
        description="This description as a page on which requests can be tried.",
        answers=(RouteAnswer(description="The page", media_type=HTML),),
    ),
    *(
        Route(
            method="GET",
            path=f"/docs/{name}",
            name=f"docs_{name}",
            handler=document,
            description="A part of that page.",
            answers=(),
            described=False,
        )
        for name in DOCS_FILES
    ),
    Route(
        method="GET",
        path="/openapi.json",
        group="Documents",
        name="openapi",
        handler=document,
        description="This description for programs: OpenAPI 3.1.",
        answers=(RouteAnswer(description="The description"),),
    ),
    Route(
        method="GET",
        path="/llm-docs",
        group="Documents",
        name="llm_docs",
        handler=document,
        description="The whole API as one page of Markdown, for language models.",
        answers=(RouteAnswer(description="The page", media_type=MARKDOWN),),
        extension=False,
    ),
    Route(
        method="GET",
        path="/llms.txt",
        group="Documents",
        name="llms_txt",
        handler=document,
        description="The same page, where language models look for it.",
        answers=(RouteAnswer(description="The page", media_type=MARKDOWN),),
    ),
    _HEALTHZ,
)
# For operators: at an address of their own where they name one, else beside the others; never for browsers.
OPERATORS_ROUTES = (
    Route(
        method="GET",
        path="/readyz",
        group="Operation",
        name="readyz",
        handler=readyz,
        description="Whether the parts that this server needs answer.",
        answers=(
            RouteAnswer(description="They do", body=ReadyzAnswer),
            RouteAnswer(
                description="One does not; `parts` and `reasons` say which", body=ReadyzAnswer, status=503
            ),
        ),
    ),
    Route(
        method="GET",
        path="/metrics",
        group="Operation",
        name="metrics",
        handler=metrics_page,
        description="Figures for Prometheus.",
        answers=(RouteAnswer(description="Its text format", media_type="text/plain"),),
    ),
)
WORKER_ROUTES = (_HEALTHZ, *OPERATORS_ROUTES)
"""Of a process that answers no clients."""
