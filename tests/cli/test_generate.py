"""`imgen generate` as a client of a small server that answers as an imgen server would, or does not."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from tests.cli.server import PICTURE, Answer, completed, meta_of, serving

Answers = dict[str, bytes]  # by action


@pytest.fixture
def serve() -> Iterator[Callable[[Answers], str]]:
    """Starts a server and gives its URL."""
    running: list[http.server.HTTPServer] = []

    def start(answers: Answers) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.answer(answers[body["action"]])

            def do_GET(self) -> None:
                self.answer(b"picture")

            def answer(self, data: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        running.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def test_prompt_and_file_are_shown_as_they_are(
    serve: Callable[[Answers], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = "a sign [/foo] [red]paint"
    answers: Answers = {"generate": b'{"id":"run_1"}'}
    url = serve(answers)
    answers["status"] = json.dumps({"status": "COMPLETED", "meta": meta_of(prompt, f"{url}/1.jpg")}).encode()
    output = tmp_path / "[bold]picture.jpg"
    assert main(["generate", prompt, "--url", url, "--key", "k", "-o", str(output)]) == 0
    assert output.read_bytes() == b"picture"
    shown = "".join(capsys.readouterr().out.split())
    assert prompt.replace(" ", "") in shown and "[bold]picture.jpg" in shown


def test_folder_that_is_not_there_is_told_and_not_made(
    serve: Callable[[Answers], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = serve({})  # nothing is asked of it
    output = tmp_path / "none" / "picture.jpg"
    assert main(["generate", "a tree", "--url", url, "--key", "k", "-o", str(output)]) == 2
    told = f"imgen: cannot write {output}: no folder {output.parent}; make it first\n"
    assert capsys.readouterr().err == told
    assert not list(tmp_path.iterdir())


def test_detail_of_a_refusal_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    refusal = {"error": "Invalid character", "detail": "There is no @ayako; this model's characters: @aya"}
    with serving(lambda body, url: (400, refusal)) as url:
        assert main(["generate", "@ayako waving", "--url", url, "--key", "k"]) == 2
    how = "`imgen character add NAME --lora FILE --model MODEL …` adds one"
    assert capsys.readouterr().err == f"imgen: Invalid character: {refusal['detail']}; {how}\n"


def test_notes_on_the_prompt_are_told_and_the_picture_is_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = ["rain ends with its line", "two\nlines"]

    def answer(body: dict[str, Any], url: str) -> Answer:
        return (200, {"id": "run_1", "notes": notes}) if body["action"] == "generate" else completed(url)

    output = tmp_path / "picture.webp"
    with serving(answer) as url:
        assert main(["generate", "car", "--url", url, "--key", "k", "-o", str(output)]) == 0
    assert capsys.readouterr().err.startswith("note: rain ends with its line\nnote: two\\nlines\n")
    assert output.read_bytes() == PICTURE


@pytest.mark.parametrize("answer", [b"<html>welcome</html>", b"", b"[]", b'"ok"'])
def test_answer_of_something_else_is_one_line(
    serve: Callable[[Answers], str], answer: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    url = serve({"generate": answer})
    assert main(["generate", "a tree", "--url", url, "--key", "k"]) == 2
    assert capsys.readouterr().err == f"imgen: {url} answers, but not as an imgen server does\n"
