"""Writes a Triton model repository of toy networks with the real contract: small, quick, and exact.

Run by Triton's own interpreter (it has onnx): python tests/tiny_models.py FOLDER
Model `tiny`: 4 latent channels, downscale 8, characters aya (with a text encoder), bella and cleo, each a
little over 1 MiB.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

CHANNELS, HIDDEN, WIDTH, POOLED, WINDOW, SCALE = 4, 32, 8, 8, 77, 8
ALPHABET = [chr(code) for code in range(32, 127)]
Input = tuple[str, str, list[int | str]]  # name, type, shape without the batch
BANK_RANK, ADAPTERS = 2, "adapters"
TABLES = {"project.lora_down": WIDTH, "project.lora_up": CHANNELS}  # columns of each
TYPES = {"FP32": TensorProto.FLOAT, "INT64": TensorProto.INT64, "UINT8": TensorProto.UINT8}
Constants = dict[str, npt.NDArray[np.generic]]


def write_model(
    folder: Path,
    inputs: Sequence[Input],
    outputs: Sequence[Input],
    nodes: Sequence[onnx.NodeProto],
    constants: Constants,
    tables: Sequence[onnx.ValueInfoProto] = (),
) -> None:
    """`tables`: of a bank, which are inputs of the graph and not of the model."""
    graph = helper.make_graph(
        list(nodes),
        folder.name,
        [*(_info(item) for item in inputs), *tables],
        [_info(item) for item in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    (folder / "1").mkdir(parents=True)
    onnx.save(model, str(folder / "1" / "model.onnx"))
    config = [f'name: "{folder.name}"', 'backend: "onnxruntime"', "max_batch_size: 8", "dynamic_batching { }"]
    config += [f"input [ {', '.join(map(_declared, inputs))} ]"]
    config += [f"output [ {', '.join(map(_declared, outputs))} ]"]
    config += ["instance_group [ { count: 1, kind: KIND_CPU } ]"]
    config += ['parameters { key: "intra_op_thread_count" value: { string_value: "1" } }']
    (folder / "config.pbtxt").write_text("\n".join(config) + "\n")


def _info(item: Input) -> onnx.ValueInfoProto:
    name, kind, shape = item
    return helper.make_tensor_value_info(name, TYPES[kind], ["batch", *shape])


def _declared(item: Input) -> str:
    name, kind, shape = item
    dims = ", ".join(str(size) if isinstance(size, int) else "-1" for size in shape)
    return f'{{ name: "{name}", data_type: TYPE_{kind}, dims: [ {dims} ] }}'


def write_text_encoder(folder: Path, seed: int) -> None:
    """embeddings[t] = table[tokens[t]] + table_2[tokens_2[t]], pooled = their mean."""
    random = np.random.default_rng(seed)
    size = len(ALPHABET) + 3
    write_model(
        folder,
        [("tokens", "INT64", [WINDOW]), ("tokens_2", "INT64", [WINDOW])],
        [("embeddings", "FP32", [WINDOW, WIDTH]), ("pooled", "FP32", [POOLED])],
        [
            helper.make_node("Gather", ["table", "tokens"], ["first"]),
            helper.make_node("Gather", ["table_2", "tokens_2"], ["second"]),
            helper.make_node("Add", ["first", "second"], ["embeddings"]),
            helper.make_node("ReduceMean", ["embeddings", "axis"], ["pooled"], keepdims=0),
        ],
        {
            "table": random.standard_normal((size, WIDTH)).astype(np.float32),
            "table_2": random.standard_normal((size, WIDTH)).astype(np.float32),
            "axis": np.array([1], np.int64),
        },
    )


def write_denoiser(folder: Path, seed: int, slots: int = 0) -> None:
    """One Euler step along a guided velocity: two convolutions of the latents plus the prompt's mean.

    `slots`: with a bank of so many, for the layer `project`.
    """
    random = np.random.default_rng(seed)
    free: list[int | str] = [CHANNELS, "height", "width"]
    nodes = [
        helper.make_node("Conv", ["latents", "w1"], ["hidden"], pads=[1, 1, 1, 1]),
        helper.make_node("Tanh", ["hidden"], ["bent"]),
        helper.make_node("Conv", ["bent", "w2"], ["inner"], pads=[1, 1, 1, 1]),
    ]
    for sign in ("", "negative_"):
        nodes += [
            helper.make_node("ReduceMean", [f"{sign}embeddings", "axis"], [f"{sign}mean"], keepdims=0),
            helper.make_node("Add", [f"{sign}mean", f"{sign}pooled"], [f"{sign}condition"]),
            *_push(sign, banked=slots > 0),
        ]
    nodes += [
        helper.make_node("Sub", ["push", "negative_push"], ["apart"]),
        helper.make_node("Mul", ["apart", "guidance"], ["scaled"]),
        helper.make_node("Add", ["negative_push", "scaled"], ["guided"]),
        helper.make_node("ReduceMean", ["time_ids", "axis"], ["times"], keepdims=1),
        helper.make_node("Mul", ["times", "little"], ["nudge"]),
        helper.make_node("Add", ["guided", "nudge"], ["wanted"]),
        helper.make_node("Unsqueeze", ["wanted", "last_two"], ["everywhere"]),
        helper.make_node("Add", ["inner", "everywhere"], ["velocity"]),
        helper.make_node("Sub", ["sigma_next", "sigma"], ["change"]),
        helper.make_node("Unsqueeze", ["change", "last_two"], ["stride"]),
        helper.make_node("Mul", ["velocity", "stride"], ["moved"]),
        helper.make_node("Add", ["latents", "moved"], ["next_latents"]),
    ]
    one: list[int | str] = [1]
    adapters: list[int | str] = [ADAPTERS]
    write_model(
        folder,
        [
            ("latents", "FP32", free),
            ("sigma", "FP32", one),
            ("sigma_next", "FP32", one),
            ("guidance", "FP32", one),
            ("embeddings", "FP32", ["tokens", WIDTH]),
            ("negative_embeddings", "FP32", ["tokens", WIDTH]),
            ("pooled", "FP32", [POOLED]),
            ("negative_pooled", "FP32", [POOLED]),
            ("time_ids", "FP32", [6]),
            *([("slots", "INT64", adapters), ("strengths", "FP32", adapters)] if slots else []),
        ],
        [("next_latents", "FP32", free)],
        nodes,
        {
            "w1": random.standard_normal((HIDDEN, CHANNELS, 3, 3)).astype(np.float32) * 0.2,
            "w2": random.standard_normal((CHANNELS, HIDDEN, 3, 3)).astype(np.float32) * 0.05,
            "project": random.standard_normal((WIDTH, CHANNELS)).astype(np.float32),
            "axis": np.array([1], np.int64),
            "last_two": np.array([2, 3], np.int64),
            "little": np.array([1e-4], np.float32),
            "ballast": np.ones(1 << 18, np.float32),  # 1 MiB that no node uses, for budgets in MiB
        },
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [slots + 1, BANK_RANK, columns])
            for name, columns in TABLES.items()
            if slots
        ],
    )
    description = {
        "format": 1,
        "prediction": "flow",
        "sigmas": {"kind": "flow", "shift": 3.0},
        "init_noise": "flow",
        "latent_channels": CHANNELS,
        "downscale": SCALE,
        "pad_token": 0,
        "pad_token_2": 0,
        "token_window": WINDOW,
    }
    (folder / "pipeline.json").write_text(json.dumps(description))


def _push(sign: str, *, banked: bool) -> list[onnx.NodeProto]:
    condition, push = f"{sign}condition", f"{sign}push"
    if not banked:
        return [helper.make_node("MatMul", [condition, "project"], [push])]
    down, up = TABLES
    # [B, 1, WIDTH] by [B, adapters, rank, WIDTH], summed over both adapters.
    equation = "bw,barw,ba,barc->bc"
    return [
        helper.make_node("MatMul", [condition, "project"], [f"{sign}plain"]),
        helper.make_node("Gather", [down, "slots"], [f"{sign}down"]),
        helper.make_node("Gather", [up, "slots"], [f"{sign}up"]),
        helper.make_node(
            "Einsum",
            [condition, f"{sign}down", "strengths", f"{sign}up"],
            [f"{sign}added"],
            equation=equation,
        ),
        helper.make_node("Add", [f"{sign}plain", f"{sign}added"], [push]),
    ]


def write_decoder(folder: Path) -> None:
    """Nearest-neighbour enlargement of three channels."""
    write_model(
        folder,
        [("latents", "FP32", [CHANNELS, "h", "w"])],
        [("image", "UINT8", ["height", "width", 3])],
        [
            helper.make_node("Slice", ["latents", "zero", "three", "axis"], ["colours"]),
            helper.make_node("Resize", ["colours", "", "scales"], ["large"], mode="nearest"),
            helper.make_node("Mul", ["large", "gain"], ["bright"]),
            helper.make_node("Add", ["bright", "middle"], ["centred"]),
            helper.make_node("Clip", ["centred", "low", "high"], ["clipped"]),
            helper.make_node("Round", ["clipped"], ["rounded"]),
            helper.make_node("Cast", ["rounded"], ["bytes"], to=TensorProto.UINT8),
            helper.make_node("Transpose", ["bytes"], ["image"], perm=[0, 2, 3, 1]),
        ],
        {
            "zero": np.array([0], np.int64),
            "three": np.array([3], np.int64),
            "axis": np.array([1], np.int64),
            "scales": np.array([1, 1, SCALE, SCALE], np.float32),
            "gain": np.array(40, np.float32),
            "middle": np.array(128, np.float32),
            "low": np.array(0, np.float32),
            "high": np.array(255, np.float32),
        },
    )


def write_tokenizer(path: Path) -> None:
    """One token a character: 0 pads, 1 starts, 2 ends."""
    vocabulary = {"<pad>": 0, "<start>": 1, "<end>": 2} | {item: i + 3 for i, item in enumerate(ALPHABET)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", 2)]
    )
    path.parent.mkdir(parents=True)
    tokenizer.save(str(path))


def main(folder: Path) -> None:
    for index, name in enumerate(("", "--aya")):
        encoder = folder / f"tiny-text-encoder{name}"
        write_text_encoder(encoder, seed=10 + index)
        for tokenizer in ("tokenizer", "tokenizer_2"):
            write_tokenizer(encoder / tokenizer / "tokenizer.json")
    for index, name in enumerate(("", "--aya", "--bella", "--cleo")):
        write_denoiser(folder / f"tiny-denoiser{name}", seed=20 + index)
    write_decoder(folder / "tiny-decoder")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
