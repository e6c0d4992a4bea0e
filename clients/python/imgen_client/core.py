"""The API as flows of effects (effects.py): what is sent again, what refusals mean, how a job is awaited."""

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urljoin

from .answers import Models, Ordered, Prompted, Status, Usage, Verification, read
from .effects import Answer, Emit, Flow, Lost, Next, Open, Pause, Send
from .errors import (
    Blocked,
    Cancelled,
    Conflict,
    Failed,
    ImgenError,
    NotImgen,
    Refusal,
    TimedOut,
    Unreachable,
    kind_of_refusal,
)
from .events import EventReader, ServerEvent
from .patience import Patience
from .picture import Picture

T = TypeVar("T")
OnAway = Callable[[ImgenError], object]
OnProgress = Callable[[Status], object]

__version__ = "0.1.0"
MAX_ANSWER_BYTES = 16 << 20
MAX_PICTURE_BYTES = 128 << 20
REOPEN_S = 1.0


class _Silent(Unreachable):
    """A connection on which nothing comes any more."""


@dataclass(frozen=True)
class Core:
    """One server, as one key sees it."""

    url: str
    key: str  # "" for none
    patience_s: float
    poll_s: float
    silence_s: float

    def generate(
        self, prompt: str, fields: Mapping[str, Any], idempotency_key: str | None, on_away: OnAway | None
    ) -> Flow[Ordered]:
        """Sent again where no answer came: by its idempotency key it is one order all the same."""
        named = {"idempotency_key": idempotency_key or secrets.token_hex(16)}
        body = {**fields, "action": "generate", "prompt": prompt, **named}
        return read(Ordered, (yield from self._call(body, on_away)))

    def status(self, job_id: str, on_away: OnAway | None = None, download: bool = False) -> Flow[Status]:
        body = {"action": "status", "id": job_id} | ({"download": True} if download else {})
        return read(Status, (yield from self._call(body, on_away)))

    def cancel(self, job_id: str) -> Flow[None]:
        try:
            yield from self._call({"action": "cancel", "id": job_id})
        except Conflict as error:  # the answer to an earlier attempt may have been lost
            if not error.words.endswith("CANCELLED"):
                raise

    def verify(self, picture: bytes | str) -> Flow[Verification]:
        """`picture`: the file's bytes, or an https address that the server is to look at."""
        if isinstance(picture, str):
            where = {"url": picture}
        else:
            where = {"image": f"data:application/octet-stream;base64,{base64.b64encode(picture).decode()}"}
        return read(Verification, (yield from self._call({"action": "verify", **where})))

    def models(self) -> Flow[Models]:
        return read(Models, (yield from self._call({"action": "models"})))

    def usage(self, days: int) -> Flow[Usage]:
        return read(Usage, (yield from self._call({"action": "usage", "days": days})))

    def random(self, character: str | None) -> Flow[str]:
        body = {} if character is None else {"character": character}
        return read(Prompted, (yield from self._call({"action": "random", **body}))).prompt

    def optimize(self, prompt: str, model: str | None) -> Flow[str]:
        body = {"prompt": prompt} if model is None else {"prompt": prompt, "model": model}
        return read(Prompted, (yield from self._call({"action": "optimize", **body}))).prompt

    def wait(self, job_id: str, on_progress: OnProgress | None, on_away: OnAway | None) -> Flow[Picture]:
        """Raises JobError of a job that ended without a picture."""

        def tell(status: Status) -> Flow[None]:
            if on_progress:
                on_progress(status)
            yield from ()

        ended = yield from self._follow(job_id, tell, on_away)
        picture = picture_of(job_id, ended)
        return (yield from self._with_bytes(picture, on_away))

    def stream(self, job_id: str, on_away: OnAway | None) -> Flow[None]:
        """Emits every status until the last, that one included."""

        def tell(status: Status) -> Flow[None]:
            yield Emit(status)

        yield Emit((yield from self._follow(job_id, tell, on_away)))

    def _with_bytes(self, picture: Picture, on_away: OnAway | None) -> Flow[Picture]:
        try:
            return replace(picture, bytes=(yield from self.download(picture.url, on_away)))
        except Refusal as error:
            if error.status not in (403, 404):
                raise
        # The link has expired.
        again = picture_of(picture.job_id, (yield from self.status(picture.job_id, on_away)))
        return replace(again, bytes=(yield from self.download(again.url, on_away)))

    def download(self, link: str, on_away: OnAway | None) -> Flow[bytes]:
        """By a signed link, to which the key is not sent: it may lead to another host."""
        send = Send("GET", urljoin(f"{self.url}/", link), MAX_PICTURE_BYTES, redirected=True)

        def ask() -> Flow[bytes]:
            answer: Answer = yield send
            return _accepted(answer).content

        return (yield from self._patiently(ask, on_away))

    def _call(self, body: Mapping[str, Any], on_away: OnAway | None = None) -> Flow[Mapping[str, Any]]:
        send = Send(
            "POST",
            f"{self.url}/api/v2",
            MAX_ANSWER_BYTES,
            {**self.headers(), "Content-Type": "application/json"},
            json.dumps(body).encode(),
        )

        def ask() -> Flow[Mapping[str, Any]]:
            answer: Answer = yield send
            told = _object(_accepted(answer).content)
            if told is None:
                raise NotImgen(f"{self.url} answers, but not as an imgen server does")
            return told

        return (yield from self._patiently(ask, on_away))

    def headers(self) -> dict[str, str]:
        named = {"User-Agent": f"imgen-client/{__version__}"}
        return named | ({"Authorization": f"Bearer {self.key}"} if self.key else {})

    def _patiently(self, ask: Callable[[], Flow[T]], on_away: OnAway | None) -> Flow[T]:
        patience = Patience(self.patience_s)
        while True:
            try:
                return (yield from self._asked(ask()))
            except ImgenError as error:
                yield from self._pause_or_raise(error, patience, on_away)

    def _asked(self, flow: Flow[T]) -> Flow[T]:
        try:
            return (yield from flow)
        except Lost as error:
            kind = _Silent if error.silent else Unreachable
            raise kind(f"{self.url} does not answer: {error}", refused=error.refused) from None

    def _pause_or_raise(self, error: ImgenError, patience: Patience, on_away: OnAway | None) -> Flow[None]:
        retry_after = error.retry_after if isinstance(error, Refusal) else None
        wait = patience.next(retry_after) if error.transient else None
        if wait is None:
            raise error
        if on_away:
            on_away(error)
        yield Pause(wait)

    def _follow(
        self, job_id: str, tell: Callable[[Status], Flow[None]], on_away: OnAway | None
    ) -> Flow[Status]:
        """The last status; `tell` gets those before. By events, by polling where there are none."""
        stream = _Stream(self, job_id, tell, Patience(self.patience_s))
        while True:
            try:
                ended = yield from self._asked(stream.read())
                if ended:
                    return ended
                mute = not stream.told
                yield Pause(stream.events.retry_s if stream.events.retry_s is not None else REOPEN_S)
            except (NotImgen, Refusal):  # no events there, or no more of them: a poll tells what it is
                break
            except Unreachable as error:
                yield from self._pause_or_raise(error, stream.patience, on_away)
                mute = isinstance(error, _Silent) and not stream.told
            # A stream that opened and told nothing, as one that a proxy keeps back.
            if mute and not stream.last_id:
                break
        while (status := (yield from self.status(job_id, on_away))).pending:
            yield from tell(status)
            yield Pause(self.poll_s)
        return status


@dataclass
class _Stream:
    """The events of a job, over as many connections as it takes."""

    core: Core
    job_id: str
    tell: Callable[[Status], Flow[None]]
    patience: Patience
    last_id: str = ""
    told: bool = False  # by the connection that stands

    def __post_init__(self) -> None:
        self.events = EventReader()

    def read(self) -> Flow[Status | None]:
        """The last status; None where the connection came to its end before. Raises ImgenError, Lost."""
        headers = {**self.core.headers(), "Accept": "text/event-stream"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        self.events, self.told = EventReader(), False
        answer: Answer = yield Open(
            f"{self.core.url}/api/v2/jobs/{self.job_id}/events", headers, self.core.silence_s
        )
        if not _accepted(answer).headers.get("content-type", "").startswith("text/event-stream"):
            raise NotImgen(f"{self.core.url} has no stream of events")
        while piece := (yield Next()):
            try:
                events = self.events.read(piece)
            except ValueError as error:
                raise NotImgen(str(error)) from None
            for event in events:
                if event.name != "status":
                    continue
                status = _status_of(event)
                self.told, self.last_id = True, event.id
                self.patience.renew()
                if not status.pending:
                    return status
                yield from self.tell(status)
        return None


def picture_of(job_id: str, status: Status) -> Picture:
    """Of a finished job. Raises Blocked, Failed, TimedOut, Cancelled."""
    if status.compliance == "unsafe":
        raise Blocked(job_id, status.error, status.filter_categories, _decoded(status.unsafe_url))
    if status.meta is not None:
        return Picture.of(job_id, status.meta, status.cache)
    match status.status:
        case "CANCELLED":
            raise Cancelled(job_id, "The job was cancelled")
        case "TIMED_OUT":
            raise TimedOut(job_id, status.error or "Generation timed out")
        case "FAILED":
            raise Failed(job_id, status.error or "Generation failed")
    raise NotImgen(f"the job is {status.status} and has no picture")


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode() or None
    except ValueError:
        return None


def _status_of(event: ServerEvent) -> Status:
    told = _object(event.data.encode())
    if told is None:
        raise NotImgen("an event's data is no JSON object")
    return read(Status, told)


def _accepted(answer: Answer) -> Answer:
    """Raises Refusal."""
    if 200 <= answer.status < 300:
        return answer
    told = _object(answer.content) or {}
    words, detail = (
        str(told.get("error") or f"HTTP {answer.status}"),
        str(told.get("detail") or ""),
    )
    raise kind_of_refusal(answer.status, words)(
        answer.status,
        words,
        detail=detail,
        request_id=answer.headers.get("x-request-id", ""),
        retry_after=_seconds(answer.headers.get("retry-after", "")),
    )


def _seconds(header: str) -> float | None:
    """Of `Retry-After`, which is a number or a date."""
    if re.fullmatch(r"[0-9]{1,9}", header):
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(data)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
