"""The page on the embedded default, in a browser, signed in by `imgen open`: three widths, two themes."""

import asyncio
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from frontend.settings import ROOT
from tests import npm
from tests.browser import opened_page
from tests.system.running import PATIENCE_S, System

PICTURE_MS = PATIENCE_S * 1_000
# What `imgen open` has the machine open its file with: it tells us the file, and who may read it.
BROWSER = """#!/bin/sh
stat -c '%a' "${1#file://}" >"$0.mode" && printf %s "$1" >"$0.told.new" && mv "$0.told.new" "$0.told"
"""


@pytest.fixture(scope="module")
def axe() -> str:
    return (npm.installed(ROOT / "page") / "axe-core" / "axe.min.js").read_text()


async def violations(page: Page, axe: str) -> list[Any]:
    """Of WCAG 2.2 AA and axe's own best practices."""
    await page.evaluate("document.fonts.ready")
    # As a browser's extension does it: the page's policy lets no code in.
    session = await page.context.new_cdp_session(page)
    await session.send("Runtime.evaluate", {"expression": axe})
    answer = await session.send(
        "Runtime.evaluate",
        {
            # Colours that are on their way from one theme to the other are nobody's.
            "expression": "Promise.allSettled(document.getAnimations().filter((each) => "
            "each.effect.getComputedTiming().endTime < Infinity).map((each) => each.finished))"
            ".then(() => axe.run()).then((found) => found.violations.map((each) => [each.id, "
            "...each.nodes.map((node) => node.html.slice(0, 200) + ' ' + (node.any[0]?.message ?? ''))]))",
            "awaitPromise": True,
            "returnByValue": True,
        },
    )
    await session.detach()
    found: list[Any] = answer["result"]["value"]
    return found


async def started_browser(browser: Path) -> str:
    """The address that it was told to open."""
    told = browser.with_name(f"{browser.name}.told")
    async with asyncio.timeout(PATIENCE_S):
        while not told.exists():
            await asyncio.sleep(0.05)
    return told.read_text()


async def test_page_draws_verifies_and_is_for_everybody(system: System, tmp_path: Path, axe: str) -> None:
    browser = tmp_path / "browser"
    browser.write_text(BROWSER)
    browser.chmod(stat.S_IRWXU)
    os.environ["BROWSER"] = f"{browser} %s"
    try:
        opening = asyncio.create_task(asyncio.to_thread(system.imgen, "open"))
        address = await started_browser(browser)
    finally:
        del os.environ["BROWSER"]
    file = Path(address.removeprefix("file://"))
    assert browser.with_name("browser.mode").read_text().strip() == "600" and file.parent == system.folder
    complaints: list[str] = []
    options: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "accept_downloads": True}
    async with opened_page(complaints, **options) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(address)
        await expect(page.get_by_role("button", name="Draw a picture")).to_be_visible()
        done = await opening
        assert done.returncode == 0 and not file.exists(), done.stderr
        assert page.url == f"{system.url}/"
        assert not [url for url in asked if system.key in url]
        assert system.key not in done.stdout + done.stderr

        await page.get_by_label("Prompt", exact=True).fill("@mira waving, in a meadow, -rain")
        await page.get_by_role("radio", name="Neon").check(force=True)
        await page.get_by_role("button", name="Draw a picture").click()
        await page.locator(".print img.shown").wait_for(timeout=PICTURE_MS)
        for scheme in ("light", "dark"):
            for width in (360, 768, 1440):
                await page.emulate_media(color_scheme=scheme)
                await page.set_viewport_size({"width": width, "height": 900})
                assert await violations(page, axe) == [], (scheme, width)
                wide = await page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, (scheme, width)

        await page.get_by_role("button", name="Open: @mira waving").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Neon")
        for scheme in ("dark", "light"):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert await violations(page, axe) == [], scheme
        async with page.expect_download() as saving:
            await dialog.get_by_role("button", name="Download").click()
        download = await saving.value
        assert re.fullmatch(r"[a-z0-9]{20}_[0-9a-f]+_00001\.jpg", download.suggested_filename)
        saved = await download.path()

        await page.keyboard.press("Escape")
        await page.get_by_role("link", name="Verify").click()
        await page.locator("input[type=file]").set_input_files(saved)
        await expect(page.get_by_role("main")).to_contain_text(
            "made here", timeout=PICTURE_MS, ignore_case=True
        )
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert await violations(page, axe) == [], scheme
    assert complaints == []
