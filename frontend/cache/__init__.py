"""The semantic cache: pictures that were made before, for requests that mean the same."""
