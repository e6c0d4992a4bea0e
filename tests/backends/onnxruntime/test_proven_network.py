"""What was compiled before is right, or it is not used; whatever is wrong with it costs a line."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from proven_network import open_proven

ROOT = Path(__file__).parents[3]
ONE_THREAD = {"intra_op_thread_count": "1"}
LATENTS = np.random.default_rng(7).standard_normal((2, 4, 3, 5), np.float32)
DAMAGED = "what was compiled before is damaged, it is compiled anew: "


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def decoder(tiny_repository: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_repository / "tiny-decoder" / "1", tmp_path / "repository" / "tiny-decoder" / "1")
    return tmp_path / "repository" / "tiny-decoder" / "1" / "model.onnx"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "compiled"


def draw(decoder: Path, root: Path, lines: list[str]) -> npt.NDArray[np.generic]:
    session = open_proven(decoder, ONE_THREAD, "f32", str(root), lines.append)
    return session.run({"latents": LATENTS})["image"]


def kept(root: Path) -> Path:
    """The one folder that there is of the network."""
    (folder,) = (path for path in (root / "tiny-decoder").iterdir() if path.name != "sources.json")
    return folder


def state(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_network_is_compiled_once_and_kept_where_nobody_else_looks(
    decoder: Path, root: Path, lines: list[str]
) -> None:
    image = draw(decoder, root, lines)
    before = state(kept(root))
    assert sorted(Path(name).suffix for name in before) == [".blob", ".json"]
    assert [path.stat().st_mode & 0o777 for path in (root, root / "tiny-decoder", kept(root))] == [0o700] * 3
    assert {path.stat().st_mode & 0o777 for path in kept(root).glob("*.blob")} == {0o600}
    again = open_proven(decoder, ONE_THREAD, "f32", str(root), lines.append)
    assert again.came_from_cache and (again.run({"latents": LATENTS})["image"] == image).all()
    assert state(kept(root)) == before
    assert not lines


def test_weights_that_have_not_changed_are_not_read_again(
    decoder: Path, root: Path, lines: list[str]
) -> None:
    """Of SDXL they are 5 GB. What is recorded of a file counts as long as its size and times do."""
    draw(decoder, root, lines)
    folder, sources = kept(root), root / "tiny-decoder" / "sources.json"
    record = json.loads(sources.read_text())
    record["model.onnx"][-1] = "0" * 64
    sources.write_text(json.dumps(record))
    draw(decoder, root, lines)
    assert kept(root) != folder  # so it was believed
    os.utime(decoder)
    draw(decoder, root, lines)
    assert json.loads(sources.read_text())["model.onnx"][-1] != "0" * 64
    assert not lines


def cut(folder: Path) -> None:
    (blob,) = folder.glob("*.blob")
    blob.write_bytes(blob.read_bytes()[:1000])


def flip_a_bit(folder: Path) -> None:
    (blob,) = folder.glob("*.blob")
    data = bytearray(blob.read_bytes())
    data[-100] ^= 1
    blob.write_bytes(data)


def cut_a_blob_that_was_proved(folder: Path) -> None:
    cut(folder)
    record_anew(folder)


def record_anew(folder: Path) -> None:
    from compile_cache import PROOF_FILE, _records

    proof = json.loads((folder / PROOF_FILE).read_text())
    (folder / PROOF_FILE).write_text(json.dumps(proof | {"files": _records(folder, {})}))


def prove_another_outcome(folder: Path) -> None:
    proof = json.loads((folder / "proof.json").read_text())
    (folder / "proof.json").write_text(json.dumps(proof | {"outcome": "0" * 64}))


def link_the_blob(folder: Path) -> None:
    (blob,) = folder.glob("*.blob")
    shutil.move(blob, folder.parent.parent / "elsewhere")
    blob.symlink_to(folder.parent.parent / "elsewhere")


def link_the_folder(folder: Path) -> None:
    shutil.move(folder, folder.parent.parent / "elsewhere")
    folder.symlink_to(folder.parent.parent / "elsewhere")


def put_a_file_in_its_place(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": cut,
    "a bit": flip_a_bit,
    "cut, proved": cut_a_blob_that_was_proved,
    "no proof": lambda folder: (folder / "proof.json").unlink(),
    "another outcome": prove_another_outcome,
    "no JSON": lambda folder: (folder / "proof.json").write_text("[" * 100_000),
    "odd JSON": lambda folder: (folder / "proof.json").write_text('{"files": {"a": 1}, "outcome": 3}'),
    "a foreign file": lambda folder: (folder / "another.blob").write_bytes(b"foreign"),
    "a foreign folder": lambda folder: (folder / "another").mkdir(),
    "a pipe": lambda folder: os.mkfifo(folder / "pipe"),
    "a link": link_the_blob,
    "a link in its place": link_the_folder,
    "a file in its place": put_a_file_in_its_place,
    "open to others": lambda folder: folder.chmod(0o777),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_made_anew_with_one_line_and_never_draws_another_picture(
    decoder: Path, root: Path, lines: list[str], damage: str
) -> None:
    image = draw(decoder, root, lines)
    DAMAGES[damage](kept(root))
    assert (draw(decoder, root, lines) == image).all()
    assert len(lines) == 1 and lines[0].startswith(DAMAGED) and "\n" not in lines[0]
    assert (draw(decoder, root, lines) == image).all()
    assert len(lines) == 1  # mended
    elsewhere = root / "elsewhere"
    assert not damage.startswith("a link") or elsewhere.exists()  # links are not followed


@pytest.mark.parametrize("change", ["weights", "graph", "restored time"])
def test_a_changed_network_is_another_one_and_the_old_one_goes(
    decoder: Path, root: Path, lines: list[str], change: str
) -> None:
    draw(decoder, root, lines)
    folder, before = kept(root), decoder.stat()
    if change == "weights":
        (decoder.parent / "weights.bin").write_bytes(b"more of it")
    else:
        data = decoder.read_bytes()
        decoder.write_bytes(data.replace(b"pytorch", b"pytorcH") + (b"" if b"pytorch" in data else b"z\0"))
    if change == "restored time":
        os.utime(decoder, ns=(before.st_atime_ns, before.st_mtime_ns))
    draw(decoder, root, lines)
    assert kept(root) != folder
    assert not lines


def test_another_processor_or_precision_or_library_is_another_network(
    decoder: Path, root: Path, lines: list[str]
) -> None:
    from compile_cache import CompileCache

    names = {
        CompileCache(root / "tiny-decoder", decoder, *bound_to).folder.name
        for bound_to in (("1", "f32", "a"), ("1", "bf16", "a"), ("2", "f32", "a"), ("1", "f32", "b"))
    }
    assert len(names) == 4


@pytest.mark.parametrize("place", ["file", "link", "open", "no root"])
def test_a_place_that_will_not_do_costs_a_line_and_is_left_as_it_is(
    decoder: Path, tmp_path: Path, lines: list[str], place: str
) -> None:
    image = draw(decoder, tmp_path / "good", lines)
    root, other = tmp_path / "compiled", tmp_path / "other"
    other.mkdir()
    (other / "precious").write_text("mine")
    match place:
        case "file":
            root.write_text("file")
        case "link":
            root.symlink_to(other)
        case "open":
            root.mkdir()
            root.chmod(0o777)
        case _:
            root = tmp_path / "good" / "tiny-decoder" / "sources.json" / "below"
    assert (draw(decoder, root, lines) == image).all()
    assert len(lines) == 1 and lines[0].startswith("IMGEN_COMPILED_DIR: ")
    assert lines[0].endswith("; it is compiled at every start") and "\n" not in lines[0]
    assert [path.name for path in other.iterdir()] == ["precious"]


def in_a_process(decoder: Path, root: Path, prepare: str = "") -> subprocess.Popen[str]:
    """Prints what was wrong, then the sum of the picture's bytes."""
    code = f"""
import sys; sys.path.insert(0, {str(ROOT / "backends" / "shared")!r}); sys.path.insert(0, {str(ROOT)!r})
import numpy as np
from pathlib import Path
from proven_network import open_proven
{prepare}
session = open_proven(Path({str(decoder)!r}), {ONE_THREAD!r}, "f32", {str(root)!r}, print)
latents = np.random.default_rng(7).standard_normal((2, 4, 3, 5), np.float32)
print(int(session.run({{"latents": latents}})["image"].sum()))
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_several_processes_share_one_cache(decoder: Path, root: Path, lines: list[str]) -> None:
    processes = [in_a_process(decoder, root) for _ in range(4)]
    told = [process.communicate()[0] for process in processes]
    image = draw(decoder, root, lines)
    assert told == [f"{int(image.sum())}\n"] * 4 and not lines
    assert state(kept(root)) and not list(root.glob("**/*.tmp"))


def test_a_full_disk_costs_a_line_and_no_picture(decoder: Path, root: Path, lines: list[str]) -> None:
    """Files can grow to 2,000 bytes, as on a disk with no more room."""
    image = draw(decoder, root, lines)
    full = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    full += f"resource.setrlimit(resource.RLIMIT_FSIZE, (2000, {resource.RLIM_INFINITY}))"
    told = in_a_process(decoder, root.parent / "full", full).communicate()[0].splitlines()
    assert told[-1] == str(int(image.sum()))
    assert len(told) == 2 and told[0].startswith("IMGEN_COMPILED_DIR: ")
    assert not list((root.parent / "full").glob("tiny-decoder/*/*.blob"))


def test_what_a_killed_process_left_goes_in_time(decoder: Path, root: Path, lines: list[str]) -> None:
    draw(decoder, root, lines)
    old, young = root / "tiny-decoder" / "old.tmp", root / "tiny-decoder" / "young.tmp"
    for folder in (old, young):
        folder.mkdir()
    os.utime(old, (0, 0))
    (decoder.parent / "weights.bin").write_bytes(b"more of it")
    draw(decoder, root, lines)
    assert young.exists() and not old.exists()
