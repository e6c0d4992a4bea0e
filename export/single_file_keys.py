"""How the keys of a checkpoint in one file begin, in Stability's words."""

UNET_PREFIX, VAE_PREFIX = "model.diffusion_model.", "first_stage_model."
