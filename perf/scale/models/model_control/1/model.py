"""A `model_control` that tells of one model, and of as many orders as its `text_to_image` takes at a time."""

import os
import sys

if "IMGEN_TRITON_SITE" in os.environ:
    sys.path[:0] = os.environ["IMGEN_TRITON_SITE"].split(os.pathsep)

import numpy as np
import triton_python_backend_utils as pb_utils

from contract.inventory import ModelStock, inventory_to_json
from contract.names import order_counts_file
from contract.order_counts import told_order_counts


class TritonPythonModel:
    def execute(self, requests: list["pb_utils.InferenceRequest"]) -> list["pb_utils.InferenceResponse"]:
        orders = told_order_counts(order_counts_file(os.getppid()))
        stock = ModelStock(frozenset(), at_once=int(os.environ["SCALE_SLOTS"]), orders=orders.get("eros", 0))
        told = np.array([inventory_to_json({"eros": stock}).encode()], dtype=object)
        tensors = [pb_utils.Tensor("done", np.array([True])), pb_utils.Tensor("inventory", told)]
        return [pb_utils.InferenceResponse(tensors) for _ in requests]
