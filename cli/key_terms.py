"""What `imgen keys create` and `set` are told of a key, read."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.errors import UserError
from frontend.keys.api_keys import Priority, Scope, rfc3339

# The largest of each, and what is least beside 0.
RANGES = {
    "rate": (0.01, 1_000_000),
    "daily": (1, 1_000_000_000),
    "monthly": (1, 1_000_000_000),
    "concurrent": (1, 1_000_000),
}
MAX_NOTE = 200
MAX_TIME = timedelta(days=3_650)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def read_terms(given: argparse.Namespace) -> dict[str, Any]:
    """Fields of KeyTerms, those alone that were given. Raises UserError."""
    terms: dict[str, Any] = {
        name: _limit(name, text) for name in RANGES if (text := getattr(given, name)) is not None
    }
    if given.priority is not None:
        terms["priority"] = Priority(given.priority)
    if given.scope is not None:
        terms["scopes"] = (Scope(given.scope),)
    if given.unsafe_url is not None:
        terms["unsafe_url"] = given.unsafe_url
    if given.expires is not None:
        terms["expires"] = read_end(given.expires)
    if given.note is not None:
        terms["note"] = _note(given.note)
    return terms


def read_time(flag: str, text: str) -> timedelta:
    """`90d`, `12h`, `30m`, `10s`, or 0. Raises UserError."""
    if text == "0":
        return timedelta()
    if found := re.fullmatch(r"([0-9]{1,9})([smhd])", text):
        time = timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
        if time <= MAX_TIME:
            return time
    raise UserError(f"{flag} {text}: expected a time such as 90d, 12h or 30m, at most 3650d")


def read_end(text: str) -> str:
    """As KeyTerms.expires. Raises UserError."""
    if text == "never":
        return ""
    if re.fullmatch(r"[0-9]{1,9}[smhd]", text):
        return rfc3339(datetime.now(UTC) + read_time("--expires", text))
    try:
        when = datetime.fromisoformat(text)
        end = (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UserError(f"--expires {text}: expected 90d, 12h, a date (2027-01-31) or never") from None
    if end <= datetime.now(UTC):
        raise UserError(f"--expires {text}: that is over; `imgen keys disable` ends a key now")
    return rfc3339(end)


def _limit(name: str, text: str) -> float | int:
    low, high = RANGES[name]
    kind = float if name == "rate" else int
    try:
        value = kind(text)
    except ValueError:
        value = kind(-1)
    if value != 0 and not low <= value <= high:  # NaN is in no range
        raise UserError(f"--{name} {text}: expected {low} to {high}, or 0 for no limit of its own")
    return value


def _note(text: str) -> str:
    if len(text) > MAX_NOTE or not all(char.isprintable() for char in text):
        raise UserError(f"--note: expected at most {MAX_NOTE} printable characters")
    return text
