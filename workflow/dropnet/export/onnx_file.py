"""Networks as ONNX files: written by torch's exporter, run by onnxruntime on one thread."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from dropnet.export.module import NetworkModule
from dropnet.files.artifacts import artifact, atomic_path

OPSET = 18  # the one that torch's exporter knows best, and that runtimes have had since 2023
IMAGES, LOGITS = "images", "logits"  # the names of input and output


def write(path: str | Path, module: NetworkModule, image_shape: Sequence[int], says: str) -> None:
    """Write a network as ONNX, for any number of images at a time.

    Args:
        path: of the file.
        module: the network, in float32.
        image_shape: (channels, height, width) of its images.
        says: a line that the file holds about itself.
    """
    program = torch.onnx.export(
        module,
        (torch.zeros(2, *image_shape),),
        dynamo=True,
        opset_version=OPSET,
        input_names=[IMAGES],
        output_names=[LOGITS],
        dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    # where on this machine each operation was written down is nobody's business
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    for value in graph.value_info:
        del value.metadata_props[:]
    model.doc_string = says
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


def start(path: str | Path) -> onnxruntime.InferenceSession:
    """Load a network that `write` wrote, to be run on one thread.

    Raises UserError if the file is missing or is no network.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    with artifact(path):
        content = Path(path).read_bytes()
        try:
            return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
        except Exception as error:  # its errors have no class in common but this
            raise ValueError(str(error)) from None


def logits_of(session: onnxruntime.InferenceSession, images: np.ndarray) -> np.ndarray:
    """Return the logits [images, classes] of float32 images [n, channels, height, width]."""
    return session.run([LOGITS], {IMAGES: images})[0]
