"""How an idea is put to a base model, which continues text and follows no instructions."""

# (idea, what a good answer adds to it). The model picks up the pattern from these.
EXAMPLES = (
    (
        "cat, window",
        "sitting on the sill, soft morning light, cosy room, potted plants, warm colours, fine detail",
    ),
    (
        "old bridge, river",
        "mossy stone arches, autumn trees, golden light, mist on the water, calm reflections",
    ),
    (
        "girl reading a book",
        "under a tree, green meadow, dappled sunlight, gentle breeze, relaxed smile, warm tones",
    ),
    (
        "city, night",
        "glowing shop windows, wet pavement, colourful reflections, light fog, wide view, deep blue sky",
    ),
    (
        "hot-air balloon",
        "floating over rolling hills, pastel sky, fluffy clouds, early morning, bright stripes, peaceful",
    ),
)
MAX_IDEA_CHARACTERS = 500  # what is beyond adds little, and the time to read it grows

_TASK = (
    "Each picture is described by its idea, followed by fitting details: setting, light, colours, mood.\n\n"
)
HEAD = _TASK + "".join(f"Idea: {idea}\nPicture: {idea}, {details}\n\n" for idea, details in EXAMPLES)


def extract_idea(message: str) -> str:
    """One line of at most MAX_IDEA_CHARACTERS, cut between terms where that is possible."""
    line = " ".join(message.split()).strip(" ,")
    if len(line) <= MAX_IDEA_CHARACTERS:
        return line
    head, comma, _ = line[: MAX_IDEA_CHARACTERS + 1].rpartition(",")
    return head.rstrip(" ,") if comma else line[:MAX_IDEA_CHARACTERS]


def frame_idea(idea: str) -> str:
    """What follows HEAD. The model goes on writing: first the idea's details, then a line break."""
    return f"Idea: {idea}\nPicture: {idea},"


def extract_details(written: str) -> tuple[str, bool]:
    """(the details written so far, whether the model has come to their end)."""
    ends = [at for mark in ("\n", "<", "Idea:") if (at := written.find(mark)) >= 0]
    text = written[: min(ends)] if ends else written
    return text.rstrip("\ufffd").strip(" ,."), bool(ends)
