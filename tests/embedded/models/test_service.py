"""Models come into the catalogue and go, on copies of the demo's files."""

import multiprocessing
import shutil
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from embedded.characters.networks import NetworkFolders
from embedded.models.errors import ModelError
from embedded.models.service import ModelService
from embedded.starter_entry import EntryOptions
from frontend.catalogue.catalogue import load
from frontend.common.errors import CatalogueError
from frontend.settings import ROOT

PARTS = ("text-encoder", "denoiser", "decoder")


@pytest.fixture
def models(tmp_path: Path) -> ModelService:
    """The demo's catalogue and repository, and an empty data folder."""
    shutil.copytree(ROOT / "demo" / "catalogue", tmp_path / "catalogue")
    (tmp_path / "data" / "models").mkdir(parents=True)
    folders = NetworkFolders(ROOT / "demo" / "models", tmp_path / "data" / "models")
    return ModelService(tmp_path / "catalogue", tmp_path / "data" / "catalogue", folders)


def export(models: ModelService, name: str, character: str = "") -> None:
    """What an export leaves in the data folder."""
    for part in PARTS:
        end = f"--{character}" if character else ""
        shutil.copytree(
            models.networks.models / f"eros-{part}", models.networks.merged / f"{name}-{part}{end}"
        )


def names(models: ModelService) -> list[str]:
    return list(load(models.catalogue, models.added).models)


def add_character(models: ModelService, name: str, model: str) -> None:
    path = models.added / "characters" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    words = f"label: {name}\nmodels: [{model}]\ntrigger: x\nlora: x\nrights: fictional\ndepicts: nonhuman\n"
    path.write_text(words)


def test_new_model_is_offered_behind_the_default_one_and_goes_with_all_that_is_its_own(
    models: ModelService,
) -> None:
    models.check_new("mine")
    export(models, "mine")
    export(models, "mine-two")
    options = EntryOptions(label="My own: 1", order=models.order_of_new(default=False))
    entry = models.offer("mine", options)
    assert names(models) == ["eros", "mine"] and load(models.catalogue, models.added).faults == ()
    assert load(models.catalogue, models.added).models["mine"].label == "My own: 1"
    rows = {row.name: row for row in models.rows()}
    assert rows["eros"].default and not rows["eros"].added and "aya" in rows["eros"].characters
    mine = rows["mine"]
    assert (mine.added, mine.default, mine.family, mine.fault) == (True, False, "SDXL", "")
    assert mine.steps == 30 and mine.bytes > 20 << 20 and mine.weights == str(models.networks.merged)
    assert "`imgen model add` goes on" in rows["mine-two"].fault
    with pytest.raises(ModelError, match=r"there is a model mine .*`imgen model remove mine` first"):
        models.check_new("mine")

    models.check_removable("mine")
    models.withdraw("mine")
    assert not entry.exists() and names(models) == ["eros"]
    models.check_removable("mine")  # it goes on where it was stopped
    models.delete("mine")
    left = {path.name for path in models.networks.merged.iterdir()}
    assert left == {f"mine-two-{part}" for part in PARTS}
    with pytest.raises(ModelError, match="no model mine; there are: eros; `imgen model add"):
        models.check_removable("mine")


@pytest.mark.parametrize(
    ("others", "default", "order"),
    [
        ({}, False, None),
        ({"zeta": 99}, False, None),
        ({"zeta": 100}, False, 101),  # else alto, before it by name, would be the default
        ({"zeta": 250, "yota": 120}, False, 251),
        ({"zeta": 250}, True, 99),
        ({"zeta": -3}, True, -4),
    ],
)
def test_default_model_stays_what_it_is_unless_it_is_to_change(
    models: ModelService, others: dict[str, int], default: bool, order: int | None
) -> None:
    text = (models.catalogue / "models" / "eros.yaml").read_text()
    if others:
        (models.catalogue / "models" / "eros.yaml").unlink()
    for name, other in others.items():
        lines = [line for line in text.splitlines() if not line.startswith("order:")]
        entry = models.catalogue / "models" / f"{name}.yaml"
        entry.write_text("\n".join([*lines, f"order: {other}"]))
    before = names(models)[0]
    assert models.order_of_new(default=default) == order
    export(models, "alto")
    models.offer("alto", EntryOptions(order=order))
    assert names(models)[0] == ("alto" if default else before)


def test_first_model_of_an_empty_catalogue_has_the_usual_order(tmp_path: Path, models: ModelService) -> None:
    shutil.rmtree(models.catalogue)
    assert models.order_of_new(default=False) is None and models.order_of_new(default=True) is None
    assert models.rows() == [] and models.faults() == []


def test_default_model_the_operators_and_one_with_characters_are_not_removed(models: ModelService) -> None:
    with pytest.raises(ModelError, match=r"was not added by this command: to remove it, delete .*eros\.yaml"):
        models.check_removable("eros")
    export(models, "mine")
    models.offer("mine", EntryOptions(order=models.order_of_new(default=True)))
    with pytest.raises(ModelError, match=r"names none: give another one a lower `order:` first \(eros\)"):
        models.check_removable("mine")
    export(models, "other")
    models.offer("other", EntryOptions())
    add_character(models, "nova", "other")
    with pytest.raises(ModelError, match=r"remove them first: `imgen character remove nova`"):
        models.check_removable("other")
    (models.added / "characters" / "nova.yaml").rename(models.catalogue / "characters" / "nova.yaml")
    with pytest.raises(ModelError, match=r"take it out of `models:` in .*nova\.yaml"):
        models.check_removable("other")


def test_networks_of_characters_that_were_removed_go_with_their_model(models: ModelService) -> None:
    export(models, "mine")
    export(models, "mine", character="nova")
    models.delete("mine")
    assert list(models.networks.merged.iterdir()) == []
    models.delete("mine")  # nothing is left to do


def test_what_merges_noted_of_a_model_goes_with_it(models: ModelService) -> None:
    export(models, "mine")
    found = models.networks.merged / ".found"
    found.mkdir()
    for name in ("mine-denoiser", "mine-text-encoder", "other-denoiser"):
        (found / f"{name}.json").write_text("{}")
    models.delete("mine")
    assert [path.name for path in found.iterdir()] == ["other-denoiser.json"]


def test_what_a_killed_removal_left_goes_with_the_next(models: ModelService) -> None:
    left = models.networks.merged / ".mine-removed-abc" / "0"
    left.mkdir(parents=True)
    models.delete("mine")
    assert list(models.networks.merged.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "Mine", "a--b", "", "x" * 65])
def test_names_stay_names(models: ModelService, name: str) -> None:
    for check in (models.check_new, models.check_removable):
        with pytest.raises(ModelError, match="must be 1 to 64 of a-z"):
            check(name)


def test_name_of_the_operators_repository_is_taken(models: ModelService, tmp_path: Path) -> None:
    (models.catalogue / "models" / "eros.yaml").rename(models.catalogue / "models" / "other.yaml")
    with pytest.raises(ModelError, match=r"demo/models has a model eros: choose another --name"):
        models.check_new("eros")


def _hold(models: ModelService, held: Event) -> None:
    with models.held():
        held.set()
        multiprocessing.Event().wait()


def test_one_command_at_a_time_changes_models_and_a_killed_one_holds_nothing(models: ModelService) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    other = context.Process(target=_hold, args=(models, held))
    other.start()
    assert held.wait(60)
    with pytest.raises(ModelError, match="another `imgen model` is at work"):
        with models.held():
            raise AssertionError("two at a time")
    other.kill()
    other.join()
    with models.held():
        pass


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (EntryOptions(label="x" * 200), "model mine: label: expected"),
        (EntryOptions(styles={"My Style": {"label": "x"}}), "model mine: styles: expected a name of"),
        (EntryOptions(steps=1000), "model mine: steps: expected"),
        (EntryOptions(guidance=-1.0), "model mine: guidance: expected"),
    ],
)
def test_entry_that_would_not_be_valid_is_told_before_anything_is_done(
    options: EntryOptions, words: str
) -> None:
    with pytest.raises(CatalogueError, match=words):
        options.check("mine")
