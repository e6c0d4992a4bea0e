"""How well the demo model draws what it is asked for."""
