"""One bad character or model of each kind: the whole system starts, and serves the rest."""

import shutil
from collections.abc import Iterator

import pytest
import requests

from contract.description import read_description
from embedded.starter_entry import write_starter_entry
from frontend.settings import ROOT
from tests.system.running import System, running

BROKEN = "label: Lea\nmodels: [eros]\ntrigger: lea\nlora: loras/none.safetensors\ndepicts: adult\n"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """@lea has no rights, @kim no LoRA; `mine` has half a file, `alto` nothing; `bad` is no YAML."""
    folder = tmp_path_factory.mktemp("data")
    folder.chmod(0o700)
    demo, models = ROOT / "demo" / "models", folder / "models"
    for part in ("text-encoder", "denoiser", "decoder"):
        shutil.copytree(demo / f"eros-{part}", models / f"mine-{part}")
        config = models / f"mine-{part}" / "config.pbtxt"
        config.write_text(config.read_text().replace(f"eros-{part}", f"mine-{part}"))
    graph = models / "mine-denoiser" / "1" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:100_000])
    catalogue = folder / "catalogue"
    for name in ("mine", "alto"):
        write_starter_entry(catalogue, name, read_description(demo / "eros-denoiser" / "pipeline.json"))
    (catalogue / "models" / "bad.yaml").write_text("styles: [")
    (catalogue / "characters").mkdir()
    (catalogue / "characters" / "lea.yaml").write_text(BROKEN)
    (catalogue / "characters" / "kim.yaml").write_text(f"{BROKEN}rights: fictional\n")
    with running(folder, "--no-llm") as started:
        yield started


def test_the_rest_is_offered_and_what_is_left_out_is_named(system: System) -> None:
    told = system.post({"action": "models"})
    assert (list(told["models"]), told["characters"]) == (["eros"], ["aya", "bella", "mira", "tomo"])
    warnings = requests.get(f"{system.url}/readyz", timeout=30).json()["warnings"]
    assert "left out of the catalogue (the log says why): @lea, bad" in warnings
    assert any("(see its log): alto, mine, @kim of eros; " in line for line in warnings)
    logged = (system.folder / "logs" / "frontend.log").read_text()
    assert (
        "lea.yaml: rights: expected fictional, or consent:" in logged and "bad.yaml: expected YAML" in logged
    )
    said = (system.folder / "logs" / "up.log").read_text()
    assert "left out: @kim of eros: There is no " in said and "imgen character remove kim" in said


@pytest.mark.parametrize("model", ["mine", "alto", "bad"])
def test_no_other_model_draws_for_one_without_weights(system: System, model: str) -> None:
    answer = system.send({"action": "generate", "prompt": "a red car", "model": model})
    assert (answer.status_code, answer.json()["error"]) == (502, "Generation failed")
    assert answer.json()["detail"] == f"model {model} cannot draw at present; these can draw: eros"


def test_a_picture_is_drawn_all_the_same(system: System) -> None:
    job = system.post({"action": "generate", "prompt": "@aya waving, in a meadow", "model": "nobody's"})
    assert job["model"] == "eros"
    assert system.until_final(job["id"])["status"] == "COMPLETED"


def test_broken_character_can_be_listed_and_removed(system: System) -> None:
    listed = system.imgen("character", "list")
    assert "left out: " in listed.stderr and "lea.yaml: rights: expected" in listed.stderr
    removed = system.imgen("character", "remove", "lea")
    assert removed.returncode == 0, removed.stderr
    assert "lea" not in system.imgen("character", "list").stderr
