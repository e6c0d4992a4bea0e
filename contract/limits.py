"""The largest values that more than one process checks."""

MAX_SIDE = 2048  # pixels, of one side of a picture
MAX_STEPS = 100
MAX_GUIDANCE = 30.0
MAX_SEED = 2**63 - 1
MAX_PROMPT_CHARACTERS = 4_000
"""Of each text that a client or the catalogue gives."""
MAX_COMPOSED_CHARACTERS = 40_000
"""Of one prompt as text_to_image takes it. The API composes up to 36,110: six texts of 4,000, spaces after
all commas added, and the word before what is excluded."""
MAX_STRENGTH = 10.0
"""How much of a LoRA, or of a part of it, may be merged in; also below 0."""
MAX_LORA_BYTES = 4 << 30

MAX_BATCH = 8
"""Samples that an exported network takes at once."""
MAX_WINDOWS = 32
"""Of tokens, in one prompt, that a denoiser looks at unless its description says fewer: 2,400 tokens."""
MAX_ENGINE_WINDOWS = 4
"""The same of plans and packages, which are built for few."""

MAX_ENCODER_BATCH = 32
"""Texts that the prompt encoder takes at once."""
MAX_ENCODER_BYTES = 32 << 10
"""Of one text that the prompt encoder is given; the longest prompt, 4,000 characters, takes 16,000."""
MAX_ENCODER_TOKENS = 512
"""At which the prompt encoder may cut a text."""
KEPT_TEXT_BYTES = 256 << 20
"""Of what large text encoders made of texts, in text_to_image's memory: 30 texts of T5 for FLUX.1 dev."""
