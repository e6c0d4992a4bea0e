"""Finds a picture that was made before for a request that means the same. Whatever goes wrong is a miss."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from prometheus_client import Counter, Histogram

from frontend.cache import candidate as candidates
from frontend.cache.candidate import Candidate
from frontend.cache.demands import Demands, unmet
from frontend.cache.index.index import CacheIndex
from frontend.cache.index.item import Match, Vector
from frontend.cache.log import Log
from frontend.cache.prompt_vectors import PromptVectors
from frontend.cache.replica import EncodesPrompts, Replica
from frontend.cache.rules.table import conflict, shows
from frontend.common.coalescer import Coalescer
from frontend.common.outage_log import OutageLog
from frontend.domain.cache_entry import CachedPicture, CacheOffer
from frontend.domain.job import Job
from frontend.domain.prompt_intent import PromptIntent
from frontend.domain.verdict import Verdict

log = logging.getLogger(__name__)
MIN_SIMILARITY = 0.95  # similarity that the API's description promises
MAX_CANDIDATES = 32  # nearest pictures of the partition: the rules refuse some
MAX_TOGETHER = 400  # characters of a prompt that is looked up together with others
FIND_S = 2.0
OFFER_S = 2.0
LOOKUPS = Counter(
    "imgen_cache_lookups", "Look-ups by outcome: hit, or what the nearest picture lacked", ["outcome"]
)
LOOKUPS.labels("hit")
SECONDS = Histogram(
    "imgen_cache_lookup_seconds",
    "Time of a look-up, with the prompt encoder's",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2),
)


Exists = Callable[[str], Awaitable[bool]]
"""Whether the object store has a file under that key. Raises StorageError."""


@dataclass(frozen=True, kw_only=True)
class CacheQuery:
    """A request's: the job that would be made for it, and what else it says of the cache."""

    job: Job
    intent: PromptIntent
    demands: Demands
    pick: int  # 1 to 10: so many of the best, of which one is chosen
    force: bool  # any picture of the partition will do


@dataclass(frozen=True, kw_only=True)
class _Answer:
    outcome: str
    picture: CachedPicture | None = None


@dataclass(frozen=True, eq=False)
class _Search:
    index: CacheIndex
    question: CacheQuery
    vector: Vector


_Found = tuple[list[Candidate], str]
"""Those that may answer, in the order in which they are tried; and what the nearest lacked."""


class Cache:
    def __init__(
        self, source: Log, replica: Replica, encoder: EncodesPrompts, exists: Exists, *, shared: bool
    ) -> None:
        self._source = source
        self._replica = replica
        self._encoder = encoder
        self._vectors = PromptVectors(encoder)
        self._exists = exists
        self._shared = shared
        self._searches: Coalescer[_Search, _Found | Exception] = Coalescer(self._search_all)
        self._finding = OutageLog(log, "cache: look-ups miss")
        self._offering = OutageLog(log, "cache: pictures do not get in")

    @property
    def index(self) -> CacheIndex | None:
        """This process's copy; None: it is not there yet."""
        copy = self._replica.copy
        return copy.index if copy else None

    @property
    def size(self) -> int | None:
        """Pictures in this process's copy; None: it is not there yet."""
        return None if self.index is None else len(self.index)

    async def offer(self, job: Job, verdict: Verdict) -> CacheOffer | None:
        """What the log is told when this verdict stands; None: the picture does not go into the cache."""
        if job.intent is None or verdict.compliance != "safe":
            return None
        try:
            async with asyncio.timeout(OFFER_S):
                vector = await self._vectors.vector_of(job.intent.positive)
                encoder = await self._encoder.identity()
        except Exception as error:
            self._offering.failed(error)
            return None
        self._offering.succeeded()
        return self._source.offer(vector, encoder)

    async def find(self, question: CacheQuery) -> CachedPicture | None:
        """A picture whose files were there a moment ago. Faults are misses."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(FIND_S):
                answer = await self._find(question)
            self._finding.succeeded()
        except Exception as error:
            self._finding.failed(repr(error))
            answer = _Answer(outcome="fault")
        SECONDS.observe(time.perf_counter() - began)
        LOOKUPS.labels(answer.outcome).inc()
        return answer.picture

    async def _find(self, question: CacheQuery) -> _Answer:
        copy = self._replica.copy
        if copy is None:
            return _Answer(outcome="not ready")
        vector = await self._vectors.vector_of(question.intent.positive)
        asked = _Search(copy.index, question, vector)
        together = sum(map(len, (question.intent.positive, *question.intent.negatives))) <= MAX_TOGETHER
        # Reading a long prompt takes long: nobody waits for that of another one.
        found = await (self._searches.get(asked) if together else asyncio.to_thread(self._search, asked))
        if isinstance(found, Exception):
            raise found
        good, outcome = found
        for made in good:
            if picture := await self._whole(made):
                return _Answer(outcome="hit", picture=picture)
        return _Answer(outcome="gone" if good else outcome)

    async def _search_all(self, searches: list[_Search]) -> list[_Found | Exception]:
        """In one thread: handing over takes as long as a search."""
        return await asyncio.to_thread(lambda: [self._search(each) for each in searches])

    def _search(self, asked: _Search) -> _Found | Exception:
        try:
            return self._choose(asked.question, self._nearest(asked.index, asked.question.job, asked.vector))
        except Exception as error:  # of one of them: the others have nothing to do with it
            return error

    def _nearest(self, index: CacheIndex, job: Job, vector: Vector) -> list[Match]:
        """Those that this job's owner may be handed, best first."""
        places = dict.fromkeys(candidates.partition(job, shared=shared) for shared in (self._shared, False))
        matches = [match for place in places for match in index.search(place, vector, MAX_CANDIDATES)]
        return sorted(matches, key=lambda match: -match.similarity)[:MAX_CANDIDATES]

    def _choose(self, question: CacheQuery, matches: Sequence[Match]) -> tuple[list[Candidate], str]:
        """Those that may answer, in the order in which they are tried; and what the nearest lacked."""
        good, outcome = [], ""
        for match in matches:
            made = candidates.decode(match.payload)
            reason = self._replica.refusal(made)
            if reason is None and not question.force:
                reason = rejection_reason(question, match.similarity, made)
            if reason is None:
                good.append(made)
            else:
                outcome = outcome or reason
            if len(good) == question.pick:
                break
        return random.sample(good, len(good)), outcome or "empty"

    async def _whole(self, made: Candidate) -> CachedPicture | None:
        """The picture, if the log still has it and its files are there; else all servers are told."""
        found = await self._source.picture(made.entry)
        if found is None:
            return None
        keys = (found.picture.key, found.picture.thumbnail_key)
        if all(await asyncio.gather(*map(self._exists, keys))):
            return found
        log.warning("cache: the files of %s are gone, and so is its entry", found.job.gen_id)
        await self._source.gone(found.job.gen_id)
        return None


def rejection_reason(question: CacheQuery, similarity: float, made: Candidate) -> str | None:
    """What this picture lacks for that request. None: it is what was asked for."""
    if similarity <= MIN_SIMILARITY:
        return "floor"
    if shown := unmet(question.demands, made) or conflict(question.intent, made.intent):
        return shown
    if question.job.notes != made.notes:  # what was left out may have been meant
        return "notes"
    return "drawn" if shows(made.drawn, question.intent.negatives) else None
