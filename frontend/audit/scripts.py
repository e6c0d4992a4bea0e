"""The function `audit` in Lua, for the scripts that write an entry together with what it tells of."""

from pathlib import Path

from contract.redis_keys import lua_locals

AUDIT_LUA = Path(__file__).with_name("audit.lua").read_text()


def with_audit(script: str) -> str:
    """The script, with the names of contract/redis_keys.py and the function before it."""
    return lua_locals() + AUDIT_LUA + script
