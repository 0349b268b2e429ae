"""Draws of a model's parameters that keep the size of what rectifiers pass on."""

import dataclasses

from gdexp.starts import Initialiser


@dataclasses.dataclass(frozen=True)
class He(Initialiser):
    """`num` draws: matrices with variance 2/inputs, biases zero.

    K. He, X. Zhang, S. Ren, J. Sun, ICCV 2015, equation 10 (`normal`).
    """

    distribution: str = "normal"

    def variance(self, inputs, outputs):
        return 2 / inputs
