"""The table of errors: what a client may be told, and when."""

import re
from dataclasses import dataclass
from http import HTTPStatus

ANY_REQUEST = ("*",)
EVENTS = "/api/v2/jobs/{id}/events"
IMAGES, MODEL = "/v1/images/generations", "/v1/models/{id}"
WITH_KEY = (EVENTS, IMAGES, "/v1/models", MODEL)
"""Beside `POST /api/v2`."""
GAPS = {"NUMBER", "NAME", "WHAT", "REASON", "FIELD", "STATE"}
"""What stands in the words for something that changes."""


@dataclass(frozen=True)
class ErrorRow:
    status: int
    words: str
    cause: str = ""
    of: tuple[str, ...] = ()  # names of actions, or paths; none: every action
    also: tuple[str, ...] = ()  # paths, beside every action

    def concerns(self, path: str, actions: frozenset[str]) -> bool:
        """Whether a request at this path may be answered so. `actions`: of which the path knows."""
        if self.of == ANY_REQUEST:
            return True
        return path in (*self.of, *self.also) or bool(actions.intersection(self.of) if self.of else actions)

    @property
    def pattern(self) -> str:
        """Of the words, for JSON Schema."""
        words = [".+" if each in GAPS else _escaped(each) for each in re.split(r"([A-Z]{4,})", self.words)]
        return "".join(words)

    @property
    def name(self) -> str:
        return re.sub("[^a-z0-9]+", "-", self.words.lower()).strip("-")[:60]


def _escaped(words: str) -> str:
    return re.sub(r"([.()|*+?\[\]{}^$\\])", r"\\\1", words)


def phrase(status: int) -> str:
    return HTTPStatus(status).phrase


ERRORS = (
    ErrorRow(400, "Invalid JSON", "the body is no JSON object", also=(IMAGES,)),
    ErrorRow(400, "Invalid JSON: more than NUMBER fields", "the object has more than 100", also=(IMAGES,)),
    ErrorRow(
        400,
        "Bad request",
        "no HTTP, or HTTP that could be read in two ways; the connection is closed",
        ANY_REQUEST,
    ),
    ErrorRow(400, "Missing action", "there is no field `action`"),
    ErrorRow(400, "Unknown action", "it names none"),
    ErrorRow(400, "Prompt is required", "none, or an empty one", ("generate", "optimize", IMAGES)),
    ErrorRow(400, "Prompt is too long", "more than 4,000 characters", ("generate", "optimize", IMAGES)),
    ErrorRow(
        400,
        "Invalid character",
        "the model has no `@name` of that name; `detail` names it and those that there are",
        ("generate", "optimize", "random", IMAGES),
    ),
    ErrorRow(400, "Only one character per prompt", "two `@names`", ("generate", "optimize", IMAGES)),
    ErrorRow(400, "Bad ID", "no job of this key has that id", ("status", "cancel", EVENTS)),
    ErrorRow(
        400,
        "Invalid NAME: expected WHAT",
        "a field of another type, or out of a range that is not clamped",
        also=(IMAGES,),
    ),
    ErrorRow(
        400,
        "Invalid wm_image: REASON",
        "no picture that can be a watermark; `takes too long to decode` where a limit ended it",
        ("generate",),
    ),
    ErrorRow(400, "Either image or url is required", "`verify` takes one of the two", ("verify",)),
    ErrorRow(400, "Invalid image: REASON", "a picture that cannot be read", ("verify",)),
    ErrorRow(
        400,
        "Invalid url: no picture was to be had there (https and public addresses only)",
        "it was not fetched",
        ("verify",),
    ),
    ErrorRow(400, "Invalid FIELD: REASON", "a picture that cannot be read", ("verify",)),
    ErrorRow(
        400,
        "Invalid webhook_url: expected https URL of a public address",
        "http, a user in it, or an address of a private network (those that the server allows apart)",
        ("generate",),
    ),
    ErrorRow(
        400,
        "Webhook secret is missing",
        "the key has none to sign with; whoever runs the server makes it: `imgen keys webhook-secret NAME`",
        ("generate",),
    ),
    ErrorRow(400, "Unknown parameter: NAME", "a field that it does not know", (IMAGES,)),
    ErrorRow(
        400,
        "Content blocked — flagged for: WHAT.",
        "none of the pictures was found safe (`moderation_blocked`)",
        (IMAGES,),
    ),
    ErrorRow(
        401,
        "Unauthorized",
        "no key, two of them, or one that is unknown, disabled or has expired",
        also=WITH_KEY,
    ),
    ErrorRow(
        403,
        "Forbidden",
        "the key was made for `verify` alone (`imgen keys create NAME --scope verify`)",
        ("models", "generate", "status", "cancel", "optimize", "random", "usage", *WITH_KEY),
    ),
    ErrorRow(
        403,
        "Link is invalid or has expired",
        "of a picture's link: poll `status` for a new one",
        ("/files/{key}",),
    ),
    ErrorRow(404, "Not found", "no such address", ("/files/{key}",)),
    ErrorRow(404, "The model does not exist", "`/v1/models` lists those that do", (MODEL,)),
    ErrorRow(404, "No cached result found", "`use_cache` with `cache_only`", ("generate",)),
    ErrorRow(405, "Method not allowed", "`Allow` says which are", ANY_REQUEST),
    ErrorRow(
        408, "Request body came too slowly", "slower than `IMGEN_BODY_TIMEOUT_S` allows", also=(IMAGES,)
    ),
    ErrorRow(
        409,
        "Idempotency key was used for another request",
        "the body is another one than the first time",
        ("generate", IMAGES),
    ),
    ErrorRow(409, "Job is already STATE", "the job is finished", ("cancel",)),
    ErrorRow(413, "Request body is too large", "more than `IMGEN_MAX_BODY_MB`", also=WITH_KEY),
    ErrorRow(415, "Content-Encoding is not supported", "a compressed body", also=WITH_KEY),
    ErrorRow(
        429, "Too many unfinished jobs for this key", "more than `IMGEN_KEY_JOBS_LIMIT`", ("generate", IMAGES)
    ),
    ErrorRow(
        429,
        "Too many stored jobs for this key",
        "more than `IMGEN_KEY_STORED_JOBS`; `Retry-After` is when the first of them expires",
        ("generate", IMAGES),
    ),
    ErrorRow(
        429,
        "Daily limit of jobs is reached",
        "the key's own (`imgen keys set NAME --daily`); `Retry-After` is when the next day begins, UTC",
        ("generate", IMAGES),
    ),
    ErrorRow(
        429,
        "Monthly budget of pictures is used up",
        "the key's own (`imgen keys set NAME --monthly`), by pictures drawn or ordered; `Retry-After` is "
        "when the next month begins, or soon where pictures that are ordered may yet fail",
        ("generate", IMAGES),
    ),
    ErrorRow(
        429,
        "Too many requests for this key",
        "`detail` says of which limit, see Limits; `Retry-After` is when the next one is let in",
        also=WITH_KEY,
    ),
    ErrorRow(
        429,
        "Too many prompts of this key are waiting",
        "of `optimize`, also as a parameter: four wait for the language model already",
        ("generate", "optimize"),
    ),
    ErrorRow(
        429, "Too many open streams for this key", "more than `IMGEN_KEY_STREAMS_LIMIT`", (EVENTS, IMAGES)
    ),
    ErrorRow(
        429,
        "Too many webhooks of this key are undelivered",
        "more than `IMGEN_KEY_WEBHOOKS_LIMIT`",
        ("generate",),
    ),
    ErrorRow(429, "Too many requests without a key", "more than `IMGEN_VERIFY_PER_MINUTE`", also=WITH_KEY),
    ErrorRow(431, "Request headers are too large", "the connection is closed", ANY_REQUEST),
    ErrorRow(500, "Internal error", "with `request_id`, which the server's log has too", ANY_REQUEST),
    ErrorRow(
        502,
        "Enhancement failed",
        "the language model is away or answered nonsense",
        ("generate", "optimize"),
    ),
    ErrorRow(
        502,
        "Generation failed",
        "the job could not be stored; or, with `detail`, the model that was asked for has no weights at "
        "present (no other one draws for it), or a picture of that size does not fit the memory",
        ("generate", "optimize", "random", IMAGES),
    ),
    ErrorRow(502, "Compliance review unavailable", "no verdict came before the job's deadline", (IMAGES,)),
    ErrorRow(502, "Picture cannot be read", "the store of pictures is away", (IMAGES,)),
    ErrorRow(503, "Queue is full", "more than `IMGEN_QUEUE_LIMIT` wait", ("generate", IMAGES)),
    ErrorRow(
        503,
        "Server is full",
        "Redis is near its `maxmemory`; accepted jobs are finished, and can be polled",
        ("generate", IMAGES),
    ),
    ErrorRow(
        503,
        "Order could not be kept safely; send it again",
        "fewer replicas of Redis than `IMGEN_REDIS_REPLICAS` confirmed it in time; with its idempotency key "
        "it is the same order when it is sent again",
        ("generate", IMAGES),
    ),
    ErrorRow(503, "Server is shutting down", "another one answers", ("generate", IMAGES)),
    ErrorRow(
        503,
        "Server is busy",
        "of `verify` and `optimize`: as many requests wait as may; of all: as many connections or bodies "
        "(`IMGEN_MAX_CONNECTIONS`, `IMGEN_BODY_BUDGET_MB`); of events: as many streams "
        "(`IMGEN_STREAMS_LIMIT`)",
        ANY_REQUEST,
    ),
    ErrorRow(
        503,
        "Too many webhooks are undelivered",
        "more than `IMGEN_WEBHOOKS_LIMIT` of all keys",
        ("generate",),
    ),
    ErrorRow(503, "Registry is not ready", "the server has not read all that was registered", ("verify",)),
    ErrorRow(504, "Generation timed out", "no picture came before its deadline", (IMAGES,)),
)
