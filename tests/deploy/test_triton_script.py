import os
import re
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "triton.sh"


def run_script(
    tmp_path: Path, *repositories: Path, extra: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    fake = tmp_path / "bin" / "tritonserver"
    fake.parent.mkdir(exist_ok=True)
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    environment = {
        "PATH": f"{fake.parent}:{os.environ['PATH']}",
        "IMGEN_MODEL_REPOSITORIES": ":".join(map(str, repositories)),
    }
    return subprocess.run(
        ["sh", str(SCRIPT), *extra], env=environment, capture_output=True, text=True, timeout=20
    )


def arguments(tmp_path: Path, *repositories: Path, extra: tuple[str, ...] = ()) -> list[str]:
    """What the script starts Triton with."""
    done = run_script(tmp_path, *repositories, extra=extra)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def repository(folder: Path, *models: str) -> Path:
    for model in models:
        (folder / model).mkdir(parents=True)
        (folder / model / "config.pbtxt").touch()
    (folder / "not-a-model").mkdir(parents=True)
    return folder


def test_every_model_but_the_characters_is_loaded_at_start(tmp_path: Path) -> None:
    own = repository(tmp_path / "own", "text_to_image")
    exported = repository(tmp_path / "with space", "eros-denoiser", "eros-denoiser--aya", "eros-decoder")
    started = arguments(tmp_path, own, exported)
    assert [item for item in started if item.startswith("--model-repository")] == [
        f"--model-repository={own}",
        f"--model-repository={exported}",
    ]
    loaded = {item.removeprefix("--load-model=") for item in started if item.startswith("--load-model")}
    assert loaded == {"text_to_image", "eros-denoiser", "eros-decoder"}


def test_empty_repository_loads_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert not [item for item in arguments(tmp_path, tmp_path / "empty") if "--load-model" in item]


def test_model_control_is_closed_with_a_new_key_at_each_start(tmp_path: Path) -> None:
    starts = [arguments(tmp_path, repository(tmp_path / str(number))) for number in range(2)]
    keys = set()
    for started in starts:
        for option in ("grpc-restricted-protocol", "http-restricted-api"):
            (closed,) = (item for item in started if item.startswith(f"--{option}="))
            match = re.fullmatch(
                rf"--{option}=model-repository,shared-memory,trace,logging:([0-9a-f]{{64}})=([0-9a-f]{{64}})",
                closed,
            )
            assert match
            keys.add(match[2])
        assert "--model-control-mode=explicit" in started
        assert "--http-address=127.0.0.1" in started
    assert len(keys) == 2


def test_further_options_are_passed_on(tmp_path: Path) -> None:
    assert "--log-verbose=1" in arguments(tmp_path, repository(tmp_path / "own"), extra=("--log-verbose=1",))


def test_missing_repository_is_told_before_triton_starts(tmp_path: Path) -> None:
    done = run_script(tmp_path, tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"contract: model repository {tmp_path / 'nowhere'} does not exist\n"
