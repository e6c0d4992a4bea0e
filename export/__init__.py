import os

# Read when diffusers is imported; it else tells, of every run, that optimum comes in two distributions.
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
