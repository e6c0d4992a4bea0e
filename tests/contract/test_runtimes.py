from pathlib import Path

import pytest

from contract.runtimes import RUNTIMES_DIR, tell_runtime, told_runtime


def test_what_a_network_tells_is_read_and_the_last_word_counts(tmp_path: Path) -> None:
    environ = {RUNTIMES_DIR: str(tmp_path)}
    assert told_runtime(environ, "eros-denoiser") == ""
    for runtime in ("onnxruntime 1.32.0 f32", "openvino 2026.4.1 bf16"):
        tell_runtime(environ, "eros-denoiser", runtime)
        assert told_runtime(environ, "eros-denoiser") == runtime
    assert [path.name for path in tmp_path.iterdir()] == ["eros-denoiser"]


def test_without_a_folder_nothing_is_told() -> None:
    tell_runtime({}, "eros-denoiser", "openvino 2026.4.1 f32")
    assert told_runtime({}, "eros-denoiser") == ""


@pytest.mark.parametrize("text", ["two\nlines", "x" * 101, "na\xefve"])
def test_what_is_no_line_is_not_told_on(tmp_path: Path, text: str) -> None:
    (tmp_path / "eros-denoiser").write_text(text)
    assert told_runtime({RUNTIMES_DIR: str(tmp_path)}, "eros-denoiser") == ""
