from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from contract.inventory import Inventory, ModelStock
from frontend.catalogue.live_catalogue import LiveCatalogue
from frontend.inference.stock import StockWatch
from tests.frontend.catalogue.test_catalogue import CHARACTER, MODEL, styled


def stock(*characters: str) -> ModelStock:
    return ModelStock(frozenset(characters))


@dataclass
class Tritons:
    told: list[Inventory | None] = field(default_factory=list)

    async def inventories(self) -> dict[str, Inventory | None]:
        return {f"triton-{number}:8001": told for number, told in enumerate(self.told)}


@pytest.fixture
def catalogue(tmp_path: Path) -> LiveCatalogue:
    for kind in ("models", "characters"):
        (tmp_path / kind).mkdir()
    for name in ("eros", "alto"):
        (tmp_path / "models" / f"{name}.yaml").write_text(MODEL)
    text = CHARACTER.replace("[eros]", "[eros, alto]")
    (tmp_path / "characters" / "aya.yaml").write_text(text + "depicts: adult\n")
    return LiveCatalogue(tmp_path)


def offered(catalogue: LiveCatalogue) -> dict[str, list[str]]:
    return {name: list(catalogue.current.characters_of(name)) for name in catalogue.current.models}


async def test_only_what_a_triton_has_weights_of_is_offered(catalogue: LiveCatalogue) -> None:
    tritons = Tritons([{"eros": stock()}, {"eros": stock("aya"), "other": stock()}])
    await StockWatch(tritons, catalogue).look()
    assert offered(catalogue) == {"eros": ["aya"]}
    assert "alto" in catalogue.warnings[0]
    tritons.told = [{"eros": stock(), "alto": stock("aya")}] * 2
    await StockWatch(tritons, catalogue).look()
    assert offered(catalogue) == {"alto": ["aya"], "eros": []}


async def test_what_runs_each_network_is_told_and_two_that_differ_are_warned_of_once(
    catalogue: LiveCatalogue, caplog: pytest.LogCaptureFixture
) -> None:
    def inventory(runtime: str) -> Inventory:
        return {"eros": ModelStock(frozenset(), {}, {"eros-denoiser": runtime, "eros-decoder": "same 1 f32"})}

    caplog.set_level("INFO")
    tritons = Tritons([inventory("openvino 2026.4.1 f32")] * 2)
    watch = StockWatch(tritons, catalogue)
    assert watch.runtimes == {} and watch.warning == ""
    await watch.look()
    assert watch.runtimes == {"eros-decoder": ["same 1 f32"], "eros-denoiser": ["openvino 2026.4.1 f32"]}
    told = "networks run in: eros-decoder same 1 f32; eros-denoiser openvino 2026.4.1 f32"
    assert [record.getMessage() for record in caplog.records].count(told) == 1
    assert watch.warning == ""
    tritons.told = [inventory("openvino 2026.4.1 f32"), inventory("openvino 2026.4.1 bf16")]
    for _ in range(3):
        await watch.look()
    assert watch.runtimes["eros-denoiser"] == ["openvino 2026.4.1 bf16", "openvino 2026.4.1 f32"]
    assert watch.warning == (
        "Tritons draw one seed in different ways: eros-denoiser in openvino 2026.4.1 bf16 and openvino "
        "2026.4.1 f32; give all of them the same IMGEN_CPU_RUNTIME and IMGEN_CPU_PRECISION"
    )
    assert [record.getMessage() for record in caplog.records].count(watch.warning) == 1


async def test_triton_that_came_later_is_looked_at_once_before_the_watch_does(
    catalogue: LiveCatalogue,
) -> None:
    tritons = Tritons([None])
    watch = StockWatch(tritons, catalogue)
    await watch.look()
    tritons.told = [{"eros": stock("aya")}]
    await watch.look_for_the_first_time()
    assert offered(catalogue) == {"eros": ["aya"]}
    tritons.told = [{"eros": stock()}]
    await watch.look_for_the_first_time()
    assert offered(catalogue) == {"eros": ["aya"]}


async def test_triton_that_is_away_changes_nothing(catalogue: LiveCatalogue) -> None:
    tritons = Tritons([None, None])
    watch = StockWatch(tritons, catalogue)
    everything = {"alto": ["aya"], "eros": ["aya"]}
    await watch.look()
    assert offered(catalogue) == everything  # nobody has told yet
    tritons.told = [{"eros": stock()}, None]
    await watch.look()
    assert offered(catalogue) == everything  # the other one may have the rest
    tritons.told = [{"eros": stock()}, {"eros": stock("aya")}]
    await watch.look()
    assert offered(catalogue) == {"eros": ["aya"]}
    for told in ([None, {"eros": stock()}], [None, None]):
        tritons.told = list(told)
        await watch.look()
    assert offered(catalogue) == {"eros": []}  # as each told last


async def test_triton_that_is_gone_for_good_is_not_counted_on_and_none_at_all_changes_nothing(
    catalogue: LiveCatalogue,
) -> None:
    tritons = Tritons([{"eros": stock()}, {"alto": stock("aya")}])
    watch = StockWatch(tritons, catalogue)
    await watch.look()
    assert offered(catalogue) == {"alto": ["aya"], "eros": []}
    for told in ([{"eros": stock()}], []):
        tritons.told = list(told)
        await watch.look()
        assert offered(catalogue) == {"eros": []}


async def test_size_is_refused_where_all_that_have_the_model_refuse_it(catalogue: LiveCatalogue) -> None:
    small = ModelStock(frozenset({"aya"}), {"1024x1024": "too much", "1344x768": "too much"})
    other = ModelStock(frozenset({"aya"}), {"1024x1024": "too much"})
    tritons = Tritons([{"eros": small}, {"eros": other, "alto": stock("aya")}])
    watch = StockWatch(tritons, catalogue)
    await watch.look()
    assert dict(catalogue.current.too_large) == {("eros", "1024x1024"): "too much"}
    assert catalogue.warnings == ["orders are refused for want of memory (IMGEN_MEMORY_MB): eros: 1024x1024"]
    tritons.told = [{"eros": small}, {"alto": stock("aya")}]
    await watch.look()
    assert {size for _, size in catalogue.current.too_large} == {"1024x1024", "1344x768"}


async def test_styles_whose_lora_no_bank_can_hold_are_withheld_and_the_others_hashes_known(
    catalogue: LiveCatalogue, tmp_path: Path
) -> None:
    (tmp_path / "models" / "eros.yaml").write_text(styled("lora: ink.safetensors"))
    (tmp_path / "models" / "alto.yaml").write_text(styled("lora: ink.safetensors"))
    catalogue.refresh()
    have = ModelStock(frozenset({"aya"}), styles={"ink": "a" * 64})
    tritons = Tritons([{"eros": have, "alto": stock("aya")}])
    await StockWatch(tritons, catalogue).look()
    assert dict(catalogue.current.style_loras) == {("eros", "ink"): "a" * 64}
    assert set(catalogue.current.withheld_styles) == {("alto", "ink")}
    assert "style ink of alto" in catalogue.warnings[0]
    tritons.told.append({"eros": replace(have, styles={"ink": "b" * 64})})
    await StockWatch(tritons, catalogue).look()
    assert catalogue.current.style_loras["eros", "ink"] == f"{'a' * 64} {'b' * 64}"


async def test_style_whose_sampler_a_flow_model_cannot_be_drawn_by_is_withheld_and_the_line_says_why(
    catalogue: LiveCatalogue, tmp_path: Path
) -> None:
    styles = """\
  wild: {label: Wild, sampler: euler_ancestral}
  even: {label: Even, spacing: trailing}
  fine: {label: Fine, sampler: dpmpp_2m}
"""
    (tmp_path / "models" / "eros.yaml").write_text(MODEL + styles)
    flowing = LiveCatalogue(tmp_path)
    have = {"eros": replace(stock("aya"), flow=True), "alto": stock("aya")}
    await StockWatch(Tritons([have]), flowing).look()
    assert set(flowing.current.withheld_styles) == {("eros", "wild"), ("eros", "even")}
    assert "fine" in flowing.current.response.models["eros"].styles
    line = next(line for line in flowing.warnings if "sampler" in line)
    assert "wild of eros: euler_ancestral is no sampler of a flow model" in line
    await StockWatch(Tritons([{"eros": stock("aya"), "alto": stock("aya")}]), flowing).look()
    assert not flowing.current.withheld_styles


async def test_models_that_take_no_negative_prompt_or_no_weights_are_known(catalogue: LiveCatalogue) -> None:
    have = {"eros": replace(stock(), negatives=False), "alto": replace(stock(), emphasis=False)}
    await StockWatch(Tritons([have]), catalogue).look()
    assert set(catalogue.current.without_negatives) == {"eros"}
    assert set(catalogue.current.without_emphasis) == {"alto"}
    assert set(catalogue.current.models) == {"alto", "eros"}
