import os

# A merge changes one weight in each thread (rewrite.py); numpy's own threads would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
