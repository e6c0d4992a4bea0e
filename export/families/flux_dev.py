"""FLUX.1 dev in torch."""

from contract.families import FLUX_DEV
from export.families.flux import flux_family

FAMILY = flux_family(FLUX_DEV)
