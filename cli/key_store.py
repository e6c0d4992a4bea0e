"""What `imgen keys` does in Redis, and how it shows it."""

import argparse
import re
from typing import Any

from redis.asyncio import Redis
from rich.table import Table
from rich.text import Text

from cli.console import console
from cli.errors import UserError
from cli.key_terms import read_terms, read_time
from frontend.keys.api_keys import KeyRecord, Keys, KeyTerms
from frontend.keys.webhook_secrets import WebhookSecretStore

NAME = re.compile(r"[A-Za-z0-9._@ -]{1,64}")


async def change(given: argparse.Namespace, redis: "Redis") -> None:
    """Raises UserError, RedisError."""
    keys = Keys(redis)
    match given.verb:
        case "create":
            await _create(keys, given.name, read_terms(given))
        case "set":
            await _set(keys, given.name, read_terms(given))
        case "rotate":
            await _rotate(keys, given.name, given.grace)
        case "disable":
            await _disable(keys, given.name)
        case "webhook-secret":
            await _sign_webhooks(keys, WebhookSecretStore(redis), given.name, given.retire_older)
        case _:
            await _list(keys)


async def _create(keys: Keys, name: str, terms: dict[str, Any]) -> None:
    if not NAME.fullmatch(name):
        raise UserError("a key's name has 1 to 64 letters, digits, spaces or . _ @ -")
    if any(record.name == name and not record.disabled for record in await keys.all()):
        raise UserError(f"there is a key {name!r} already; choose another name, or disable it first")
    _, secret = await keys.create(name, terms=KeyTerms(**terms))
    _show("Shown once, stored nowhere:", secret)


async def _set(keys: Keys, name: str, terms: dict[str, Any]) -> None:
    if not terms:
        raise UserError("nothing to change; see `imgen keys set --help`")
    try:
        changed = await keys.set(name, terms)
    except KeyError:
        raise UserError(f"there is no enabled key {name!r}; see `imgen keys list`") from None
    for record in changed:
        if not record.replaced:
            print(f"{record.name} ({record.id}): {_limits(record) or 'no limits of its own'}")


async def _rotate(keys: Keys, name: str, grace: str) -> None:
    await _one_enabled(keys, name)
    secret = await keys.rotate(name, read_time("--grace", grace))
    valid = f"valid for {grace}" if grace != "0" else "not valid any more"
    _show(f"Shown once, stored nowhere; the one before is {valid}:", secret)


async def _list(keys: Keys) -> None:
    table = Table("id", "name", "created", "state", "limits", "scope", "note", "unsafe_url", box=None)
    for record in await keys.all():
        if record.replaced and not record.valid:
            continue
        table.add_row(
            record.id,
            record.name,
            record.created,
            _state(record),
            _limits(record),
            ", ".join(record.scopes),
            record.note,
            "yes" if record.unsafe_url else "no",
        )
    console().print(table)


def _state(record: KeyRecord) -> Text:
    if record.disabled:
        return Text("disabled", "red")
    if not record.valid:
        return Text("expired", "red")
    until = f" until {record.expires}" if record.expires else ""
    return Text(("old secret" if record.replaced else "enabled") + until)


def _limits(record: KeyRecord) -> str:
    told = (
        (record.rate, f"{record.rate:g}/s"),
        (record.daily, f"{record.daily} jobs/day"),
        (record.monthly, f"{record.monthly} pictures/month"),
        (record.concurrent, f"{record.concurrent} at a time"),
        (record.priority != "normal", record.priority),
    )
    return ", ".join(words for value, words in told if value)


async def _one_enabled(keys: Keys, name: str) -> KeyRecord:
    found = [each for each in await keys.all() if name in (each.id, each.name)]
    found = [each for each in found if not each.disabled and not each.replaced]
    if not found:
        raise UserError(f"there is no enabled key {name!r}; see `imgen keys list`")
    if len(found) > 1:
        raise UserError(f"there are {len(found)} keys {name!r}; give the id, see `imgen keys list`")
    return found[0]


async def _disable(keys: Keys, name: str) -> None:
    try:
        disabled = await keys.disable(name)
    except KeyError:
        raise UserError(f"there is no key {name!r}; see `imgen keys list`") from None
    for record in disabled:
        if record.replaced:
            continue
        print(f"disabled {record.name} ({record.id})")
    if not disabled:
        print(f"{name} was disabled already")


async def _sign_webhooks(keys: Keys, store: WebhookSecretStore, name: str, retire_older: bool) -> None:
    key = await _one_enabled(keys, name)
    if not retire_older:
        _show(
            "Shown once; the receiver of the webhooks verifies their signatures with it:",
            await store.add(key),
        )
        return
    match await store.retire_older(key):
        case 0:
            raise UserError(f"{name} has no webhook secret; `imgen keys webhook-secret {name}` makes one")
        case 1:
            print(f"{name} had one webhook secret only; it stays")
        case _:
            print(f"webhooks of {name} are signed with the newest secret alone from now on")


def _show(what: str, secret: str) -> None:
    console(stderr=True).print(what, style="dim")
    print(secret)
