"""Pruned networks for use elsewhere: as ONNX files at their pruned size, and how fast those are.

`widths` rounds a network's layers up, `module` makes it a torch module, `onnx_file` writes and runs
that as ONNX, `checking` holds it to the engine that trained it, `choice` says which network of a
run it is and `card` what is said of it; `latency` takes the time of files.

May import `networks`, `training`, `data`, `tables` and what is below them.
"""
