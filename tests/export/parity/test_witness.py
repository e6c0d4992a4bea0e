"""The comparison sees a schedule that the exporter guessed wrong: diffusers reads the original once more."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from contract.description import Description
from contract.families import FLUX_DEV, FLUX_SCHNELL, SD3, SD15, Z_IMAGE, Z_IMAGE_TURBO, Family
from contract.repositories import DESCRIPTION_FILE
from contract.schedules import SPACINGS, Diffusion, FlowSchedule, ScaledLinearSchedule
from export.checkpoints.checkpoint import Checkpoint, open_checkpoint
from export.checkpoints.scheduler import FLOW_SAMPLERS, SPACING_OF, read_diffusion
from export.checkpoints.tokenizer import open_tokenizers
from export.families.family import torch_family
from export.graphs.storage import save_model
from export.graphs.weight_names import name_weights
from export.networks.networks import Network, networks_of
from export.networks.precision import LIMITS
from export.networks.trace import trace, weights_of
from export.parity.comparison import compare
from export.parity.witness import SchedulerDenoiser, Witness, doubt, read_witness, witness_of
from tests.export.tiny import BETAS

EPSILON = {"_class_name": "EulerDiscreteScheduler", "prediction_type": "epsilon", **BETAS}
V = {**EPSILON, "prediction_type": "v_prediction"}
ZERO_SNR = {**V, "timestep_spacing": "trailing", "rescale_betas_zero_snr": True}
OWN = {"use_karras_sigmas": True, "solver_order": "odd", "algorithm_type": "odd", "max_shift": "odd"}
DEIS = {**EPSILON, "_class_name": "DEISMultistepScheduler", **OWN}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
Says = dict[str, Any]


def leveled(spacing: str, zero_snr: bool = False) -> ScaledLinearSchedule:
    return ScaledLinearSchedule(0.00085, 0.012, 1000, spacing, 1, zero_snr)


def written(folder: Path, config: Says) -> Path:
    """A folder whose scheduler says so."""
    path = folder / "scheduler" / "scheduler_config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def exported(
    tiny_folder: Path, tiny: Checkpoint, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Says], tuple[dict[str, Path], Diffusion]]:
    """The tiny checkpoint's parts as an exporter makes them that read this of it."""
    graphs: dict[tuple[str, bool], Path] = {}

    def make(read: Says) -> tuple[dict[str, Path], Diffusion]:
        folder = tmp_path_factory.mktemp("read")
        diffusion = read_diffusion(written(folder, read) / "scheduler" / "scheduler_config.json")
        parts = {part: repository / f"eros-{part}" for part in ("text-encoder", "decoder")}
        kind = (diffusion.prediction, getattr(diffusion.schedule, "zero_snr", False))
        if kind not in graphs:
            network = list(networks_of(replace(tiny, diffusion=diffusion)))[1]
            model = trace(network.module, network.part)
            save_model(model, folder / "1", name_weights(model, weights_of(network.module), set()))
            graphs[kind] = folder / "1"
        if not (folder / "1").exists():
            (folder / "1").symlink_to(graphs[kind])
        (folder / DESCRIPTION_FILE).write_bytes(_description(tiny, diffusion).to_json())
        return {**parts, "denoiser": folder}, diffusion

    return make


def _description(tiny: Checkpoint, diffusion: Diffusion) -> Description:
    return Description(
        family=tiny.family.row,
        diffusion=diffusion,
        latent_channels=4,
        downscale=tiny.downscale,
        pad_tokens=(16, 0),
        token_window=77,
    )


@pytest.mark.parametrize(
    ("says", "read", "seen"),
    [
        (DEIS, EPSILON, None),
        (ZERO_SNR, ZERO_SNR, None),
        (V, EPSILON, "the denoiser's mean error"),
        (EPSILON, V, "the denoiser's mean error"),
        (FLOW, EPSILON, "its noise levels are "),
        (ZERO_SNR, V, "its noise levels are "),
        ({**EPSILON, "timestep_spacing": "trailing"}, EPSILON, "its noise levels are "),
        ({**EPSILON, "beta_end": 0.02}, EPSILON, "its noise levels are "),
        ({**FLOW, "shift": 1.0}, FLOW, "its noise levels are "),
    ],
)
def test_wrong_guess_is_seen_and_a_right_one_passes(
    says: Says,
    read: Says,
    seen: str | None,
    exported: Callable[[Says], tuple[dict[str, Path], Diffusion]],
    tiny_folder: Path,
    tmp_path: Path,
) -> None:
    parts, diffusion = exported(read)
    witness = read_witness(written(tmp_path / "original", says), None, {})
    checkpoint = open_checkpoint(tiny_folder, diffusion=diffusion)

    def reference(part: str) -> Network:
        return witness_of(open_checkpoint(tiny_folder, diffusion=diffusion), part, witness)

    (tmp_path / "report").mkdir()
    tokenizers, limit = open_tokenizers(checkpoint), LIMITS["fp32", "fp16"]
    report = compare(parts, checkpoint, tokenizers, limit, tmp_path / "report", reference, witness)
    assert (report.failure or "")[: len(seen or "")] == (seen or "")
    assert (report.failure is None) is (seen is None)


@pytest.mark.parametrize(
    ("tensors", "notes", "beside", "expected"),
    [
        ((), {}, "", Diffusion("epsilon", leveled("leading"))),
        (("v_pred",), {}, "", Diffusion("v", leveled("leading"))),
        (
            ("v_pred", "ztsnr"),
            {"modelspec.prediction_type": "epsilon"},
            "",
            Diffusion("v", leveled("leading", zero_snr=True)),
        ),
        (
            (),
            {"modelspec.predict_key": "v"},
            "",
            Diffusion("v", leveled("leading")),
        ),
        (
            (),
            {},
            'parameterization: "v"',
            Diffusion("v", leveled("leading")),
        ),
        ((), {"modelspec.prediction_type": "rectified flow"}, "", Diffusion("flow", FlowSchedule(3.0))),
        (
            (),
            {"config": json.dumps({"force_v_prediction": True, "timestep_spacing": "linspace"})},
            "",
            Diffusion("v", leveled("linspace")),
        ),
    ],
)
def test_single_file_is_read_a_second_time(
    tensors: tuple[str, ...], notes: dict[str, str], beside: str, expected: Diffusion, tmp_path: Path
) -> None:
    path = tmp_path / "one.safetensors"
    save_file({"x": torch.zeros(1), **{name: torch.zeros(0) for name in tensors}}, path, notes)
    if beside:
        path.with_suffix(".yaml").write_text(beside)
    witness = read_witness(path, None, {})
    sigmas, scale = witness.levels()
    wanted = expected.schedule.sigmas(4)
    torch.testing.assert_close(sigmas, torch.from_numpy(wanted), rtol=3e-4, atol=1e-6)
    assert scale == pytest.approx(expected.schedule.init_noise_sigma(wanted), rel=3e-4)
    kind = getattr(witness.scheduler().config, "prediction_type", "flow")
    assert kind == {"v": "v_prediction"}.get(expected.prediction, expected.prediction)


@pytest.mark.parametrize(
    "family", [SD3, FLUX_DEV, FLUX_SCHNELL, Z_IMAGE, Z_IMAGE_TURBO], ids=lambda row: row.name
)
def test_file_of_a_flow_family_has_its_published_noise_levels(family: Family, tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    witness = read_witness(path, None, {}, family)
    for size in ((128, 128), (96, 168)):
        sigmas, _ = witness.levels(*size)
        found = family.diffusion.of_size(*size).schedule.sigmas(4)
        torch.testing.assert_close(sigmas, torch.from_numpy(found), rtol=3e-4, atol=1e-6)


def test_file_that_says_v_prediction_has_no_noise_levels_of_flow(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    save_file({"x": torch.zeros(1), "v_pred": torch.zeros(0)}, path)
    sigmas, _ = read_witness(path, written(tmp_path / "like", FLOW), {}).levels()
    torch.testing.assert_close(sigmas, torch.from_numpy(leveled("leading").sigmas(4)), rtol=3e-4, atol=1e-6)


BARE = {name: value for name, value in EPSILON.items() if name != "timestep_spacing"}


@pytest.mark.parametrize("name", [*SPACING_OF, *FLOW_SAMPLERS])
@pytest.mark.parametrize(
    "says",
    [
        {},
        {"timestep_spacing": "trailing"},
        {"timestep_spacing": "odd", "steps_offset": 7},
        {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
        {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 5.0, "shift": 2.0},
        {"use_karras_sigmas": True, "sigma_min": 0.03, "shift_terminal": 0.1},
    ],
)
def test_both_readings_of_any_sampler_are_the_same(says: Says, name: str, tmp_path: Path) -> None:
    """As published configs are: most say no spacing, which is then their class's own."""
    folder = written(tmp_path, {**BARE, **says, "_class_name": name})
    schedule = read_diffusion(folder / "scheduler" / "scheduler_config.json").schedule
    found = schedule.sigmas(4)
    sigmas, scale = read_witness(folder, None, {}).levels()
    torch.testing.assert_close(torch.from_numpy(found), sigmas, rtol=5e-4, atol=1e-6)
    assert schedule.init_noise_sigma(found) == pytest.approx(scale, rel=5e-4)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_what_the_command_says_is_imposed_on_the_second_reading_too(spacing: str, tmp_path: Path) -> None:
    witness = read_witness(written(tmp_path, FLOW), None, {"prediction": "v", "spacing": spacing})
    assert isinstance(witness, Witness) and witness.scheduler().config.prediction_type == "v_prediction"
    wanted = leveled(spacing).sigmas(4)
    torch.testing.assert_close(witness.levels()[0], torch.from_numpy(wanted), rtol=3e-4, atol=1e-6)


@dataclass
class Answers:
    """A UNet that finds `share` of its input again."""

    share: float

    def __call__(self, sample: torch.Tensor, *_: Any, **more: Any) -> tuple[torch.Tensor]:
        return (self.share * sample + (1 - self.share) * sample.flip(-1),)


@pytest.mark.parametrize(
    ("prediction", "share", "doubted"),
    [("epsilon", 1.0, None), ("epsilon", 0.1, "v_prediction"), ("v", 0.1, None), ("v", 1.0, "epsilon")],
)
def test_answer_to_noise_tells_of_marks_that_were_lost(
    prediction: str, share: float, doubted: str | None, tiny: Checkpoint, tmp_path: Path
) -> None:
    witness = read_witness(written(tmp_path, EPSILON), None, {})
    module = SchedulerDenoiser(tiny.parts["denoiser"], Answers(share), witness, torch_family(SD15))
    sigmas, scale = witness.levels()
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * scale
    module.compute(
        {
            "latents": noise,
            "sigma": sigmas[:1, None],
            "guidance": torch.tensor([[4.0]]),
            "embeddings": torch.zeros(1, 77, 8),
            "negative_embeddings": torch.zeros(1, 77, 8),
        }
    )
    said = doubt(prediction, module.likeness)
    assert (said is None) is (doubted is None)
    assert doubted is None or (said is not None and said.endswith(f"is it --prediction {doubted}?"))
