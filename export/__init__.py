import os
import sys

from frontend.common.printable import print_traceback

# Nothing is ever fetched, whatever a checkpoint's files name. Read when the libraries are imported.
for _switch in (
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_HUB_DISABLE_TELEMETRY",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN",
):
    os.environ[_switch] = "1"
# Else they write paragraphs, with words of the checkpoint in them.
os.environ["DIFFUSERS_VERBOSITY"] = os.environ["TRANSFORMERS_VERBOSITY"] = "error"
sys.excepthook = print_traceback
# A merge changes one weight in each thread (rewrite.py); numpy's own threads would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
