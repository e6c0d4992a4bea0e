"""`/docs` in a real browser."""

from urllib.parse import urlsplit

from tests.api.harness import Api
from tests.browser import opened_page


async def test_request_is_tried_on_the_page_which_asks_nobody_else(server: Api) -> None:
    complaints: list[str] = []
    asked: set[str] = set()
    async with opened_page(complaints) as page:
        page.on("request", lambda request: asked.add(urlsplit(request.url)._replace(path="").geturl()))
        await page.goto(f"{server.url}/docs")
        await page.get_by_role("button", name="Authorize").first.click()
        await page.locator(".auth-container input").fill(server.key)
        await page.locator(".auth-container button.authorize").click()
        await page.locator(".btn-done").click()
        await page.locator("#operations-The_API-call .opblock-summary-control").click()
        await (
            page.get_by_label("Examples")
            .or_(page.locator(".examples-select-element"))
            .first.select_option("generate")
        )
        await page.get_by_role("button", name="Execute").click()
        answer = page.locator(".live-responses-table .response").first
        await answer.get_by_text("gen_id").first.wait_for()
        assert "run_" in await answer.inner_text()
        assert await page.evaluate("JSON.stringify([localStorage, sessionStorage])") == "[{},{}]"
    assert complaints == []
    assert {each for each in asked if not each.startswith("data:")} == {server.url}
    assert len(server.triton.orders) <= 1
