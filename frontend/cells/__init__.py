"""Processes of small rights in which strangers' bytes are read; docs/decisions/cells.md."""
