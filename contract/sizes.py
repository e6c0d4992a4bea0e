"""The sizes of pictures that a client may ask for."""

SIZES: tuple[tuple[int, int], ...] = (
    (1344, 768),
    (1024, 1024),
    (768, 1344),
    (1216, 832),
    (832, 1216),
    (1152, 896),
    (896, 1152),
)
"""(width, height) in pixels; the first is what anything else becomes."""
