from pathlib import Path

import orjson
import pytest

from perf.report import cpu_model, median, publish


def test_processor_is_named_as_linux_names_it() -> None:
    assert (
        cpu_model("processor\t: 0\nmodel name\t: AMD EPYC\nprocessor\t: 1\nmodel name\t: AMD EPYC\n")
        == "AMD EPYC"
    )
    assert cpu_model("Features : fp asimd\n") == "unknown"


def test_last_line_and_file_hold_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish("sample", {"ratio": median([3, 1, 2])}, {"cores": 2}, tmp_path)
    printed = orjson.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed == {"ratio": 2, "machine": {"cores": 2}}
    assert orjson.loads((tmp_path / "sample.json").read_bytes()) == printed
