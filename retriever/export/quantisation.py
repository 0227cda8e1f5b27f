"""ONNX graphs in int8: products with a scale for each output channel, embeddings for each row.

With one scale for a whole tensor, MiniLM's vectors keep a cosine of only .93 to float32; and
onnxruntime gives embeddings one scale whatever it is asked for, so they are done here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from xret.errors import MissingLibraryError
from xret.retriever.encoders.onnx_session import DATA

__all__ = ["onnx_library", "quantise_graph"]


def onnx_library() -> Any:
    """onnx, with all that torch's exporter needs beside it.

    Raises MissingLibraryError without the extra `export`.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401 (torch's exporter needs it)
    except ImportError:
        raise MissingLibraryError(
            "exporting a model needs onnx and onnxscript: pip install 'xret[export]'"
        ) from None
    return onnx


def quantise_graph(path: Path) -> None:
    """Bring a float32 graph to int8, in place; weights beside it move into it.

    Raises MissingLibraryError without the extra `export`.
    """
    onnx = onnx_library()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(path)
    path.with_name(DATA).unlink(missing_ok=True)
    # Shapes are inferred and the graph is optimised already, by torch's exporter.
    onnx.helper.set_model_props(graph, {"onnx.quant.pre_process": "onnxruntime.quant"})
    quantize_dynamic(
        graph,
        path,
        op_types_to_quantize=["MatMul", "Gemm"],
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    graph = onnx.load(path)
    _quantise_embeddings(graph.graph)
    onnx.save(graph, path)


def _quantise_embeddings(graph: Any) -> None:
    """Each table of vectors as int8 rows with a scale each; a lookup multiplies them."""
    from onnx import helper, numpy_helper

    tables = {initial.name: initial for initial in graph.initializer}
    nodes, done = [], set()
    for node in graph.node:
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or len(table.dims) != 2 or table.data_type != 1 or table.dims[1] < 8:
            nodes.append(node)
            continue
        name, out = table.name, node.output[0]
        if name not in done:
            values = numpy_helper.to_array(table)
            largest = np.abs(values).max(1, keepdims=True)
            scales = np.maximum(largest / 127, 1e-12).astype(np.float32)
            codes = np.round(values / scales).astype(np.int8)
            for suffix, array in (("codes", codes), ("scales", scales)):
                graph.initializer.append(numpy_helper.from_array(array, f"{name}.{suffix}"))
            done.add(name)
        nodes += [
            helper.make_node("Gather", [f"{name}.codes", node.input[1]], [f"{out}.codes"]),
            helper.make_node("Gather", [f"{name}.scales", node.input[1]], [f"{out}.scales"]),
            helper.make_node("Cast", [f"{out}.codes"], [f"{out}.cast"], to=1),
            helper.make_node("Mul", [f"{out}.cast", f"{out}.scales"], [out]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in graph.node for name in node.input}
    for i in reversed(range(len(graph.initializer))):
        if graph.initializer[i].name not in used:
            del graph.initializer[i]
