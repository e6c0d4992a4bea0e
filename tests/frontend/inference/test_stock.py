from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contract.inventory import Inventory, ModelStock
from frontend.catalogue.live_catalogue import LiveCatalogue
from frontend.inference.stock import StockWatch
from tests.frontend.catalogue.test_catalogue import CHARACTER, MODEL


def stock(*characters: str) -> ModelStock:
    return ModelStock(frozenset(characters))


@dataclass
class Tritons:
    told: list[Inventory | None] = field(default_factory=list)

    async def inventories(self) -> list[Inventory | None]:
        return self.told


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
