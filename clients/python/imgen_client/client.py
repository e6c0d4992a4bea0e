"""The client for programs that wait."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TypeVar, Unpack

import httpx

from .answers import GenerateFields, Models, Ordered, Status, Usage, Verification
from .core import Core, OnAway, OnProgress
from .effects import Answer, Effect, Emit, Flow, Lost, Next, Open, Pause, Send, Steps
from .errors import NotImgen
from .http_options import LIMITS, MAX_REFUSAL_BYTES, NO_AUTH, TIMEOUT_S, Body, core_of, lost, lower
from .picture import Picture

T = TypeVar("T")


class Client:
    """One server, as one key sees it. May be used by many threads.

    `url`, `key`: by default IMGEN_URL and IMGEN_API_KEY; only `verify` goes without a key.
    `patience_s`: for so long is waited for a server that is away, busy or full.
    `poll_s`: between two polls of a job, where there are no events.
    `silence_s`: without a byte for so long, a stream of events is opened anew; one comes every 15 s.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        patience_s: float = 30.0,
        poll_s: float = 1.0,
        silence_s: float = 30.0,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._core = core_of(url, key, patience_s, poll_s, silence_s)
        self._http = httpx.Client(timeout=timeout_s, limits=LIMITS, auth=NO_AUTH, transport=transport)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def generate(
        self,
        prompt: str,
        *,
        idempotency_key: str | None = None,
        on_away: OnAway | None = None,
        **fields: Unpack[GenerateFields],
    ) -> "Job":
        """Orders a picture. `idempotency_key`: one's own, to repeat an order in another process."""
        ordered = self._run(self._core.generate(prompt, fields, idempotency_key, on_away))
        return Job(self, ordered.id, ordered)

    def job(self, job_id: str) -> "Job":
        """One that was ordered before, in a day."""
        return Job(self, job_id)

    def verify(self, picture: bytes | str) -> Verification:
        """Whether a picture was made here. `picture`: a file's bytes, or an https address."""
        return self._run(self._core.verify(picture))

    def models(self) -> Models:
        return self._run(self._core.models())

    def usage(self, days: int = 30) -> Usage:
        """What the key itself has used in so many days, today (UTC) included."""
        return self._run(self._core.usage(days))

    def random(self, character: str | None = None) -> str:
        """A prompt for someone without an idea. `character`: None at random, "" nobody."""
        return self._run(self._core.random(character))

    def optimize(self, prompt: str, model: str | None = None) -> str:
        """A better prompt. `model`: whose characters it may name."""
        return self._run(self._core.optimize(prompt, model))

    def download(self, link: str) -> bytes:
        """The file behind a signed link of an answer, such as a thumbnail's. The key is not sent there."""
        return self._run(self._core.download(link, None))

    def _run(self, flow: Flow[T]) -> T:
        with _Performer(self._http) as performer:
            steps = Steps(flow)
            while not steps.done:
                performer.advance(steps)
            return steps.value

    def _emitted(self, flow: Flow[None]) -> Iterator[Status]:
        with _Performer(self._http) as performer:
            steps = Steps(flow)
            while not steps.done:
                if isinstance(steps.effect, Emit):
                    yield steps.effect.status
                    steps.resume()
                else:
                    performer.advance(steps)


class Job:
    """An order that the server has accepted. It lives there: this is only its name."""

    def __init__(self, client: Client, job_id: str, ordered: Ordered | None = None) -> None:
        self.id = job_id
        self.ordered = ordered  # what `generate` answered; None of a job that was named by its id
        self._client = client
        self._core: Core = client._core

    def status(self, *, download: bool = False) -> Status:
        """Where it stands, with fresh links. `download`: a browser saves what they lead to."""
        return self._client._run(self._core.status(self.id, download=download))

    def cancel(self) -> None:
        """Stops it. Raises Conflict of a finished job."""
        self._client._run(self._core.cancel(self.id))

    def wait(self, on_progress: OnProgress | None = None, on_away: OnAway | None = None) -> Picture:
        """The picture. A server that is away is waited for, as jobs outlive it.

        What has been ordered goes on when nobody waits: `cancel` ends it. Raises Blocked, Failed, TimedOut,
        Cancelled, and what errors.py has else.
        """
        return self._client._run(self._core.wait(self.id, on_progress, on_away))

    def stream(self, on_away: OnAway | None = None) -> Iterator[Status]:
        """Every status from now on until the last, that one included."""
        return self._client._emitted(self._core.stream(self.id, on_away))


class _Performer:
    """Does what a flow asks for; closes what it has left open."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._open: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def __enter__(self) -> "_Performer":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def advance(self, steps: Steps[Any]) -> None:
        try:
            result = self._perform(steps.effect)
        except NotImgen as error:
            steps.resume(error=error)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            steps.resume(error=lost(error))
        else:
            steps.resume(result)

    def _perform(self, effect: Effect) -> Answer | bytes | None:
        if not isinstance(effect, Next):
            self._close()
        match effect:
            case Send():
                return self._send(effect)
            case Open():
                return self._start(effect)
            case Next():
                return next(self._pieces, b"")
            case Pause(seconds):
                time.sleep(seconds)
            case Emit():
                raise Lost("a status that nobody takes")
        return None

    def _send(self, send: Send) -> Answer:
        request = self._http.build_request(
            send.method, send.url, headers=dict(send.headers), content=send.content
        )
        response = self._http.send(request, stream=True, follow_redirects=send.redirected)
        return _read(response, send.most)

    def _start(self, wanted: Open) -> Answer:
        request = self._http.build_request(
            "GET", wanted.url, headers=dict(wanted.headers), timeout=wanted.silence_s
        )
        response = self._http.send(request, stream=True)
        if response.status_code != 200:
            return _read(response, MAX_REFUSAL_BYTES)
        self._open, self._pieces = response, response.iter_bytes()
        return Answer(200, lower(response.headers))

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open, self._pieces = None, iter(())


def _read(response: httpx.Response, most: int) -> Answer:
    body = Body(most)
    try:
        for part in response.iter_bytes():
            body.add(part)
    finally:
        response.close()
    return Answer(response.status_code, lower(response.headers), body.whole())
