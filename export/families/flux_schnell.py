"""FLUX.1 schnell in torch."""

from contract.families import FLUX_SCHNELL
from export.families.flux import flux_family

FAMILY = flux_family(FLUX_SCHNELL)
