"""Processes of Triton's models that have died."""

import asyncio

from embedded.processes import processes

STUB_NAME = "triton_python_b"  # what /proc calls triton_python_backend_stub: the first 15 characters


async def has_dead_stub(pid: int) -> bool:
    """Whether a model's process under the tritonserver `pid` has died and is left unreaped.

    Triton does not start it again: its model answers errors for ever, so Triton itself must be restarted.
    A stub that ends because its model is unloaded is waited for at once, so only one that stays counts.
    """
    dead = _dead_stubs(pid)
    if not dead:
        return False
    await asyncio.sleep(1.0)
    return bool(dead & _dead_stubs(pid))


def _dead_stubs(pid: int) -> set[int]:
    return {child for child, name, state, parent in processes() if parent == pid and _is_dead(name, state)}


def _is_dead(name: str, state: str) -> bool:
    return state in "ZX" and name == STUB_NAME
