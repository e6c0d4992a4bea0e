"""`imgen verify` against a small server that answers as an imgen server would."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.main import main

MADE: dict[str, Any] = {
    "result": "made_here",
    "proof": "mark",
    "time": "2026-01-02T03:04:05Z",
    "system": "imgen",
    "manifest": {"state": "valid", "made_by": "another", "generator": "a [red]tool", "issuer": "Someone"},
    "evidence": {
        "mark": {"score": 9.1, "mirrored": True, "key_version": 1, "wrong_bits": 2},
        "fingerprint": {"quality": 90, "distance": 12, "mirrored": False},
    },
    "picture": {"id": "run_7", "gen_id": "g", "model": "eros", "character": "aya"},
}
NOT_FOUND = {"result": "not_found", "proof": None, "time": None, "system": None, "manifest": None}


@dataclass
class Server:
    url: str = ""
    answer: dict[str, Any] = field(default_factory=lambda: MADE)
    asked: list[tuple[dict[str, Any], str | None]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.asked.append((body, self.headers["Authorization"]))
            data = json.dumps(told.answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    told.url = f"http://127.0.0.1:{running.server_address[1]}"
    yield told
    running.shutdown()
    running.server_close()


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "picture.jpg"
    path.write_bytes(b"pixels")
    return str(path)


def test_all_that_is_known_is_shown(server: Server, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", file, "--url", server.url, "--key", "k"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "made here",
        "run_7",
        "eros",
        "aya",
        "2 of 64 bits wrong",
        "mirrored",
        "12 of 256",
        "a [red]tool",
    ):
        assert part in shown
    assert server.asked == [
        ({"action": "verify", "image": "data:application/octet-stream;base64,cGl4ZWxz"}, "Bearer k")
    ]


def test_no_key_is_needed_and_none_is_sent(
    server: Server, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = NOT_FOUND
    assert main(["verify", file, "--url", server.url]) == 1
    assert "not found" in capsys.readouterr().out
    assert server.asked[0][1] is None


def test_mark_on_another_picture_is_no_proof(
    server: Server, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = {**MADE["evidence"], "mark": {**MADE["evidence"]["mark"], "agreement": 0.07}}
    server.answer = {**MADE, "result": "mark_found", "evidence": evidence}
    assert main(["verify", file, "--url", server.url, "--key", "k"]) == 1
    shown = capsys.readouterr().out
    assert "mark found: that of a picture that was made here" in shown
    assert "no proof" in shown
    assert "2 of 64 bits wrong, score 9.1, mirrored, content agrees to 0.07" in shown


def test_answer_can_be_had_as_json(server: Server, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", file, "--url", server.url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == MADE


def test_file_that_is_not_there_is_one_line(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "/no/such/picture.jpg", "--url", server.url]) == 2
    assert capsys.readouterr().err == "imgen: cannot read /no/such/picture.jpg: No such file or directory\n"


@pytest.mark.parametrize(
    ("result", "words"),
    [("made_here", "there, score 9.1"), ("similar", "of no registered picture, score 9.1")],
)
def test_mark_that_was_not_looked_up_is_not_called_unregistered(
    server: Server, file: str, capsys: pytest.CaptureFixture[str], result: str, words: str
) -> None:
    evidence = {**MADE["evidence"], "mark": {"score": 9.1, "mirrored": False, "wrong_bits": None}}
    server.answer = {**MADE, "result": result, "proof": "manifest", "evidence": evidence}
    main(["verify", file, "--url", server.url, "--key", "k"])
    assert words in capsys.readouterr().out
