"""Vectors in partitions, searched by their nearness, and kept on disk."""
