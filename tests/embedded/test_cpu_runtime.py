from pathlib import Path

import pytest

from embedded.cpu_runtime import fixed_runtime
from embedded.part import PartError


def processor(folder: Path, flags: str) -> Path:
    file = folder / "cpuinfo"
    file.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    return file


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site" / "openvino").mkdir(parents=True)
    return tmp_path / "site"


def test_nothing_is_fixed_where_nothing_is_asked_for(site: Path) -> None:
    assert fixed_runtime(site, "auto", "auto") == {}


def test_what_is_asked_for_reaches_triton(site: Path, tmp_path: Path) -> None:
    asked = {"IMGEN_CPU_RUNTIME": "openvino", "IMGEN_CPU_PRECISION": "bf16"}
    for flags in ("avx2 avx512_bf16", "amx_bf16 avx2"):
        assert fixed_runtime(site, "openvino", "bf16", processor(tmp_path, flags)) == asked
    assert fixed_runtime(site, "openvino", "bf16", tmp_path / "none of it") == asked  # Triton will see


def test_bfloat16_is_refused_where_the_processor_has_none(site: Path, tmp_path: Path) -> None:
    with pytest.raises(PartError, match="this processor has no bfloat16; leave it out, or set f32"):
        fixed_runtime(site, "auto", "bf16", processor(tmp_path, "avx2 fma"))


def test_bfloat16_is_refused_where_onnxruntime_is_asked_for(site: Path, tmp_path: Path) -> None:
    with pytest.raises(PartError, match="needs IMGEN_CPU_RUNTIME=openvino"):
        fixed_runtime(site, "onnxruntime", "bf16", processor(tmp_path, "avx512_bf16"))


def test_onnxruntime_is_fixed_where_openvino_is_not_installed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert fixed_runtime(tmp_path, "auto", "f32") == {
        "IMGEN_CPU_RUNTIME": "onnxruntime",
        "IMGEN_CPU_PRECISION": "f32",
    }
    assert "openvino is not installed" in caplog.text
