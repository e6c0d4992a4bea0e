"""Programs of others that a machine may lack; CI has them all."""

import os
import shutil

import pytest


def needs(command: str) -> str:
    """Where it is. Skips the test where it is not, but not in CI."""
    found = shutil.which(command)
    if found is None and not os.environ.get("CI"):
        pytest.skip(f"{command} is not installed")
    assert found, f"{command} is not installed"
    return found
