"""Small files, changed at random: python -m tests.fuzz. docs/decisions/cells.md says what is looked for."""
