"""Captioned pictures drawn by program: everything that the demo model has ever seen."""
