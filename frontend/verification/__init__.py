"""Whether a picture was made here: what is in the file, held against the registry."""
