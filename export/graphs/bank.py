"""A bank's tables in a traced graph: inputs that the backend binds, of as many slots as the bank has."""

import onnx

from contract.bank import SLOTS, STRENGTHS, Bank, BankSize, is_table, tables_of


def take_bank(model: onnx.ModelProto, size: BankSize) -> Bank:
    """Gives the graph's tables their number of slots, and drops those that nothing reads. Where none is left,
    as in a part that has no bank, the graph is as it was."""
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    for position in reversed(range(len(graph.input))):
        one = graph.input[position]
        if is_table(one.name) and one.name not in used:
            del graph.input[position]
        elif is_table(one.name):
            one.type.tensor_type.shape.dim[0].dim_value = size.slots + 1
    shapes = {
        one.name: [dim.dim_value for dim in one.type.tensor_type.shape.dim]
        for one in graph.input
        if one.name not in (SLOTS, STRENGTHS)
    }
    return Bank(size, tables_of(shapes))
