"""Picture orders for the toy model, small and quick, and what is done with their progress."""

from frontend.domain.picture import PictureOrder


def order(
    prompt: str = "a quiet lake",
    *,
    negative: str = "rain",
    model: str = "tiny",
    character: str = "",
    width: int = 128,
    height: int = 64,
    steps: int = 4,
    guidance: float = 3.0,
    seed: int = 7,
) -> PictureOrder:
    return PictureOrder(
        prompt=prompt,
        negative=negative,
        model=model,
        character=character,
        width=width,
        height=height,
        steps=steps,
        guidance=guidance,
        seed=seed,
    )


async def ignore(share: float) -> None:
    """For orders whose progress nobody follows."""
