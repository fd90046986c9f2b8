"""Lower the kernels that a stack launches, for a GPU that is not there.

Triton's interpreter runs kernels as Python, and lets pass what its compiler refuses. So a process
without the interpreter (`python lowering.py [--whole] MODEL ...`) goes through a step, an
evaluation and the statistics of a model without running a kernel, and has the compiler translate
each launch to its intermediate language; with --whole to an H100's machine code, which takes
seconds a kernel, and holds it to the memory that an H100 shares among a program's threads.
"""

import argparse
import sys

import torch
import triton
from triton._C.libtriton import ir
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.compiler.compiler import make_backend
from triton.runtime.jit import JITFunction

from dropnet.networks.masks import Masks
from dropnet.networks.models import MODELS, Model, masked_widths
from dropnet.networks.weights import initial_weights
from dropnet.training.stacked import engine, kernels
from helpers.images import make_images
from helpers.settings import toy_settings

H100 = GPUTarget("cuda", 90, 32)
SHARED = 232_448  # bytes, of CUDA's table for compute capability 9.0
POINTERS = {
    torch.float32: "*fp32",
    torch.float64: "*fp64",
    torch.int64: "*i64",
    torch.int32: "*i32",
    torch.int8: "*i8",
}
#: Widths, channels and sides: with those of the paper where only compiling shows what they ask for.
SHAPES = {
    "Conv": ((40, 64), 1, 28),
    "ConvFC256": ((100, 130), 3, 32),
    "ResNet18": ((64, 64, 128, 256, 512), 3, 32),
    "VGG19": ((64, 128, 256, 512, 512), 3, 32),
    "VGG19FC1024": ((64, 128, 256, 512, 512), 3, 64),
    "residual": ((4, 2, 3), 1, 9),
    "normalised": ((2, 3, 3), 3, 7),
}
for name in ("residual", "normalised"):
    MODELS[name] = Model(f"helpers.families.{name}")


class Launcher:
    """Stands for a kernel: a launch is translated, once for each kind of arguments, and not run."""

    def __init__(self, function, whole, done):
        self.function, self.whole, self.done = function, whole, done

    def __getitem__(self, grid):
        return self.launch

    def launch(self, *arguments, **more):
        options = {name: more.pop(name) for name in ("num_warps", "num_stages") if name in more}
        values = dict(zip(self.function.arg_names, arguments, strict=False)) | more
        assert values.keys() == set(self.function.arg_names)
        signature, constants, divisible = {}, {}, {}
        for place, parameter in enumerate(self.function.params):
            value = values[parameter.name]
            if parameter.is_constexpr:
                kind, constants[place,] = "constexpr", value
            elif isinstance(value, torch.Tensor):
                kind = POINTERS[value.dtype]
            else:
                kind = "fp32" if isinstance(value, float) else "i32"
            signature[parameter.name] = kind
            whole = kind == "i32" and not parameter.do_not_specialize and value % 16 == 0
            if whole or kind.startswith("*"):
                divisible[place,] = [["tt.divisibility", 16]]
        source = ASTSource(self.function, signature, constants, divisible)
        key = self.function.__name__, str((signature, constants, divisible, options))
        if key not in self.done:
            self.done[key] = self.compiled(source, options) if self.whole else self.lowered(source)

    def lowered(self, source):
        backend = make_backend(H100)
        options, context = backend.parse_options({}), ir.context()
        ir.load_dialects(context)
        backend.load_dialects(context)
        functions = backend.get_codegen_implementation(options)
        source.make_ir(H100, options, functions, backend.get_module_map(), context)
        return 0

    def compiled(self, source, options):
        shared = triton.compile(source, target=H100, options=options).metadata.shared
        assert shared <= SHARED, (self.function.__name__, shared)
        return shared


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", choices=list(SHAPES))
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--whole", action="store_true")
    options = parser.parse_args()
    done = {}
    for name, kernel in list(vars(kernels).items()):
        if isinstance(kernel, JITFunction) and not name.startswith("_"):
            setattr(kernels, name, Launcher(kernel, options.whole, done))
    for model in options.models:
        widths, channels, side = SHAPES[model]
        settings = toy_settings(model, widths, precision=options.precision)
        splits = [make_images(16, seed, side, channels=channels) for seed in range(3)]
        task = engine.Task(*splits, settings)
        full = Masks.full(masked_widths(task.layers))
        stack = task.stack([initial_weights(task.steps(), 0)], [full])
        stack.train_epoch(1)
        stack.evaluate(task.validation)
        stack.statistics(task.train)
    for name in sorted({name for name, _ in done}):
        print(name, max(shared for (other, _), shared in done.items() if other == name))
    print(len(done), "launches", file=sys.stderr)


if __name__ == "__main__":
    main()
