"""The engine of a GPU: all convolutional networks of a stack take each step in the same kernels.

`engine` has the stack and its steps; `layout` makes its operations from the networks' steps;
`operations` are these; `memory` says where their values lie; `kernels` are what runs on the GPU,
and `tiles` says how these cut their work. docs/gpus.md tells how it is done.
"""
