"""Random kills and stops of every part of a fleet under load, and an independent look at what is left."""
