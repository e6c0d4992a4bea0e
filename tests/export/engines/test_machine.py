import json
from pathlib import Path

import pytest

from export.engines.machine import NO_GPU, Machine, gpu, main, report_foreign_plans

H100 = "NVIDIA H100 80GB HBM3, 9.0"


def program(folder: Path, text: str) -> str:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def write_record(model: Path, **changed: str) -> None:
    model.mkdir()
    record = {"builder": "tensorrt", "version": "10.13.0", "gpu": H100} | changed
    (model / "plan.json").write_text(json.dumps(record))


def test_first_gpu_is_named(tmp_path: Path) -> None:
    assert gpu(program(tmp_path, f"echo '{H100}'; echo 'NVIDIA L4, 8.9'")) == H100


def test_driver_that_does_not_answer_is_no_gpu(tmp_path: Path) -> None:
    assert gpu(program(tmp_path, "echo 'NVIDIA-SMI has failed'; exit 9")) == NO_GPU
    assert gpu(str(tmp_path / "missing")) == NO_GPU


def test_plans_of_another_gpu_are_told_with_what_to_do(tmp_path: Path) -> None:
    write_record(tmp_path / "eros-decoder")
    write_record(tmp_path / "eros-denoiser", gpu="NVIDIA L4, 8.9")
    write_record(tmp_path / "eros-text-encoder", builder="tensorrt_rtx", gpu=NO_GPU)
    lines: list[str] = []
    assert report_foreign_plans(tmp_path, H100, lines.append) == 1
    assert lines == [
        f"eros-denoiser: its plan is for the GPU NVIDIA L4, 8.9, this machine has {H100}; "
        "export it here again (imgen export … --engine tensorrt)"
    ]


def test_exit_status_tells_whether_all_plans_run_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 0
    write_record(tmp_path / "eros-decoder", gpu="NVIDIA of no machine, 0.1")
    assert main([str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_plans_for_rtx_gpus_are_bound_to_a_version_only() -> None:
    one = Machine(builder="tensorrt_rtx", version="1.7", gpu=NO_GPU)
    assert one.builds_like(Machine(builder="tensorrt_rtx", version="1.7", gpu="RTX 4090, 8.9"))
    assert not one.builds_like(Machine(builder="tensorrt_rtx", version="1.8", gpu=NO_GPU))
    assert not one.builds_like(Machine(builder="tensorrt", version="1.7", gpu=NO_GPU))
