"""Makes the README's picture of the page, in Chromium, on the server that `imgen up` runs here:

python docs/pictures/make_page.py
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from cli.client import ServerAccess

PROMPTS = (
    "a red car on the beach at night",
    "@aya in the snow, holding an umbrella",
    "three red mushrooms in the forest",
    "@bella waving, in the forest",
)
SIZE = (1200, 750)
PATIENCE_MS = 120_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("page.webp"))
    output = parser.parse_args().output
    access = ServerAccess.find(None, None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, bypass_csp=True)
        draw(page, access)
        shot = page.screenshot()
        browser.close()
    Image.open(io.BytesIO(shot)).convert("RGB").save(output, quality=90, method=6)


def draw(page: Page, access: ServerAccess) -> None:
    """Signs in, and draws all prompts, one after the other."""
    page.goto(access.url)
    page.get_by_label("Key").fill(access.key)
    page.get_by_role("button", name="Sign in").click()
    for count, prompt in enumerate(PROMPTS, 1):
        page.get_by_label("Prompt", exact=True).fill(prompt)
        page.get_by_role("button", name="Draw a picture").click()
        expect(page.locator(".print img.shown")).to_have_count(count, timeout=PATIENCE_MS)
    page.wait_for_function("document.getAnimations().every((each) => each.playState === 'finished')")


if __name__ == "__main__":
    main()
