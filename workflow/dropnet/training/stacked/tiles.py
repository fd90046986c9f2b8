"""How the kernels cut their work. Other numbers are as right, and may be faster; digits change."""

from dataclasses import dataclass

SPAN = 256  # inputs of a layer of nodes that one part of its product sums
BLOCK = 128  # positions that one part of a normalisation's sums takes in


@dataclass(frozen=True)
class Tiles:
    """How a kernel cuts its product: rows and columns of a tile, the step of the sum, warps."""

    rows: int
    columns: int
    step: int
    warps: int = 4
    stages: int = 3

    def arguments(self) -> dict[str, int]:
        """Return the constants of a launch."""
        return {
            "ROWS": self.rows,
            "COLUMNS": self.columns,
            "STEP": self.step,
            "num_warps": self.warps,
            "num_stages": self.stages,
        }


#: For each kernel, by the columns of its tiles.
TILES = {
    ("convolve", "images", 16): Tiles(32, 16, 16, warps=2),
    ("convolve", "images", 32): Tiles(32, 32, 16, warps=2),
    ("convolve", "images", 64): Tiles(32, 64, 16, warps=4),
    ("convolve", "filters", 16): Tiles(16, 16, 16, warps=2),
    ("convolve", "filters", 32): Tiles(32, 32, 16, warps=2),
    ("convolve", "filters", 64): Tiles(32, 64, 16, warps=4),
    ("of_input", "filters", 16): Tiles(64, 16, 16, warps=4),
    ("of_input", "filters", 32): Tiles(64, 32, 16, warps=4),
    ("of_input", "filters", 64): Tiles(64, 64, 16, warps=4),
    ("of_kernel", "images", 16): Tiles(16, 16, 16, warps=1),
    ("of_kernel", "images", 32): Tiles(16, 32, 16, warps=2),
    ("of_kernel", "images", 64): Tiles(16, 64, 16, warps=2),
    ("of_kernel", "filters", 16): Tiles(64, 16, 16, warps=4),
    ("of_kernel", "filters", 32): Tiles(64, 32, 16, warps=4),
    ("of_kernel", "filters", 64): Tiles(64, 64, 16, warps=4),
    ("connect", "filters", 16): Tiles(32, 16, 32),
    ("connect", "filters", 32): Tiles(32, 32, 32),
    ("connect", "filters", 64): Tiles(32, 64, 32),
}
#: Of kernels whose sums go over the rows of a tile: the same in every stack, as their order is.
SUMMED = {"ROWS": BLOCK, "COLUMNS": 16, "num_warps": 4}
PARTS_AT_ONCE = 64
#: Positions that a program takes of what is worked out for each position by itself.
ROWS = 32
