"""Draws Grafana's dashboards as a Prometheus answers their queries.

    python docs/pictures/make_dashboards.py URL

No Grafana is needed. Chromium takes the pictures. Panels without an answer are named at the end.
"""

import argparse
import html
import io
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
GRAFANA = HERE.parents[1] / "deploy" / "grafana"
RATE_INTERVAL = "1m"  # Grafana's, of a scrape interval of 15 s
POINTS = 180
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 380, 120, 52, 16, 6  # of a graph, in pixels
PAGE_WIDTH, COLOURS_KEPT = 1200, 128
MAX_LEGENDS = 8
COLOURS = ("#3274d9", "#e0752d", "#299c46", "#c4162a", "#8f3bb8", "#d9a300", "#13a3b0", "#c15c9c", "#6b6b6b")
STYLE = """
body { margin: 0; padding: 12px; background: #f4f5f5; font: 11px sans-serif; color: #24292e }
h1 { font-size: 18px; margin: 2px 4px } h2 { font-size: 14px; margin: 12px 4px 4px; grid-column: 1 / 4 }
main { display: grid; grid-template-columns: repeat(3, 1fr); gap: 6px }
section { background: white; border: 1px solid #d8d9da; padding: 5px 6px; overflow: hidden }
h3 { font-size: 12px; margin: 0 0 3px } p { margin: 2px 0; color: #52545c; line-height: 1.35 }
b { font-size: 22px; color: #299c46; margin-right: 4px } i { display: inline-block; width: 10px; height: 3px;
margin: 0 4px 3px 8px } .none { color: #9a9ca3; padding: 45px 0; text-align: center }
"""


@dataclass(frozen=True)
class Series:
    legend: str
    points: tuple[tuple[float, float], ...]  # Unix time, value; NaN where a rate has nothing to divide by


@dataclass(frozen=True)
class Prometheus:
    url: str
    start: float
    end: float

    def get(self, path: str, **query: str | float) -> Any:
        address = f"{self.url.rstrip('/')}/api/v1/{path}"
        return requests.get(address, params=query, timeout=30).json()["data"]

    def series(self, query: str, legend: str) -> list[Series]:
        step = (self.end - self.start) / POINTS
        found = self.get("query_range", query=query, start=self.start, end=self.end, step=step)["result"]
        return [
            Series(_legend(legend, each["metric"]), tuple((at, float(value)) for at, value in each["values"]))
            for each in found
        ]

    def first_value(self, query: str) -> str:
        """Of a dashboard's variable."""
        metric, label = query.removeprefix("label_values(").removesuffix(")").split(", ")
        values = self.get(f"label/{label}/values", **{"match[]": metric})
        return str(values[0]) if values else ""


def _legend(pattern: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        pattern = pattern.replace("{{" + name + "}}", value)
    return pattern


def in_unit(value: float, unit: str) -> str:
    """As Grafana shows it, about."""
    if math.isnan(value):
        return "-"
    match unit:
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "s" | "µs":
            seconds = value if unit == "s" else value / 1e6
            return f"{seconds:.4g} s" if seconds >= 1 or not seconds else f"{seconds * 1000:.3g} ms"
        case "bytes":
            return f"{value / 2**20:.4g} MiB" if value < 2**30 else f"{value / 2**30:.3g} GiB"
        case "ops" | "reqps":
            return f"{value:.3g}/s"
        case "bool_on_off":
            return "On" if value else "Off"
        case "d":
            return f"{value:.4g} days"
        case _:
            return f"{value:.4g}"


def _last(series: Series) -> float:
    return next((value for _, value in reversed(series.points) if not math.isnan(value)), math.nan)


def stat(series: Sequence[Series], unit: str) -> str:
    told = (f"{html.escape(each.legend)} <b>{in_unit(_last(each), unit)}</b>" for each in series)
    return f"<p>{' '.join(told)}</p>"


def stacked(series: Sequence[Series]) -> list[Series]:
    """Each on those before it."""
    below: dict[float, float] = {}
    found = []
    for each in series:
        for at, value in each.points:
            below[at] = below.get(at, 0.0) + (0.0 if math.isnan(value) else value)
        found.append(Series(each.legend, tuple((at, below[at]) for at, _ in each.points)))
    return found


def graph(series: Sequence[Series], panel: dict[str, Any], start: float, end: float) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    is_stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    shown = stacked(series) if is_stacked else series
    values = [value for each in shown for _, value in each.points if not math.isnan(value)]
    size = 2**20 if defaults["unit"] == "bytes" else 1
    top = size * round_up(max(values, default=0.0) / size)

    def x(at: float) -> float:
        return LEFT + (at - start) / (end - start) * (WIDTH - LEFT - 4)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP)

    lines = [_grid(top, defaults["unit"], y), _times(start, end, x)]
    for number, each in reversed(list(enumerate(shown))):  # what is stacked highest lies undermost
        lines.append(_line(each, COLOURS[number % len(COLOURS)], x, y, fill=is_stacked))
    legends = [
        f'<i style="background:{COLOURS[number % len(COLOURS)]}"></i>{html.escape(each.legend)} '
        f"{in_unit(_last(each), defaults['unit'])}"
        for number, each in enumerate(series[:MAX_LEGENDS])
    ]
    more = f" and {len(series) - MAX_LEGENDS} more" if len(series) > MAX_LEGENDS else ""
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(lines)}</svg><p>{"".join(legends)}{more}</p>'


def round_up(value: float) -> float:
    """1, 2 or 5 and zeros."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return float(next(power * each for each in (1, 2, 5, 10) if power * each >= value * 0.9999))


def _grid(top: float, unit: str, y: Callable[[float], float]) -> str:
    marks = [top * share / 4 for share in range(5)]
    return "".join(
        f'<path d="M{LEFT} {y(mark):.1f}H{WIDTH}" stroke="#e4e5e6"/>'
        f'<text x="{LEFT - 4}" y="{y(mark) + 3:.1f}" '
        f'font-size="10" text-anchor="end" fill="#7b7c80">{in_unit(mark, unit)}</text>'
        for mark in marks
    )


def _times(start: float, end: float, x: Callable[[float], float]) -> str:
    marks = [start + (end - start) * share for share in (0.1, 0.5, 0.9)]
    return "".join(
        f'<text x="{x(mark):.1f}" y="{HEIGHT - 3}" font-size="10" text-anchor="middle" fill="#7b7c80">'
        f"{time.strftime('%H:%M:%S', time.gmtime(mark))}</text>"
        for mark in marks
    )


def _line(
    series: Series, colour: str, x: Callable[[float], float], y: Callable[[float], float], *, fill: bool
) -> str:
    """Broken where there is no number."""
    step = (series.points[-1][0] - series.points[0][0]) / POINTS
    path, before = "", -math.inf
    for at, value in series.points:
        if not math.isnan(value):
            path += f"{'M' if at - before > 3 * step + 15 else 'L'}{x(at):.1f} {y(value):.1f}"
            before = at
    line = f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>'
    if not fill:
        return line
    ends = f"L{x(series.points[-1][0]):.1f} {y(0):.1f}L{x(series.points[0][0]):.1f} {y(0):.1f}Z"
    area = f'<path d="{path}{ends}" fill="'  # on white, so that colours do not mix
    return f'{area}white"/>{area}{colour}" fill-opacity="0.3"/>{line}'


def page(dashboard: dict[str, Any], prometheus: Prometheus) -> tuple[str, list[str]]:
    """HTML, and the titles of panels of which a query has no answer, with its legend."""
    variables = {"$__rate_interval": RATE_INTERVAL}
    for each in dashboard["templating"]["list"]:
        if each["type"] == "query":
            variables[f"${each['name']}"] = prometheus.first_value(each["query"])
    body, missing = [f"<h1>{html.escape(dashboard['title'])}</h1><main>"], []
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            body.append(f"<h2>{html.escape(panel['title'])}</h2>")
            continue
        found = []
        for target in panel["targets"]:
            query = target["expr"]
            for name, value in variables.items():
                query = query.replace(name, value)
            series = prometheus.series(query, target["legendFormat"])
            found += series
            if not [each for each in series if not math.isnan(_last(each))]:
                missing.append(f"{panel['title']}: {target['legendFormat']}: {query}")
        body.append(
            f"<section><h3>{html.escape(panel['title'])}</h3>{_content(panel, found, prometheus)}</section>"
        )
    return f"<!doctype html><style>{STYLE}</style>{''.join(body)}</main>", missing


def _content(panel: dict[str, Any], series: Sequence[Series], prometheus: Prometheus) -> str:
    if not series:
        return '<p class="none">No data</p>'
    if panel["type"] == "stat":
        return stat(series, panel["fieldConfig"]["defaults"]["unit"])
    return graph(series, panel, prometheus.start, prometheus.end)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prometheus", help="its URL")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--until", type=float, default=time.time(), help="Unix time")
    parser.add_argument("--output", type=Path, default=HERE)
    given = parser.parse_args()
    prometheus = Prometheus(given.prometheus, given.until - given.minutes * 60, given.until)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        sheet = browser.new_page(viewport={"width": PAGE_WIDTH, "height": 800})
        for file in sorted(GRAFANA.glob("*.json")):
            text, missing = page(json.loads(file.read_text()), prometheus)
            sheet.set_content(text)
            picture = Image.open(io.BytesIO(sheet.screenshot(full_page=True))).convert("RGB")
            path = given.output / f"dashboard-{file.stem}.webp"
            picture.quantize(COLOURS_KEPT).convert("RGB").save(path, lossless=True, quality=100, method=6)
            print(f"{path}: {path.stat().st_size // 1024} KiB")
            for each in missing:
                print(f"  no answer: {each}")
        browser.close()


if __name__ == "__main__":
    main()
