"""Words that people write into prompts and that this generator cannot draw.

Captions carry some of them at random, so that the model learns to look past what it does not know.
"""

from __future__ import annotations

from random import Random

QUALITY = (
    "best quality", "high quality", "highly detailed", "masterpiece", "beautiful", "professional",
    "sharp focus", "clean lines", "vivid colours", "crisp", "illustration", "cute", "friendly",
    "detailed background", "4k", "soft colours", "pleasing composition", "polished", "artwork",
    "picture", "drawing", "cartoon", "elegant",
)  # fmt: skip
FLAWS = (
    "blurry", "low quality", "ugly", "ugly hands", "bad anatomy", "deformed", "watermark", "text",
    "signature", "noise", "distorted", "worst quality", "jpeg artifacts", "cropped", "dull",
    "messy", "crowd", "cars", "extra fingers",
)  # fmt: skip
MOODS = (
    "calm", "cheerful", "dreamy", "quiet", "playful", "peaceful", "festive", "adventurous", "happy",
    "lonely", "magical", "mysterious", "romantic", "lively", "gentle", "serene", "nostalgic",
    "epic", "tiny", "old", "big",
)  # fmt: skip
THINGS = tuple(
    """
    apron bag barn basket bee bell berry bottle bowl box bridge broom bucket butterfly camera candle
    cart chimney church clock cow crab crown deer dinosaur dolphin donkey door dragon drum duck elephant
    feather fence fountain frog gate ghost giraffe guitar hammer hedgehog helicopter horse jar kangaroo
    key ladder lantern leaf lemon leopard lion mango mask melon mill mirror monkey motorcycle mouse
    nest palace panda parrot peach pencil piano pig pineapple pizza plane planet pony pumpkin sandwich
    sheep shell ship snail snake snowman spaceship spider spoon squirrel strawberry swan sword teapot
    telescope temple tiger tomato tower tractor train treasure truck unicorn vase violin waterfall whale
    windmill zebra
    """.split()  # noqa: SIM905
)
"""What this generator cannot draw, by itself."""
WORDS = (
    *THINGS,
    *"""
    about above across air alone also always ancient animal arch around art autumn baby baking bakery
    band bank bathroom beautiful bed bench birthday branch bread breeze brick bright brush building
    busy button candy carrying chef child christmas cliff climbing cloth coffee colourful cooking corn
    countryside cute dance dancing deep doctor drawing dream eagle earth east elf engine fairy falling
    family farm farmer feeding festival fire firefly floating floor fluffy flying friend fruit full
    funny glass goat gold grand grape grass hall hand happy harbour harvest heart high hill holding
    holiday honey huge ice island jungle king kitchen kitten knight large laughing library light
    little living lonely looking magic making map market milk museum music near newspaper ocean office
    orchard outdoors painting paper party path picnic picture pier pirate plate playing pond poppy pot
    prince princess puppy queen rainbow ribbon rice river road rock roof rope rose running sail school
    shadow shop silver singing sky sleeping slide small smile sofa soup space spring square station
    steam stone story street sunflower sweet swimming table taking tall tea teacher teddy toy trail
    travel tulip valley van vegetable village waiting walking wall watching water watering wave wheel
    wild wind window witch wizard wolf wood writing
    """.split(),  # noqa: SIM905
)
_LETTERS = "aeiorstnlmdkpub"


def filler(random: Random) -> str:
    kind = random.random()
    if kind < 0.45:
        return random.choice(QUALITY)
    if kind < 0.65:
        return random.choice(MOODS)
    if kind < 0.9:
        return " ".join(random.choice(WORDS) for _ in range(random.choice((1, 1, 2))))
    return "".join(random.choice(_LETTERS) for _ in range(random.randint(3, 7)))


def flaws(random: Random) -> str:
    """A prompt about nothing, as negatives often are."""
    return ", ".join(random.choice((*FLAWS, filler(random))) for _ in range(random.randint(1, 8)))
