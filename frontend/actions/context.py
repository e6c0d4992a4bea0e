"""What every action gets: the services of this process, and one authorised call or a stranger's visit."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec
from aiohttp import web

from frontend.cache.cache import Cache
from frontend.catalogue.live_catalogue import LiveCatalogue
from frontend.cells.cells import Cells
from frontend.common.fair_limiter import FairLimiter
from frontend.domain.job import CredentialTexts
from frontend.http.body import BodyReader
from frontend.http.body_parser import BodyParser
from frontend.http.byte_budget import ByteBudget
from frontend.http.fields import Body
from frontend.http.health import Health
from frontend.http.rate_limit import AnonymousRateLimiter
from frontend.jobs.memory import RedisMemory
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import KeyRecord, Keys
from frontend.keys.rates import Rates
from frontend.net.client_origin import ClientOrigins
from frontend.net.networks import Network
from frontend.prompts.enhancer import Enhancer
from frontend.prompts.random_prompt import Grammar
from frontend.review.links import Links
from frontend.review.reviews import Reviews
from frontend.storage import Storage
from frontend.verification.service import VerificationService


@dataclass
class Gate:
    """Whether new work is still let in; closed while the server drains."""

    closed: bool = False


@dataclass(frozen=True, kw_only=True)
class Services:
    """Built once, by services.py."""

    max_body_bytes: int
    default_texts: CredentialTexts  # of the content credentials, where a client sends none
    keys: Keys
    rates: Rates
    catalogue: LiveCatalogue
    grammar: Grammar
    enhancer: Enhancer
    cache: Cache
    jobs: JobStore
    memory: RedisMemory
    reviews: Reviews
    links: Links
    storage: Storage
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
    health: Health
    metrics: Sequence[Callable[[], Awaitable[None]]]  # see http/metrics.py


class Call(msgspec.Struct, frozen=True):
    services: Services
    key: KeyRecord
    body: Body
    idempotency_key: str | None  # the header of that name
    origin: str = ""  # what links begin with for this client, see net/client_origin.py


class Visit(msgspec.Struct, frozen=True):
    services: Services
    address: str  # whose it is, see net/client_address.py
    body: Body


SERVICES = web.AppKey("services", Services)
