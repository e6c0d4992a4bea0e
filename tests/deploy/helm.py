"""Helm's own library in a process of its own: its Go runtime crashes beside what other tests have loaded."""

import functools
import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class ChartError(Exception):
    """Helm's words."""


def rendered(chart: Path, values: Mapping[str, Any], name: str, namespace: str) -> dict[str, str]:
    """Text by the template's path. Raises ChartError."""
    return _call(_render, str(chart), values, name, namespace)


def linted(chart: Path) -> list[dict[str, Any]]:
    """Helm's messages. Raises ChartError."""
    return _call(_lint, str(chart))


@functools.cache
def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def _call(function: Callable[..., tuple[T, str]], *arguments: Any) -> T:
    found, error = _process().submit(function, *arguments).result()
    if error:
        raise ChartError(error)
    return found


def _render(chart: str, values: Mapping[str, Any], name: str, namespace: str) -> tuple[dict[str, str], str]:
    import helm_python

    try:
        with helm_python.Chart.load(chart) as loaded:
            return loaded.render(dict(values), name=name, namespace=namespace), ""
    except helm_python.HelmError as error:
        return {}, str(error) or type(error).__name__


def _lint(chart: str) -> tuple[list[dict[str, Any]], str]:
    import helm_python

    try:
        return helm_python.lint(chart)["messages"], ""
    except helm_python.HelmError as error:
        return [], str(error) or type(error).__name__
