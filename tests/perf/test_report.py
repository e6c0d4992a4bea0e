import argparse
from pathlib import Path

import orjson
import pytest

from perf.report import cpu_model, median, publish, read_options


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


def test_smoke_run_keeps_nothing_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish("sample", {"ratio": 2}, {"cores": 2}, tmp_path, smoke=True)
    assert orjson.loads(capsys.readouterr().out) == {"ratio": 2, "machine": {"cores": 2}, "smoke": True}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "rounds"),
    [([], 9), (["--smoke"], 1), (["--smoke", "--rounds", "3"], 3), (["--rounds", "3"], 3)],
)
def test_smoke_stands_for_small_options_that_others_overrule(given: list[str], rounds: int) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    assert read_options(parser, {"rounds": 1}, given).rounds == rounds
