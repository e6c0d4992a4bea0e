"""A real Chromium for tests of pages."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from playwright.async_api import Page, async_playwright

from tests.programs import needs


@contextlib.asynccontextmanager
async def opened_page(complaints: list[str], **options: Any) -> AsyncIterator[Page]:
    """An empty page. What the browser complains of (errors of code, refusals of the policy) is appended.

    `options`: of Playwright's new_context.
    """
    chromium = needs("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await (await browser.new_context(**options)).new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
        )
        try:
            yield page
        finally:
            await browser.close()
