"""Pictures from a running server, through the API like any client."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cli.client import Client
from demo.evaluation.questions import Question
from demo.scenes.render import Pixels

POLL_S = 0.5
AT_ONCE = 4


@dataclass(frozen=True)
class Server:
    client: Client

    def draw_all(self, questions: list[Question]) -> list[Pixels]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self.draw, questions))

    def draw(self, question: Question) -> Pixels:
        """[768, 1344, 3]. Raises cli.errors.UserError."""
        order = {"action": "generate", "prompt": question.prompt, "style": question.style}
        job = self.client.call({**order, "seed": question.seed, "width": 1344, "height": 768})
        while (state := self.client.call({"action": "status", "id": job["id"]}))["status"] in (
            "IN_QUEUE",
            "IN_PROGRESS",
        ):
            time.sleep(POLL_S)
        if "meta" not in state:
            raise RuntimeError(f"{question.prompt}: {state}")
        data = self.client.download(state["meta"]["images"][0]["url"])
        pixels: Pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        return pixels
