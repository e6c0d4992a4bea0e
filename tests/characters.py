"""Characters of the tests' own, beside those of the demo."""

from pathlib import Path

DEPICTS = {"nova": "adult", "robin": "child", "sam": ""}  # Sam: nobody has recorded it


def add_characters(data_dir: Path) -> None:
    """Puts them where `imgen character add` puts its own."""
    (folder := data_dir / "catalogue" / "characters").mkdir(parents=True)
    for name, depicts in DEPICTS.items():
        recorded = f"depicts: {depicts}\n" if depicts else ""
        (folder / f"{name}.yaml").write_text(
            f"label: {name.capitalize()}\nmodels: [eros]\ntrigger: {name}\n"
            f"lora: loras/{name}.safetensors\nrights: fictional\n{recorded}"
        )
