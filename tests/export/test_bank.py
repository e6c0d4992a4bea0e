"""An adapter bank: samples of one batch are drawn with different LoRAs, each as PEFT draws it alone."""

import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from peft.utils import set_peft_model_state_dict
from safetensors.numpy import load_file
from torch import nn

from contract.bank import BankSize, read_bank
from contract.bank import is_table as names_table
from export.bank_character import add_factors
from export.character import main
from export.checkpoints.checkpoint import Checkpoint, open_checkpoint
from export.errors import ExportError
from export.lora.adapters import Array
from export.model import ExportOptions, export_checkpoint
from export.networks.networks import network_of
from export.networks.trace import example_inputs
from export.parity.runners import GraphRunner
from tests.export.loras import ALPHA, TARGETS, peft_state, save_kohya, with_lora
from tests.export.loras import RANK as LORA_RANK
from tests.export.lycoris_files import ALGORITHMS, write_lycoris
from tests.export.session import largest_error, session
from tests.export.tiny import save_tiny, save_tiny_sd15

SLOTS, RANK = 9, 8
CHARACTERS = 8
SIZES = {"batch": 10, "height": 6, "width": 10, "tokens": 77}
LIMIT = 2e-3  # of values around 1: the factors are kept in fp16
NONE = (0, 0)
LORA = LoraConfig(r=LORA_RANK, lora_alpha=ALPHA, target_modules=TARGETS)
Samples = list[tuple[int, int]]  # slots of each


@pytest.fixture(scope="module", params=["sdxl", "sd15"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    save = {"sdxl": save_tiny, "sd15": save_tiny_sd15}[request.param]
    return open_checkpoint(save(tmp_path_factory.mktemp("checkpoint") / request.param))


@pytest.fixture(scope="module")
def banked(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository."""
    folder = tmp_path_factory.mktemp("repository")
    options = ExportOptions(storage="fp32", adapters=BankSize(SLOTS, RANK))
    export_checkpoint(checkpoint.folder, "eros", folder, options)
    return folder


@pytest.fixture(scope="module")
def loras(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One for each character, of different weights."""
    folder = tmp_path_factory.mktemp("loras")
    return [
        save_kohya(peft_state(adapted(checkpoint, seed)), folder / f"{seed}.safetensors")
        for seed in range(1, CHARACTERS + 1)
    ]


def adapted(checkpoint: Checkpoint, seed: int) -> UNet2DConditionModel:
    unet = UNet2DConditionModel.from_pretrained(checkpoint.folder / "unet")
    # Smaller than elsewhere: SD 1.5's random network falls into noise otherwise, and PEFT's with it.
    return with_lora(unet, seed, size=0.1)


def inputs_of(checkpoint: Checkpoint, part: str = "denoiser") -> dict[str, torch.Tensor]:
    return example_inputs(network_of(checkpoint, part).part, SIZES)


def tables(banked: Path, slots: dict[int, Path], part: str = "denoiser") -> dict[str, Array]:
    """`slots`: files of factors by slot."""
    bank = read_bank(banked / f"eros-{part}")
    assert bank
    found = {table.name: np.zeros(bank.shape(table), np.float32) for table in bank.tables}
    for slot, path in slots.items():
        for name, value in load_file(path).items():
            if name in found:
                found[name][slot, : len(value)] = value
    return found


def factors(banked: Path, lora: Path, folder: Path) -> Path:
    target = folder / lora.stem / "eros-denoiser--aya"
    assert add_factors(banked / "eros-denoiser", lora, target).written
    return target / "factors.safetensors"


def run_batch(
    banked: Path,
    inputs: dict[str, torch.Tensor],
    bound: dict[str, Array],
    samples: Samples,
    rows: list[int],
    strengths: list[tuple[float, float]] | None = None,
) -> Array:
    """As our backend runs it: without what no sample of the batch has."""
    given = {name: value.numpy()[rows] for name, value in inputs.items()}
    given["slots"] = np.array([samples[row] for row in rows], np.int64)
    given["strengths"] = (
        np.array([strengths[row] for row in rows], np.float32)
        if strengths
        else np.where(given["slots"] > 0, np.float32(1.0), np.float32(0.0))
    )
    if not given["slots"][:, 1:].any():
        given |= {name: given[name][:, :1] for name in ("slots", "strengths")}
    found: Array = session(banked / "eros-denoiser").run(None, given | bound)[0]
    return found


def test_eight_characters_and_none_in_one_batch_are_drawn_as_peft_draws_each_alone(
    checkpoint: Checkpoint, banked: Path, loras: list[Path], tmp_path: Path
) -> None:
    slots = {number: factors(banked, lora, tmp_path) for number, lora in enumerate(loras, 1)}
    bound, inputs = tables(banked, slots), inputs_of(checkpoint)
    samples = [NONE, *((number, 0) for number in slots), NONE]
    together = run_batch(banked, inputs, bound, samples, list(range(10)))
    for row, (slot, _) in enumerate(samples):
        unet = adapted(checkpoint, slot) if slot else checkpoint.denoiser
        own = replace(checkpoint, networks={**checkpoint.networks, "unet": unet})
        one = {name: value[row : row + 1] for name, value in inputs.items()}
        with torch.no_grad():
            wanted = network_of(own, "denoiser").module(**one)
        assert largest_error(together[row : row + 1], wanted) < LIMIT
        alone = run_batch(banked, inputs, bound, samples, [row])
        assert np.array_equal(alone, together[row : row + 1])
    assert np.abs(together[0] - run_batch(banked, inputs, bound, [(1, 0)], [0])[0]).max() > 0.02


def test_a_slot_that_is_written_anew_answers_for_what_is_in_it(
    checkpoint: Checkpoint, banked: Path, loras: list[Path], tmp_path: Path
) -> None:
    first, second = (factors(banked, lora, tmp_path) for lora in loras[:2])
    inputs = inputs_of(checkpoint)
    made = [
        run_batch(banked, inputs, tables(banked, {3: path}), [(3, 0)] * 10, [0, 1])
        for path in (first, second, first)
    ]
    assert np.array_equal(made[0], made[2])
    assert not np.allclose(made[0], made[1], atol=1e-2)


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")  # PEFT's: two at once are meant
def test_characters_and_styles_are_drawn_in_one_batch_as_peft_draws_its_two_adapters_at_once(
    checkpoint: Checkpoint, banked: Path, loras: list[Path], tmp_path: Path
) -> None:
    """Each sample has a character, a style of a strength of its own, both or none; alone they are the same to
    the bit, whatever the others have."""
    slots = {number: factors(banked, lora, tmp_path) for number, lora in enumerate(loras[:4], 1)}
    bound, inputs = tables(banked, slots), inputs_of(checkpoint)
    samples = [(1, 3), (2, 3), (1, 4), (0, 0), (1, 0), (3, 0), (2, 4)]
    strengths = [(1.0, 0.7), (0.5, 0.3), (1.0, -0.4), (0.0, 0.0), (1.0, 0.0), (0.7, 0.0), (1.0, 1.0)]
    rows = list(range(len(samples)))
    together = run_batch(banked, inputs, bound, samples, rows, strengths)
    for row, (pair, much) in enumerate(zip(samples, strengths, strict=True)):
        own = open_checkpoint(checkpoint.folder)
        adapters = {f"a{slot}": strength for slot, strength in zip(pair, much, strict=True) if slot}
        for slot in filter(None, pair):
            own.denoiser.add_adapter(LORA, f"a{slot}")
            set_peft_model_state_dict(own.denoiser, peft_state(adapted(checkpoint, slot)), f"a{slot}")
        if adapters:
            own.denoiser.set_adapters(list(adapters), list(adapters.values()))
        one = {name: value[row : row + 1] for name, value in inputs.items()}
        with torch.no_grad():
            wanted = network_of(own, "denoiser").module(**one)
        assert largest_error(together[row : row + 1], wanted) < LIMIT
        alone = run_batch(banked, inputs, bound, samples, [row], strengths)
        assert np.array_equal(alone, together[row : row + 1])


@pytest.fixture
def quiet() -> Iterator[None]:
    """LyCORIS tells of every network that it makes."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


REFUSED = {
    "LoKr, whole matrices": "would be lost",
    "full differences and norms": "changes a bias or a norm, which no bank holds",
    "DoRA by output": "would be lost",
    "DoRA by input": "would be lost",
    "LoHa with DoRA": "would be lost",
    "LoKr with DoRA": "would be lost",
}


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_kind_of_layer_is_drawn_as_its_library_draws_it_or_refused(
    checkpoint: Checkpoint, banked: Path, tmp_path: Path, algorithm: str
) -> None:
    own = open_checkpoint(checkpoint.folder)
    encoders = [own.networks[one.name] for one in checkpoint.family.row.text_encoders]
    lora = write_lycoris(algorithm, own.denoiser, encoders, tmp_path / "lora.safetensors")
    if algorithm in REFUSED:
        with pytest.raises(ExportError, match=f"{REFUSED[algorithm]}.*--merge"):
            factors(banked, lora, tmp_path)
        return
    found = factors(banked, lora, tmp_path)
    for part in ("denoiser", "text-encoder"):
        runner = GraphRunner(banked / f"eros-{part}", load_file(found))
        inputs = inputs_of(checkpoint, part)
        with torch.no_grad():
            wanted = network_of(own, part).module(**inputs)
        outputs = wanted if isinstance(wanted, tuple) else (wanted,)
        for one, other in zip(runner.run(inputs).values(), outputs, strict=True):
            assert largest_error(one.numpy(), other) < 3 * LIMIT  # LoHa changes more than the others


def test_a_rank_above_the_banks_is_refused_with_what_to_do(
    banked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors.torch import save_file

    name = "lora_unet_mid_block_attentions_0_proj_in"
    shape = (64, 64, 1, 1) if "sd15" in (banked / "eros-denoiser" / "pipeline.json").read_text() else (64, 64)
    down = torch.randn(12, *shape[1:])
    up = torch.randn(shape[0], 12, *shape[2:])
    tensors = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
    save_file(tensors, tmp_path / "wide.safetensors")
    before = sorted(banked.iterdir())
    given = [str(tmp_path / "wide.safetensors"), "--name", "aya", "--model", "eros"]
    assert main([*given, "--repository", str(banked)]) == 2
    told = capsys.readouterr().err
    assert "rank 12" in told and "bank 8" in told and "--merge" in told and "--adapters SLOTSx12" in told
    assert sorted(banked.iterdir()) == before
    assert main([*given, "--repository", str(banked), "--output", str(tmp_path / "out"), "--merge"]) == 0


def test_factors_are_compared_with_torch_before_they_are_published(
    banked: Path, loras: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(loras[0]), "--name", "aya", "--model", "eros", "--repository", str(banked)]
    assert main([*given, "--output", str(tmp_path), "--compare", "--strength", "0.7"]) == 0
    assert "made for the bank" in capsys.readouterr().out
    assert main([*given, "--output", str(tmp_path), "--compare", "--strength", "0.7"]) == 0
    assert "already there" in capsys.readouterr().out


def test_a_styles_lora_is_made_for_the_bank_and_refused_without_one(
    checkpoint: Checkpoint,
    banked: Path,
    loras: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(loras[0]), "--name", "ink", "--model", "eros", "--style"]
    own = tmp_path / "own"
    shutil.copytree(banked, own)  # whose text encoder is nobody's to take away
    before = sorted(path.name for path in own.iterdir())
    assert main([*given, "--repository", str(own), "--compare"]) == 0
    made = own / "eros-denoiser--style--ink"
    assert sorted(path.name for path in own.iterdir() if path.name[0] != ".") == sorted(
        [*(name for name in before if name[0] != "."), made.name]
    )
    assert (made / "factors.safetensors").is_file() and not (made / "config.pbtxt").exists()
    export_checkpoint(checkpoint.folder, "plain", own, ExportOptions(storage="fp32"))
    assert main([*given[:-2], "plain", "--style", "--repository", str(own)]) == 2
    assert "plain has none: export it with --adapters 16x16" in capsys.readouterr().err


def test_a_merged_character_of_a_model_with_a_bank_keeps_its_tables(
    banked: Path, loras: list[Path], tmp_path: Path
) -> None:
    """They are inputs of its graph still, which our backend binds."""
    given = [str(loras[0]), "--name", "aya", "--model", "eros", "--repository", str(banked)]
    assert main([*given, "--output", str(tmp_path), "--merge"]) == 0
    assert read_bank(tmp_path / "eros-denoiser--aya") == read_bank(banked / "eros-denoiser")


def test_plain_engines_and_other_precisions_take_no_bank(tiny_folder: Path, tmp_path: Path) -> None:
    for options in (
        ExportOptions(adapters=BankSize(2, 2), precision="fp16"),
        ExportOptions(adapters=BankSize(2, 2), engine="inductor"),
    ):
        with pytest.raises(ExportError, match="--adapters makes networks that our own backend serves"):
            export_checkpoint(tiny_folder, "eros", tmp_path / "repository", options)
    assert not (tmp_path / "repository").exists()


def test_what_nothing_reads_has_no_table(banked: Path) -> None:
    """A text encoder's last block, where the last but one is taken."""
    for part in ("denoiser", "text-encoder"):
        folder = banked / f"eros-{part}"
        graph = onnxruntime.InferenceSession(folder / "1" / "model.onnx")
        bank = read_bank(folder)
        assert bank
        declared = [table.name for table in bank.tables]
        assert declared == sorted(one.name for one in graph.get_inputs() if names_table(one.name))
        assert {one.shape[0] for one in graph.get_inputs() if names_table(one.name)} == {SLOTS + 1}


def test_layers_of_a_network_keep_their_names(checkpoint: Checkpoint) -> None:
    from export.networks.bank import TorchBank

    network = open_checkpoint(checkpoint.folder).denoiser
    before = {name for name, _ in network.named_parameters()}
    TorchBank(network, rank=2, slots=1)
    assert {name for name, _ in network.named_parameters()} == before
    assert all(isinstance(module, nn.Module) for module in network.modules())
