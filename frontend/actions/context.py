"""What every action gets: the services of this process, and one authorised call or a stranger's visit."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import msgspec
from aiohttp import web

from frontend.cache.cache import Cache
from frontend.catalogue.live_catalogue import LiveCatalogue
from frontend.catalogue.tiles import Tiles
from frontend.cells.cells import Cells
from frontend.common.fair_limiter import FairLimiter
from frontend.domain.job import CredentialTexts
from frontend.domain.quota import Quota
from frontend.events.seats import Seats
from frontend.events.watch import JobWatch
from frontend.http.body import BodyReader
from frontend.http.body_parser import BodyParser
from frontend.http.byte_budget import ByteBudget
from frontend.http.health import Health
from frontend.http.quotas import quotas_of
from frontend.http.rate_limit import AnonymousRateLimiter
from frontend.http.request_reader import Body
from frontend.jobs.memory import RedisMemory
from frontend.jobs.store import JobStore
from frontend.jobs.worker import Workers
from frontend.keys.api_keys import KeyRecord, Keys
from frontend.keys.handovers import Handovers
from frontend.keys.key_admission import KeyAdmission
from frontend.keys.rates import Rates
from frontend.keys.usage import Usage
from frontend.net.client_origin import ClientOrigins
from frontend.net.networks import Network
from frontend.prompts.enhancer import Enhancer
from frontend.prompts.random_prompt import Grammar
from frontend.review.links import Links
from frontend.review.reviewed_pictures import ReviewedPictures
from frontend.review.reviews import Reviews
from frontend.storage import Storage
from frontend.verification.service import VerificationService
from frontend.webhooks.admission import WebhookAdmission

Asked = TypeVar("Asked", bound=msgspec.Struct)


@dataclass
class Gate:
    """Whether new work is still let in."""

    leaving: bool = False  # the server drains: balancers are told, and clients are served until they know
    closed: bool = False  # new jobs are refused


class Operated(Protocol):
    """What operators ask a process about, and what stops with it: of every role."""

    @property
    def health(self) -> Health: ...
    @property
    def metrics(self) -> Sequence[Callable[[], Awaitable[None]]]: ...
    @property
    def gate(self) -> Gate: ...
    @property
    def workers(self) -> Workers: ...


@dataclass(frozen=True, kw_only=True)
class WorkerServices:
    """Of a process that draws and answers no clients."""

    health: Health
    metrics: Sequence[Callable[[], Awaitable[None]]]
    gate: Gate
    workers: Workers


@dataclass(frozen=True, kw_only=True)
class Services:
    """Built once, by services.py."""

    max_body_bytes: int
    default_texts: CredentialTexts  # of the content credentials, where a client sends none
    keys: Keys
    admission: KeyAdmission
    rates: Rates
    usage: Usage
    handovers: Handovers  # of keys to the page
    catalogue: LiveCatalogue
    tiles: Tiles
    grammar: Grammar
    enhancer: Enhancer
    cache: Cache
    jobs: JobStore
    memory: RedisMemory
    reviews: Reviews
    watch: JobWatch  # where a job stands, now and as it changes
    seats: Seats  # of clients that wait for their jobs on an open connection
    webhooks: WebhookAdmission
    links: Links
    storage: Storage
    reviewed: ReviewedPictures
    answers: FairLimiter  # how many with pictures in them are made and sent at a time, whose is next
    gate: Gate
    cells: Cells
    decoding: FairLimiter  # how many watermarks are decoded at a time, and whose is next
    verification: VerificationService
    bodies: BodyParser
    body_budget: ByteBudget  # of requests with a key
    anonymous_body_budget: ByteBudget  # of those without
    body_reader: BodyReader
    anonymous: AnonymousRateLimiter
    proxies: tuple[Network, ...]  # our own, whose X-Forwarded-For is believed
    origins: ClientOrigins
    workers: Workers
    health: Health
    metrics: Sequence[Callable[[], Awaitable[None]]]  # see http/metrics.py


class Call(msgspec.Struct, Generic[Asked], frozen=True):
    services: Services
    key: KeyRecord
    asked: Asked  # the request, read
    body: Body  # as it came, its fields' names and values
    request: web.BaseRequest | None = None

    @property
    def quotas(self) -> list[Quota]:
        """Of the request's answer: what is left of the limits that were looked at."""
        return quotas_of(self.request) if self.request is not None else []

    def header(self, name: str) -> str | None:
        return self.request.headers.get(name) if self.request else None

    @property
    def origin(self) -> str:
        """What links begin with for this client, see net/client_origin.py."""
        return self.services.origins.of(self.request) if self.request else ""


class Visit(msgspec.Struct, Generic[Asked], frozen=True):
    services: Services
    address: str  # whose it is, see net/client_address.py
    asked: Asked


SERVICES = web.AppKey("services", Services)
OPERATED: web.AppKey[Operated] = web.AppKey("operated")
