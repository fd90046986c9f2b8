"""The benchmarks: this project beside Keras and plain PyTorch, the workflow, its scale on paper."""
