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
WORDS = tuple(
    """
    about above across air alone also always ancient animal apron arch around art autumn baby bag
    baking bakery band bank barn basket bathroom beautiful bed bee bench berry birthday
    bottle bowl box branch bread breeze brick bridge bright broom brush bucket building busy
    butterfly button camera candle candy carrying cart chef child chimney christmas church cliff
    climbing clock cloth coffee colourful cooking corn countryside cow crab crown cute dance dancing
    deep deer dinosaur doctor dolphin donkey door dragon drawing dream drum duck eagle earth east
    elephant elf engine fairy falling family farm farmer feather feeding fence festival
    fire firefly floating floor fluffy flying fountain friend frog
    fruit full funny gate ghost giraffe glass goat gold grand grape grass guitar hall hand
    happy harbour harvest heart hedgehog helicopter high hill holding holiday honey horse huge ice
    island jar jungle king kitchen kitten knight ladder lantern large laughing leaf lemon leopard
    library light lion little living lonely looking magic making mango map market mask melon milk
    mill mirror monkey motorcycle mouse museum music near nest newspaper ocean
    office orchard outdoors painting palace panda paper parrot party path peach pencil piano picnic
    picture pier pig pineapple pirate pizza plane planet plate playing pond pony poppy pot prince
    princess puppy pumpkin queen rainbow ribbon rice river road rock roof rope rose
    running sail sandwich school shadow sheep shell ship shop silver singing
    sky sleeping slide small smile snail snake snowman sofa soup space spider spoon spring
    square squirrel station steam stone story strawberry street sunflower
    swan sweet swimming sword table taking tall tea teacher teapot teddy telescope temple tiger
    tomato tower toy tractor trail train travel treasure truck tulip valley van vase vegetable
    village violin waiting walking wall watching water waterfall watering wave whale wheel wild wind
    windmill window witch wizard wolf wood writing zebra
    """.split()  # noqa: SIM905
)
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
