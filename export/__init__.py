import os

# A merge changes one weight in each thread (rewrite.py); numpy's own threads would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Read when diffusers is imported; it else tells, of every run, that optimum comes in two distributions.
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
