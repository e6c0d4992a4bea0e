"""Settings fail loudly on a bad value, and the README's table is the code's."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from frontend.common.errors import SettingError
from frontend.settings import ROOT, Settings, given, load


def shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Path):
        return "" if value == Path() else str(value).replace(f"{ROOT}/", "")
    return str(value)


def table_row(name: str, default: object, text: str) -> str:
    return f"| `IMGEN_{name.upper()}` | {f'`{shown(default)}`' if shown(default) else ''} | {text} |"


def test_readme_lists_every_setting_as_the_code_has_it() -> None:
    readme = (ROOT / "README.md").read_text()
    rows = [table_row(item.name, item.default, item.metadata["help"]) for item in fields(Settings)]
    assert [row for row in rows if row not in readme] == []
    assert readme.count("| `IMGEN_") == len(rows)


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "imgen.toml"
    file.write_text('port = 9000\ncors_origins = ["https://a.example"]\nacs_timeout_s = 2\n')
    settings = load({"IMGEN_CONFIG": str(file), "IMGEN_PORT": "9001", "IMGEN_TRITON_URLS": "a:1, b:2"})
    assert (settings.port, settings.cors_origins) == (9001, ("https://a.example",))
    assert (settings.acs_timeout_s, settings.triton_urls) == (2.0, ("a:1", "b:2"))


@pytest.mark.parametrize("empty", ["", " "])
def test_empty_variable_is_the_default_but_where_empty_has_a_meaning(empty: str) -> None:
    found = load({f"IMGEN_{item.name.upper()}": empty for item in fields(Settings)})
    meant: dict[str, Any] = {"cors_origins": (), "cs_title": "", "cs_vendor": ""}
    assert found == replace(Settings(), **meant)


def test_home_folder_of_a_user_without_one_is_told() -> None:
    code = "from frontend.settings import load; load({'IMGEN_DATA_DIR': '~/imgen'})"
    if os.getuid() != 0:
        pytest.skip("only root can become a user without a home")
    child = f"import os; os.setgroups([]); os.setgid(987654); os.setuid(987654); {code}"
    done = subprocess.run(
        [sys.executable, "-c", f"import frontend.settings; {child}"],
        env={},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith("SettingError: IMGEN_DATA_DIR: ~ stands for a home folder, and HOME is not set")


def test_what_was_set_is_known_wherever_it_was_set(tmp_path: Path) -> None:
    file = tmp_path / "imgen.toml"
    file.write_text("workers = 8\n")
    assert given({"IMGEN_CONFIG": str(file), "IMGEN_PORT": "8080", "HOME": "/"}) == {
        "workers": 8,
        "port": 8080,
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "many", "IMGEN_PORT: expected int, got 'many'"),
        ("PORT", "70000", "IMGEN_PORT: expected 0 to 65535, got 70000"),
        ("JOB_LEASE_S", "nan", "IMGEN_JOB_LEASE_S: expected 0.5 to 600, got nan"),
        ("TSA_REQUIRED", "1", "IMGEN_TSA_REQUIRED: expected true or false, got '1'"),
        ("LOG_LEVEL", "loud", "IMGEN_LOG_LEVEL: expected debug, info, warning or error, got 'loud'"),
    ],
)
def test_bad_value_names_the_setting_and_what_was_expected(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingError) as refused:
        load({f"IMGEN_{name}": value})
    assert str(refused.value) == message


@pytest.mark.parametrize(("text", "value"), [("true", True), ("True", True), ("false", False)])
def test_yes_and_no_are_true_and_false(tmp_path: Path, text: str, value: bool) -> None:
    assert load({"IMGEN_TSA_REQUIRED": text}).tsa_required is value
    file = tmp_path / "imgen.toml"
    file.write_text(f"tsa_required = {text.lower()}")
    assert load({"IMGEN_CONFIG": str(file)}).tsa_required is value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "unknown setting 'prot'"),
        ("port = true", "port: expected int, got True"),
        ("port = 8080.9", "port: expected int, got 8080.9"),
        ("host = 5", "host: expected str, got 5"),
        ("tsa_required = 1", "tsa_required: expected true or false, got 1"),
        ("port = ", "Invalid value"),
    ],
)
def test_bad_file_is_told_with_its_name(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "imgen.toml"
    file.write_text(text)
    with pytest.raises(SettingError) as refused:
        load({"IMGEN_CONFIG": str(file)})
    assert str(refused.value).startswith(str(file))
    assert message in str(refused.value)


def test_secret_is_not_in_the_error(tmp_path: Path) -> None:
    file = tmp_path / "imgen.toml"
    file.write_text("llm_key = 12345")
    with pytest.raises(SettingError) as refused:
        load({"IMGEN_CONFIG": str(file)})
    assert "12345" not in str(refused.value)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="IMGEN_CONFIG: cannot read"):
        load({"IMGEN_CONFIG": str(tmp_path / "none.toml")})
