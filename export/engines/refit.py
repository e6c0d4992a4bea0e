"""A character's plan out of its model's: every weight is set anew from the merged graph, none is changed by a
difference, so what a plan was before leaves no trace in it."""

from pathlib import Path

from export.engines.builder import Builder, logger_of
from export.errors import ExportError


def refit(builder: Builder, base_plan: Path, graph: Path, changed: frozenset[str], log: Path) -> memoryview:
    """The serialised plan of `graph`, which differs from the graph of `base_plan` in weights only.

    `changed`: the initialisers that differ. Raises ExportError if one weight of the plan is not set, or one
    of the changed is none of the plan's.
    """
    trt = builder.trt
    with logger_of(trt, log) as logger:
        engine = trt.Runtime(logger).deserialize_cuda_engine(base_plan.read_bytes())
        if engine is None:
            raise ExportError(f"TensorRT cannot read {base_plan}: {logger.last_error}")
        refitter = trt.Refitter(engine, logger)
        parser = trt.OnnxParserRefitter(refitter, logger)
        held = frozenset(refitter.get_all_weights())
        if lost := sorted(changed - held):
            raise ExportError(f"{len(lost)} changed weights cannot be refitted, such as {lost[0]}")
        if not parser.refit_from_file(str(graph)):
            told = parser.get_error(0).desc() if parser.num_errors else logger.last_error
            raise ExportError(f"TensorRT cannot refit from {graph}: {told}")
        # Only what is combined with a weight that was set counts as missing: so each is asked for by name.
        unset = [name for name in sorted(held) if not refitter.get_named_weights(name).size]
        if unset := unset or list(refitter.get_missing_weights()):
            raise ExportError(f"{len(unset)} weights of the plan are not in {graph}, such as {unset[0]}")
        if not refitter.refit_cuda_engine():
            raise ExportError(f"TensorRT did not refit: {logger.last_error}")
        plan = engine.serialize()
        if plan is None:
            raise ExportError(f"TensorRT wrote no refitted plan: {logger.last_error}")
    return memoryview(plan)
