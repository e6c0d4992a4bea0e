"""What happens on the page when things go wrong, in a real browser; Triton and the reviewer are fakes."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Page, Request, expect

from frontend.keys.api_keys import Keys
from tests.api.harness import Api, api
from tests.browser import opened_page
from tests.fakes import UNSAFE
from tests.frontend.storage.keys import BUCKET

PROMPT = "a red car on the beach"
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };"


@dataclass
class Studio:
    """The page of a server, signed in."""

    page: Page
    server: Api
    complaints: list[str]
    asked: list[Request] = field(default_factory=list)

    async def sign_in(self, key: str = "") -> None:
        await self.page.get_by_label("API key").fill(key or self.server.key)
        await self.page.get_by_role("button", name="Sign in").click()

    async def write(self, prompt: str) -> None:
        await self.page.get_by_label("Prompt", exact=True).fill(prompt)

    async def draw(self, prompt: str = PROMPT) -> None:
        await self.write(prompt)
        await self.page.get_by_role("button", name="Draw a picture").click()

    @property
    def prints(self) -> Any:
        return self.page.locator(".print img.shown")

    @property
    def frames(self) -> Any:
        return self.page.locator(".frame")


@contextlib.asynccontextmanager
async def studio(server: Api, script: str = "", **options: Any) -> AsyncIterator[Studio]:
    complaints: list[str] = []
    async with opened_page(complaints, **options) as page:
        if script:
            await page.add_init_script(script)
        opened = Studio(page, server, complaints)
        page.on("request", lambda request: opened.asked.append(request))
        await page.goto(server.url)
        await opened.sign_in()
        await expect(page.get_by_role("radio", name="Professional")).to_be_checked()
        yield opened


async def eventually(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.05)


async def test_wrong_key_is_told_and_the_right_one_lets_in(server: Api) -> None:
    complaints: list[str] = []
    async with opened_page(complaints) as page:
        opened = Studio(page, server, complaints)
        await page.goto(server.url)
        await opened.sign_in("imgen_wrong")
        await expect(page.get_by_role("alert")).to_have_text(
            "The server does not know this key, or it was disabled."
        )
        await opened.sign_in()
        await expect(page.get_by_role("button", name="Draw a picture")).to_be_visible()
        assert await page.evaluate("JSON.stringify(localStorage)") == '{"imgen.theme":"auto"}'
        assert server.key not in page.url
    assert all("401" in each for each in complaints)


async def test_disabled_key_is_asked_for_anew_with_the_reason(server: Api) -> None:
    async with studio(server) as opened:
        await Keys(server.redis).disable("test")
        await opened.draw()
        await expect(opened.page.get_by_role("alert")).to_have_text(
            "The server does not know this key, or it was disabled."
        )


async def test_what_is_wrong_with_a_prompt_is_said_before_anything_is_sent(server: Api) -> None:
    async with studio(server) as opened:
        for prompt, words in (
            ("", "Say what the picture shall show."),
            ("@nobody waving", "There is no @nobody. There are @aya, @bella, @mira and @tomo."),
            ("@mira and @tomo", "A prompt can have one character, and this one has @mira and @tomo."),
            ("x" * 4_001, "This is 1 characters too long: 4,000 are taken."),
        ):
            await opened.draw(prompt)
            await expect(opened.page.locator("#prompt-problem")).to_have_text(words)
        await expect(opened.page.get_by_label("Prompt", exact=True)).to_be_focused()
    assert not any("generate" in (request.post_data or "") for request in opened.asked)
    assert opened.complaints == []


async def test_picture_is_ordered_with_the_keyboard_alone(server: Api) -> None:
    async with studio(server) as opened:
        page = opened.page
        await page.reload()
        await expect(page.get_by_role("button", name="Draw a picture")).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the pictures")).to_be_focused()
        await page.get_by_label("Prompt", exact=True).focus()
        await page.keyboard.type("@mi")
        await expect(page.get_by_role("option", name="@mira")).to_be_visible()
        await page.keyboard.press("Enter")
        await page.keyboard.type("waving, -rain")
        await expect(page.get_by_label("Prompt", exact=True)).to_have_value("@mira waving, -rain")
        await expect(
            page.get_by_role("list", name="How the prompt is read").get_by_role("listitem")
        ).to_have_text(["@mira", "without rain"])
        await page.get_by_role("radio", name="Professional").focus()
        await page.keyboard.press("ArrowRight")
        await page.get_by_label("1344 by 768").focus()
        await page.keyboard.press("ArrowRight")
        await page.get_by_label("Prompt", exact=True).focus()
        await page.keyboard.press("Control+Enter")
        await opened.prints.wait_for()
        await page.get_by_role("button", name="Open: @mira waving").focus()
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Boudoir")
        await expect(dialog).to_contain_text("1024 × 1024")
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(page.get_by_role("button", name="Open: @mira waving")).to_be_focused()
    assert opened.complaints == []
    (order,) = server.triton.orders
    assert (order.character, order.width) == ("mira", 1024)


async def test_blocked_picture_shows_why_and_never_itself(server: Api) -> None:
    server.acs.verdict = UNSAFE
    async with studio(server) as opened:
        await opened.draw()
        await expect(opened.frames).to_contain_text("Content blocked — flagged for: Weapons, Gore.")
        await expect(opened.frames.locator("img")).to_have_count(0)
        await opened.page.reload()
        await expect(opened.frames).to_contain_text("Weapons, Gore")
        assert opened.page.locator("dialog") is not None
    assert not any("/files/" in request.url for request in opened.asked)
    assert opened.complaints == []


async def test_queue_and_progress_are_told_and_an_order_can_be_cancelled(server: Api) -> None:
    server.triton.gate.clear()
    async with studio(server) as opened:
        for _ in range(9):
            await server.generate(prompt="somebody else's cat")
        await opened.draw()
        await expect(opened.frames).to_contain_text("Number 2 in line")
        await expect(opened.page.get_by_role("progressbar")).to_have_attribute(
            "aria-valuetext", "Number 2 in line"
        )
        await opened.page.get_by_role("button", name=f"Cancel: {PROMPT}").click()
        await expect(opened.frames).to_have_count(0)
        server.triton.gate.set()
        await eventually(lambda: len(server.triton.orders) == 9)
    assert opened.complaints == []


async def test_order_outlives_a_lost_network_and_is_drawn_once(server: Api) -> None:
    async with studio(server) as opened:
        context = opened.page.context
        await context.set_offline(True)
        await opened.draw()
        await expect(
            opened.page.get_by_text("The server does not answer. This page tries again")
        ).to_be_visible()
        await expect(opened.frames).to_contain_text("The server does not answer.")
        await context.set_offline(False)
        await opened.prints.wait_for()
        await expect(opened.page.get_by_text("This page tries again")).to_have_count(0)
    assert len(server.triton.orders) == 1


async def test_order_is_drawn_once_although_the_page_is_reloaded_while_it_is_sent(server: Api) -> None:
    async with studio(server) as opened:
        await opened.page.context.route("**/api/v2", lambda route: route.abort())
        await opened.draw()
        await expect(opened.frames).to_have_count(1)
        await opened.page.context.unroute("**/api/v2")
        await opened.page.reload()
        await opened.prints.wait_for()
        await expect(opened.frames).to_have_count(1)
    assert len(server.triton.orders) == 1


async def test_gallery_survives_a_reload_with_pictures_asked_for_anew(server: Api) -> None:
    async with studio(server) as opened:
        await opened.draw()
        await opened.prints.wait_for()
        kept = await opened.page.evaluate("Object.entries(localStorage)")
        assert not any("http" in value or server.key in name + value for name, value in kept)
        await opened.page.reload()
        await opened.prints.wait_for()
        await opened.page.get_by_role("button", name="Open: a red car").click()
        await opened.page.get_by_role("button", name="Remove from this page").click()
        await expect(opened.page.get_by_text("Nothing drawn yet")).to_be_visible()
        await opened.page.reload()
        await expect(opened.page.get_by_text("Nothing drawn yet")).to_be_visible()
    assert opened.complaints == []


async def test_full_storage_is_told_and_pictures_are_shown_all_the_same(server: Api) -> None:
    async with studio(server, FULL) as opened:
        await opened.draw()
        await opened.prints.wait_for()
        await expect(opened.page.get_by_text("This browser’s storage is full")).to_be_visible()
    assert opened.complaints == []


async def test_two_tabs_have_one_key_and_one_gallery(server: Api) -> None:
    async with studio(server) as opened:
        other = await opened.page.context.new_page()
        await other.goto(server.url)
        await expect(other.get_by_role("button", name="Draw a picture")).to_be_visible()
        await opened.draw()
        await opened.prints.wait_for()
        await other.locator(".print img.shown").wait_for()
        await other.get_by_role("button", name="Sign out").click()
        await expect(opened.page.get_by_label("API key")).to_be_visible()
        assert await opened.page.evaluate("sessionStorage.getItem('imgen.key')") is None
    assert len(server.triton.orders) == 1


async def test_job_of_another_key_is_a_sentence(server: Api) -> None:
    _, other = await Keys(server.redis).create("other")
    async with studio(server) as opened:
        await opened.draw()
        await opened.prints.wait_for()
        kept = await opened.page.evaluate(
            "Object.entries(localStorage).filter(([name]) => name !== 'imgen.theme')"
        )
        ((name, row),) = kept
        foreign = (await server.post({"action": "generate", "prompt": "x"}, Authorization=f"Bearer {other}"))[
            1
        ]["id"]
        entry = {**json.loads(row), "id": foreign, "finished": True}
        await opened.page.evaluate(
            "([name, row]) => localStorage.setItem(name, row)", [name, json.dumps(entry)]
        )
        await opened.page.reload()
        await expect(opened.frames).to_contain_text("The server no longer knows this picture.")
        await opened.page.get_by_role("button", name="Remove: a red car").click()
        await expect(opened.page.get_by_text("Nothing drawn yet")).to_be_visible()


async def test_refused_order_is_a_sentence_and_leaves_no_frame(
    redis_url: str, redis: object, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, llm_url="http://127.0.0.1:9/v1") as server, studio(server) as opened:
        await opened.write(PROMPT)
        await opened.page.get_by_role("button", name="Improve").click()
        await expect(opened.page.get_by_role("alert").first).to_have_text(
            "The language model gave no better prompt."
        )
        await server.redis.delete("imgen:keys")  # as where another Redis stands there
        await opened.draw()
        await expect(opened.page.get_by_label("API key")).to_be_visible()


async def test_random_prompt_can_be_taken_back(server: Api) -> None:
    async with studio(server) as opened:
        await opened.write("my own words")
        await opened.page.get_by_role("button", name="Surprise me").click()
        box = opened.page.get_by_label("Prompt", exact=True)
        await expect(box).not_to_have_value("my own words")
        await opened.page.get_by_role("button", name="Undo").click()
        await expect(box).to_have_value("my own words")
    assert opened.complaints == []


async def test_pictures_of_a_bucket_are_shown_and_saved_under_the_policy(
    moto: str, redis_url: str, redis: object, tmp_path: Path
) -> None:
    changes = {"s3_bucket": BUCKET, "s3_endpoint": moto, "s3_addressing": "path"}
    async with api(redis_url, tmp_path, **changes) as server, studio(server) as opened:
        await opened.draw()
        await opened.prints.wait_for()
        await opened.page.get_by_role("button", name="Open: a red car").click()
        async with opened.page.expect_download() as saving:
            await opened.page.get_by_role("button", name="Download").click()
        saved = (await (await saving.value).path()).read_bytes()
    assert saved[:2] == b"\xff\xd8"
    assert any(request.url.startswith(moto) for request in opened.asked)
    assert opened.complaints == []
