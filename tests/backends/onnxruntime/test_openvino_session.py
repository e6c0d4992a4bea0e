"""What OpenVINO does by itself would draw other pictures here and there: that it cannot."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino
import pytest
from batching import Arrays, BadTensors, join, split
from known_input import BATCH, known_input
from openvino_session import OpenVinoSession, has_bf16
from waves import Waves, has_waves

from tests.triton_server import DEMO

ROOT = Path(__file__).parents[3]
ONE_THREAD = {"intra_op_thread_count": "1"}
PARTS = ("text-encoder", "denoiser", "decoder")
PRECISIONS = [
    "f32",
    pytest.param("bf16", marks=pytest.mark.skipif(not has_bf16(), reason="the processor has no bfloat16")),
]


def graph(part: str) -> str:
    return str(DEMO / "models" / f"eros-{part}" / "1" / "model.onnx")


def rows(arrays: Arrays, row: int) -> Arrays:
    return {name: array[row : row + 1] for name, array in arrays.items()}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("part", PARTS)
def test_alone_equals_in_a_batch_to_the_bit(part: str, precision: str) -> None:
    session = OpenVinoSession(graph(part), ONE_THREAD, precision)
    together = known_input(session.inputs)
    orders = [rows(together, row) for row in range(BATCH)]
    alone = [session.run(order) for order in orders]
    batch = split(session.run(join(orders, np.concatenate)), [1] * BATCH)
    for one, other in zip(alone, batch, strict=True):
        assert all((one[name] == other[name]).all() for name in session.outputs)
    assert any((alone[0][name] != alone[1][name]).any() for name in session.outputs)


def test_waves_apart_are_the_same_network_to_the_bit() -> None:
    whole, apart = (
        OpenVinoSession(graph("denoiser"), ONE_THREAD, "f32", waves_apart=each) for each in (False, True)
    )
    assert apart.inputs == whole.inputs and apart.outputs == whole.outputs
    given = known_input(whole.inputs)
    assert (whole.run(given)["next_latents"] == apart.run(given)["next_latents"]).all()


def test_angles_are_computed_in_float32_by_what_is_cut_off() -> None:
    """The rest, which may be lowered, has no sine and no cosine left; what was cut off is asked for f32."""
    core = openvino.Core()
    model = core.read_model(graph("denoiser"))
    assert has_waves(model) and not has_waves(core.read_model(graph("decoder")))
    waves = Waves(core, model, {"INFERENCE_PRECISION_HINT": "bf16"})
    assert not has_waves(model) and len(waves.names) == 4
    batch = 2
    given: Arrays = {
        "sigma": np.full((batch, 1), 14.0, np.float32),
        "time_ids": np.full((batch, 6), 1345.0, np.float32),
        "latents": np.zeros((batch, 24, 8, 8), np.float32),
    }
    made = waves.run(given)
    sizes = made[next(name for name in waves.names if "add_time_proj/Sin" in name)]
    # Of 1345 radians, which bfloat16 takes for 1344: the sine of the first frequency.
    assert np.abs(sizes[:, 0] - np.sin(1345.0)).max() < 1e-3 < abs(np.sin(1345.0) - np.sin(1344.0))


def test_a_token_beyond_its_table_is_refused(tiny_repository: Path) -> None:
    """OpenVINO draws on with zeros in its place, where onnxruntime ends in an error."""
    for path, size in (
        (str(tiny_repository / "tiny-text-encoder" / "1" / "model.onnx"), 98),
        (graph("text-encoder"), 2048),
    ):
        session = OpenVinoSession(path, ONE_THREAD, "f32")
        tokens: Arrays = {name: np.zeros((2, 77), np.int64) for name in ("tokens", "tokens_2")}
        tokens["tokens"][1, 76] = size - 1
        assert session.check(tokens) == 2
        for beyond in (size, -1, 1 << 40):
            tokens["tokens_2"][1, 3] = beyond
            with pytest.raises(BadTensors, match=f"input tokens_2: expected tokens of 0 to {size - 1}, got"):
                session.check(tokens)


def run_python(code: str, *arguments: str) -> list[str]:
    paths = [str(ROOT / "backends" / "shared"), str(ROOT)]
    code = f"import sys; sys.path[:0] = {paths!r}\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


SHORT_OF_MEMORY = """
import resource
import numpy as np
from openvino_session import OpenVinoSession

session = OpenVinoSession(sys.argv[1], {"intra_op_thread_count": "1"}, "f32")
random = np.random.default_rng(1)
def latents(batch, side):
    return {"latents": random.standard_normal((batch, 24, side, side), np.float32)}
small, large = latents(1, 4), latents(1, 12)
before = session.run(small)["image"]
(size,) = (int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 20), resource.RLIM_INFINITY))
try:
    print(session.run(large)["image"].shape)
except Exception as error:
    print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for given in (large, small):  # it may have been left unusable, and then says so
    try:
        made = session.run(given)["image"]
        print(made.shape[1] == 32 * given["latents"].shape[2] and (given is large or (made == before).all()))
    except RuntimeError:
        print(True)
"""


def test_a_run_that_finds_no_memory_fails_and_never_answers_with_what_was_made_before() -> None:
    assert run_python(SHORT_OF_MEMORY, graph("decoder")) == ["RuntimeError", "True", "True"]


OPEN = """
import os
from pathlib import Path
from known_input import outcome_of
from runtimes import open_network

session = open_network(Path(sys.argv[1]), {"intra_op_thread_count": "1"}, os.environ, print)
print(session.runtime.split()[0], session.runtime.split()[2])
outcome_of(session)["next_latents"].tofile(sys.argv[2])
"""


def drawn_by(tmp_path: Path, before: str = "") -> tuple[list[str], np.ndarray]:
    """What was told, and what the network made of the known input."""
    told = run_python(before + OPEN, graph("denoiser"), str(tmp_path / "made"))
    return told, np.fromfile(tmp_path / "made", np.float32)


@pytest.fixture
def exact() -> np.ndarray:
    session = OpenVinoSession(graph("denoiser"), ONE_THREAD, "f32")
    return session.run(known_input(session.inputs))["next_latents"].ravel()


CAPPED = "import os; os.environ.update(ONEDNN_MAX_CPU_ISA='{0}', DNNL_MAX_CPU_ISA='{0}')\n"


@pytest.mark.parametrize("most", ["SSE41", "AVX2"])
def test_a_processor_with_fewer_instructions_draws_the_same(
    tmp_path: Path, exact: np.ndarray, most: str
) -> None:
    """OpenVINO has no normalisation for SSE 4.1 alone, and says so when it runs."""
    told, made = drawn_by(tmp_path, CAPPED.format(most))
    assert told[-1] == {"SSE41": "onnxruntime f32", "AVX2": "openvino f32"}[most]
    assert len(told) == {"SSE41": 2, "AVX2": 1}[most]
    assert np.abs(made - exact).max() < 1e-3


def test_one_core_draws_the_same(tmp_path: Path, exact: np.ndarray) -> None:
    told, made = drawn_by(tmp_path, "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n")
    assert told == ["openvino f32"] and (made == exact).all()


def test_a_machine_without_openvino_says_so_in_one_line_and_takes_onnxruntime(
    tmp_path: Path, exact: np.ndarray
) -> None:
    """Such as one that it has no wheel for: the same packages without it."""
    site = tmp_path / "site"
    site.mkdir()
    for package in Path(openvino.__file__).parent.parent.iterdir():
        if not package.name.startswith(("openvino", "__")):
            (site / package.name).symlink_to(package)
    own = str(Path(openvino.__file__).parent.parent)
    told, made = drawn_by(tmp_path, f"sys.path[sys.path.index({own!r})] = {str(site)!r}\n")
    assert told == [
        "openvino cannot be used: No module named 'openvino'; the next one is tried",
        "onnxruntime f32",
    ]
    assert np.abs(made - exact).max() < 1e-3


FEW = """
import resource
import openvino_session, onnxruntime
openvino_session.has_bf16()
(size,) = (int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (size + (90 << 20), resource.RLIM_INFINITY))
"""


def test_too_little_memory_to_compile_is_told_in_a_line_and_the_next_one_is_taken(
    tmp_path: Path, exact: np.ndarray
) -> None:
    told, made = drawn_by(tmp_path, FEW)
    assert len(told) == 2 and told[0].startswith("openvino in f32 cannot run it, the next one is tried: ")
    assert told[1] == "onnxruntime f32"
    assert np.abs(made - exact).max() < 1e-3
