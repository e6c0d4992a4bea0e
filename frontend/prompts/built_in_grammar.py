"""What `random` draws from where the catalogue has no random.yaml: plain words that every model knows."""

import logging
from pathlib import Path

from frontend.common.errors import CatalogueError
from frontend.prompts.random_prompt import Forms, Grammar, load_grammar

log = logging.getLogger(__name__)

BUILT_IN = Grammar(
    forms=Forms(
        with_character=("{action}, {place}, {light}", "{action} {place}, {light}, {mood}"),
        without_character=("{thing} {place}, {light}, {mood}", "{thing}, {place}, {light}, -{unwanted}"),
    ),
    lists={
        "action": ("smiling", "waving", "reading a book", "drinking tea", "sitting", "walking", "laughing"),
        "thing": (
            "a lighthouse", "a red car", "an old house", "a sailing boat", "a brown dog", "a white cat",
            "a wooden bridge", "a hot-air balloon", "a bicycle",
        ),
        "place": (
            "on the beach", "in the forest", "in the mountains", "in a meadow", "in the city", "by a lake",
            "in the snow",
        ),
        "light": ("at sunset", "golden hour", "bright daylight", "at night", "soft light", "morning mist"),
        "mood": ("calm", "cheerful", "dreamy", "peaceful", "detailed background", "vivid colours"),
        "unwanted": ("text", "rain", "clouds"),
    },
)  # fmt: skip


def open_grammar(path: Path) -> Grammar:
    """The grammar in a YAML file; the built-in one where there is none, or (told in the log) a broken one."""
    if not path.exists():
        return BUILT_IN
    try:
        return load_grammar(path)
    except CatalogueError as error:
        log.warning("`random` draws from the built-in grammar: %s", error)
        return BUILT_IN
