"""The demo model: a generator of captioned pictures, and a small diffusion model trained on them."""
