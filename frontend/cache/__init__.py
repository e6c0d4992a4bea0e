"""The semantic cache: pictures that were made, served again to those who ask for the same."""
