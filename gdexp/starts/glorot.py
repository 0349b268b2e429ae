"""Draws of a model's parameters that keep variances through layers and back (tanh)."""

import dataclasses

from gdexp.starts import Initialiser


@dataclasses.dataclass(frozen=True)
class Glorot(Initialiser):
    """`num` draws: matrices with variance 2/(inputs + outputs), biases zero.

    X. Glorot, Y. Bengio, AISTATS 2010, equation 16 (`uniform`).
    """

    def variance(self, inputs, outputs):
        return 2 / (inputs + outputs)
