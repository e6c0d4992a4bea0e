"""BERT as a sentence encoder: its ONNX graph written straight from the checkpoint's weights, without torch.

Follows "BERT" (Devlin et al. 2018, post-norm encoder, exact GELU) and Sentence-BERT (Reimers & Gurevych 2019:
mean over the tokens, then length 1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
Weights = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class BertShape:
    """The part of a checkpoint's config.json that decides the graph."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    layer_norm_eps: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "BertShape":
        """Raises ValueError and KeyError for anything but a BERT as this graph computes it."""
        for key, only in (("model_type", "bert"), ("hidden_act", "gelu")):
            if config[key] != only:
                raise ValueError(f"{key} is {config[key]!r}, expected {only!r}")
        if config.get("position_embedding_type", "absolute") != "absolute":
            raise ValueError("position_embedding_type is not 'absolute'")
        return cls(
            hidden_size=int(config["hidden_size"]),
            num_hidden_layers=int(config["num_hidden_layers"]),
            num_attention_heads=int(config["num_attention_heads"]),
            layer_norm_eps=float(config["layer_norm_eps"]),
        )


class _Graph:
    """Nodes in the order in which they are added; every tensor is named for the node that makes it."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def add(self, kind: str, name: str, *inputs: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        array = np.ascontiguousarray(np.asarray(value, dtype=dtype))
        self.constants[name] = numpy_helper.from_array(array.reshape(np.shape(value)), name)
        return name


def sentence_encoder(weights: Weights, shape: BertShape) -> onnx.ModelProto:
    """input_ids and attention_mask int64 [batch, tokens] -> embedding fp32 [batch, hidden], of length 1."""
    graph = _Graph()
    hidden = _embeddings(graph, weights, shape)
    mask = graph.add("Cast", "mask", "attention_mask", to=TensorProto.FLOAT)
    unwanted = graph.add("Sub", "unwanted", graph.constant("one", 1.0), mask)
    far = graph.add("Mul", "far", unwanted, graph.constant("minus_many", -1e4))
    bias = graph.add("Unsqueeze", "attention_bias", far, graph.constant("head_axes", [1, 2], np.int64))
    for number in range(shape.num_hidden_layers):
        hidden = _layer(graph, weights, shape, f"encoder.layer.{number}", hidden, bias)
    _pooled(graph, hidden, mask)
    return _model(graph, shape)


def _embeddings(graph: _Graph, weights: Weights, shape: BertShape) -> str:
    table = graph.constant("word_embeddings", weights["embeddings.word_embeddings.weight"])
    words = graph.add("Gather", "words", table, "input_ids")
    # One text at a time, so every token has type 0: folded into the table of places.
    places = (
        weights["embeddings.position_embeddings.weight"]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    size = graph.add("Shape", "ids_shape", "input_ids")
    tokens = graph.add("Slice", "tokens", size, *_ints(graph, "tokens", [1], [2]))
    start = graph.constant("from_zero", [0], np.int64)
    placed = graph.add("Slice", "placed", graph.constant("places", places), start, tokens, start)
    return _norm(graph, weights, shape, "embeddings.LayerNorm", graph.add("Add", "embedded", words, placed))


def _layer(graph: _Graph, weights: Weights, shape: BertShape, name: str, hidden: str, bias: str) -> str:
    attended = _attention(graph, weights, shape, f"{name}.attention", hidden, bias)
    mixed = _dense(graph, weights, f"{name}.attention.output.dense", attended)
    between = _norm(
        graph, weights, shape, f"{name}.attention.output.LayerNorm",
        graph.add("Add", f"{name}.attention.sum", mixed, hidden),
    )  # fmt: skip
    wide = _gelu(graph, name, _dense(graph, weights, f"{name}.intermediate.dense", between))
    narrow = _dense(graph, weights, f"{name}.output.dense", wide)
    return _norm(
        graph, weights, shape, f"{name}.output.LayerNorm", graph.add("Add", f"{name}.sum", narrow, between)
    )


def _attention(graph: _Graph, weights: Weights, shape: BertShape, name: str, hidden: str, bias: str) -> str:
    width = shape.hidden_size // shape.num_attention_heads
    split = graph.constant("split_heads", [0, 0, shape.num_attention_heads, width], np.int64)
    joined = graph.constant("join_heads", [0, 0, shape.hidden_size], np.int64)

    def heads(part: str, *order: int) -> str:
        dense = _dense(graph, weights, f"{name}.self.{part}", hidden)
        return graph.add(
            "Transpose", f"{name}.{part}.heads", graph.add("Reshape", f"{name}.{part}.split", dense, split),
            perm=order,
        )  # fmt: skip

    scores = graph.add("MatMul", f"{name}.scores", heads("query", 0, 2, 1, 3), heads("key", 0, 2, 3, 1))
    scaled = graph.add("Mul", f"{name}.scaled", scores, graph.constant("head_scale", width**-0.5))
    share = graph.add("Softmax", f"{name}.share", graph.add("Add", f"{name}.biased", scaled, bias), axis=-1)
    mixed = graph.add("MatMul", f"{name}.mixed", share, heads("value", 0, 2, 1, 3))
    turned = graph.add("Transpose", f"{name}.turned", mixed, perm=(0, 2, 1, 3))
    return graph.add("Reshape", f"{name}.joined", turned, joined)


def _dense(graph: _Graph, weights: Weights, name: str, inputs: str) -> str:
    matrix = graph.constant(f"{name}.weight", weights[f"{name}.weight"].T)
    product = graph.add("MatMul", f"{name}.product", inputs, matrix)
    return graph.add("Add", f"{name}.out", product, graph.constant(f"{name}.bias", weights[f"{name}.bias"]))


def _norm(graph: _Graph, weights: Weights, shape: BertShape, name: str, inputs: str) -> str:
    scale = graph.constant(f"{name}.weight", weights[f"{name}.weight"])
    shift = graph.constant(f"{name}.bias", weights[f"{name}.bias"])
    return graph.add("LayerNormalization", f"{name}.out", inputs, scale, shift, epsilon=shape.layer_norm_eps)


def _gelu(graph: _Graph, name: str, inputs: str) -> str:
    """x / 2 (1 + erf(x / sqrt 2)), in the order of nodes that onnxruntime knows to fuse."""
    divided = graph.add("Div", f"{name}.gelu.div", inputs, graph.constant("root_two", 2**0.5))
    erf = graph.add("Erf", f"{name}.gelu.erf", divided)
    raised = graph.add("Add", f"{name}.gelu.add", erf, graph.constant("one", 1.0))
    product = graph.add("Mul", f"{name}.gelu.mul", inputs, raised)
    return graph.add("Mul", f"{name}.gelu.out", product, graph.constant("half", 0.5))


def _pooled(graph: _Graph, hidden: str, mask: str) -> None:
    column = graph.add("Unsqueeze", "mask_column", mask, graph.constant("last_axis", [-1], np.int64))
    token_axis = graph.constant("token_axis", [1], np.int64)
    total = graph.add(
        "ReduceSum", "total", graph.add("Mul", "masked", hidden, column), token_axis, keepdims=0
    )
    # The mean's divisor falls away when the length is made 1.
    length = graph.add("ReduceL2", "length", total, axes=[1], keepdims=1)
    graph.add(
        "Div", "embedding", total, graph.add("Max", "safe_length", length, graph.constant("tiny", 1e-12))
    )


def _ints(graph: _Graph, name: str, *values: list[int]) -> list[str]:
    return [graph.constant(f"{name}_{at}", value, np.int64) for at, value in enumerate(values)]


def _model(graph: _Graph, shape: BertShape) -> onnx.ModelProto:
    made = helper.make_graph(
        graph.nodes,
        "sentence_encoder",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", shape.hidden_size])],
        list(graph.constants.values()),
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    return model
