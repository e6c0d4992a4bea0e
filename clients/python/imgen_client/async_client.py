"""The client for programs that do other things meanwhile: client.py with `await`."""

import asyncio
from collections.abc import AsyncIterator
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


class AsyncClient:
    """One server, as one key sees it. Options as of Client."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        patience_s: float = 30.0,
        poll_s: float = 1.0,
        silence_s: float = 30.0,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._core = core_of(url, key, patience_s, poll_s, silence_s)
        self._http = httpx.AsyncClient(timeout=timeout_s, limits=LIMITS, auth=NO_AUTH, transport=transport)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def generate(
        self,
        prompt: str,
        *,
        idempotency_key: str | None = None,
        on_away: OnAway | None = None,
        **fields: Unpack[GenerateFields],
    ) -> "AsyncJob":
        """Orders a picture. `idempotency_key`: one's own, to repeat an order in another process."""
        ordered = await self._run(self._core.generate(prompt, fields, idempotency_key, on_away))
        return AsyncJob(self, ordered.id, ordered)

    def job(self, job_id: str) -> "AsyncJob":
        """One that was ordered before, in a day."""
        return AsyncJob(self, job_id)

    async def verify(self, picture: bytes | str) -> Verification:
        """Whether a picture was made here. `picture`: a file's bytes, or an https address."""
        return await self._run(self._core.verify(picture))

    async def models(self) -> Models:
        return await self._run(self._core.models())

    async def usage(self, days: int = 30) -> Usage:
        """What the key itself has used in so many days, today (UTC) included."""
        return await self._run(self._core.usage(days))

    async def random(self, character: str | None = None) -> str:
        """A prompt for someone without an idea. `character`: None at random, "" nobody."""
        return await self._run(self._core.random(character))

    async def optimize(self, prompt: str, model: str | None = None) -> str:
        """A better prompt. `model`: whose characters it may name."""
        return await self._run(self._core.optimize(prompt, model))

    async def download(self, link: str) -> bytes:
        """The file behind a signed link of an answer, such as a thumbnail's. The key is not sent there."""
        return await self._run(self._core.download(link, None))

    async def _run(self, flow: Flow[T]) -> T:
        async with _AsyncPerformer(self._http) as performer:
            steps = Steps(flow)
            while not steps.done:
                await performer.advance(steps)
            return steps.value

    async def _emitted(self, flow: Flow[None]) -> AsyncIterator[Status]:
        async with _AsyncPerformer(self._http) as performer:
            steps = Steps(flow)
            while not steps.done:
                if isinstance(steps.effect, Emit):
                    yield steps.effect.status
                    steps.resume()
                else:
                    await performer.advance(steps)


class AsyncJob:
    """An order that the server has accepted. It lives there: this is only its name."""

    def __init__(self, client: AsyncClient, job_id: str, ordered: Ordered | None = None) -> None:
        self.id = job_id
        self.ordered = ordered  # what `generate` answered; None of a job that was named by its id
        self._client = client
        self._core: Core = client._core

    async def status(self, *, download: bool = False) -> Status:
        """Where it stands, with fresh links. `download`: a browser saves what they lead to."""
        return await self._client._run(self._core.status(self.id, download=download))

    async def cancel(self) -> None:
        """Stops it. Raises Conflict of a finished job."""
        await self._client._run(self._core.cancel(self.id))

    async def wait(self, on_progress: OnProgress | None = None, on_away: OnAway | None = None) -> Picture:
        """As of Job. `on_progress` and `on_away` are called, not awaited."""
        return await self._client._run(self._core.wait(self.id, on_progress, on_away))

    def stream(self, on_away: OnAway | None = None) -> AsyncIterator[Status]:
        """Every status from now on until the last, that one included."""
        return self._client._emitted(self._core.stream(self.id, on_away))


class _AsyncPerformer:
    """Does what a flow asks for; closes what it has left open."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._open: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    async def __aenter__(self) -> "_AsyncPerformer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def advance(self, steps: Steps[Any]) -> None:
        try:
            result = await self._perform(steps.effect)
        except NotImgen as error:
            steps.resume(error=error)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            steps.resume(error=lost(error))
        else:
            steps.resume(result)

    async def _perform(self, effect: Effect) -> Answer | bytes | None:
        if not isinstance(effect, Next):
            await self._close()
        match effect:
            case Send():
                return await self._send(effect)
            case Open():
                return await self._start(effect)
            case Next():
                return await anext(self._pieces, b"") if self._pieces else b""
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Emit():
                raise Lost("a status that nobody takes")
        return None

    async def _send(self, send: Send) -> Answer:
        request = self._http.build_request(
            send.method, send.url, headers=dict(send.headers), content=send.content
        )
        response = await self._http.send(request, stream=True, follow_redirects=send.redirected)
        return await _read(response, send.most)

    async def _start(self, wanted: Open) -> Answer:
        request = self._http.build_request(
            "GET", wanted.url, headers=dict(wanted.headers), timeout=wanted.silence_s
        )
        response = await self._http.send(request, stream=True)
        if response.status_code != 200:
            return await _read(response, MAX_REFUSAL_BYTES)
        self._open, self._pieces = response, response.aiter_bytes()
        return Answer(200, lower(response.headers))

    async def _close(self) -> None:
        if self._open is not None:
            await self._open.aclose()
        self._open = self._pieces = None


async def _read(response: httpx.Response, most: int) -> Answer:
    body = Body(most)
    try:
        async for part in response.aiter_bytes():
            body.add(part)
    finally:
        await response.aclose()
    return Answer(response.status_code, lower(response.headers), body.whole())
