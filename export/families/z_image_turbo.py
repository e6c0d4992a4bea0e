"""Z-Image-Turbo in torch: the same networks, trained to draw in few steps and without guidance."""

from contract.families import Z_IMAGE_TURBO
from export.families.z_image import z_image_family

FAMILY = z_image_family(Z_IMAGE_TURBO)
