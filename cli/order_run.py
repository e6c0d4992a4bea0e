"""Orders on their way: sent, awaited, saved."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.client import RETRY_S, ServerAccess, as_user_errors
from cli.errors import UserError
from cli.order import ClientOrder
from cli.order_journal import OrderJournal
from cli.output_name import OutputName, PictureFacts
from cli.waiting import WaitingBar
from embedded.characters.service import ADD_WORDS
from frontend.common.atomic_write import atomic_write

if TYPE_CHECKING:
    from imgen_client import AsyncClient, ImgenError, Meta, Picture

AT_ONCE = 8  # orders of one command that a server has before it
LONG_PATIENCE_S = 600.0  # of many orders: others' may fill the queue meanwhile


@dataclass(frozen=True)
class DrawnPicture:
    """What became of one order."""

    order: ClientOrder
    notes: tuple[str, ...] = ()
    file: Path | None = None
    meta: "Meta | None" = None
    error: UserError | None = None
    categories: tuple[str, ...] = ()  # that a blocked picture fell under


class OrderRun:
    """All orders of one command."""

    def __init__(
        self,
        server: ServerAccess,
        orders: Sequence[ClientOrder],
        output: OutputName,
        journal: OrderJournal | None,
        patience_s: float | None = None,
    ) -> None:
        self.server = server
        self.under_way: dict[int, ClientOrder] = {}  # by number
        self.failed = 0
        self._orders = orders
        self._output = output
        self._journal = journal
        usual_s = LONG_PATIENCE_S if len(orders) > 1 else RETRY_S
        self._patience_s = usual_s if patience_s is None else patience_s

    async def draw(self, tell: Callable[[DrawnPicture], None]) -> None:
        """`tell` gets each as it ends. What it raises ends all."""
        turns, refused = asyncio.Semaphore(AT_ONCE), list[Exception]()
        with WaitingBar(len(self._orders)) as bar:
            async with self.server.open_async(self._patience_s) as client:

                async def one(order: ClientOrder) -> None:
                    async with turns:
                        self.under_way[order.number] = order
                        drawn = await self._one(client, order, bar)
                        del self.under_way[order.number]
                    bar.end(order.number)
                    self._note(drawn)
                    tell(drawn)

                try:
                    async with asyncio.TaskGroup() as tasks:
                        for order in self._orders:
                            tasks.create_task(one(order))
                except* UserError as errors:
                    refused.extend(errors.exceptions)
        if refused:
            raise refused[0]

    def _note(self, drawn: DrawnPicture) -> None:
        if drawn.error:
            self.failed += 1
        if self._journal:
            note = self._journal.note_failed if drawn.error else self._journal.note_saved
            note(drawn.order.key)

    async def _one(self, client: "AsyncClient", order: ClientOrder, bar: WaitingBar) -> DrawnPicture:
        from imgen_client import Blocked, ImgenError

        notes: tuple[str, ...] = ()
        away = self.server.while_away(bar.tell_away)
        job_id = ""
        try:
            job = await client.generate(order.prompt, idempotency_key=order.key, on_away=away, **order.fields)
            job_id, notes = job.id, job.ordered.notes if job.ordered else ()
            picture = await job.wait(on_progress=bar.progress_of(order.number), on_away=away)
            return DrawnPicture(order, notes, self._save(order, picture), picture.meta)
        except ImgenError as error:
            categories = error.categories if isinstance(error, Blocked) else ()
            told = UserError(_words(error, job_id))
            return DrawnPicture(order, notes, error=told, categories=categories)
        except UserError as error:
            return DrawnPicture(order, notes, error=error)

    def _save(self, order: ClientOrder, picture: "Picture") -> Path:
        """Raises UserError."""
        meta = picture.meta
        file = next(image.filename for image in meta.images if image.type == "signed")
        ext = Path(file).suffix.lstrip(".") or meta.format
        path = self._output.of(PictureFacts(meta.gen_id, order.number, meta.seed, meta.prompt, ext))
        try:
            atomic_write(path, picture.bytes)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from None
        return path


def _words(error: "ImgenError", job_id: str) -> str:
    from imgen_client import Refusal, Unreachable

    if isinstance(error, Refusal) and error.words == "Invalid character" and error.detail:
        return f"{error}; {ADD_WORDS}"
    return f"{error}; the job is {job_id}" if isinstance(error, Unreachable) and job_id else str(error)


def cancel_orders(server: ServerAccess, orders: dict[int, ClientOrder]) -> None:
    """Asks for each job's id again, by its key: the interrupt may have come before it. Raises UserError."""
    from imgen_client import Conflict

    with as_user_errors(), server.open() as client:
        for order in orders.values():
            try:
                client.generate(order.prompt, idempotency_key=order.key, **order.fields).cancel()
            except Conflict:  # it is finished
                continue
