"""What the core can do: one large matrix product at a time, in the same PyTorch as our side."""

import torch

from benchmarks.sides.protocol import serve, timed

SIZE = 2048


class Product:
    """Answers the driver's requests."""

    def __init__(self) -> None:
        self.factors = torch.randn(2, SIZE, SIZE)

    def gflops(self) -> float:
        """GFLOP/s of one float32 matrix product of 2048 x 2048 by 2048 x 2048."""
        spent = timed(lambda: torch.mm(*self.factors))
        return 2 * SIZE**3 / spent["wall_s"] / 1e9


def main() -> None:
    torch.set_num_threads(1)
    serve(Product())


if __name__ == "__main__":
    main()
