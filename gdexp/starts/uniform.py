"""Independent points, uniform in the box."""

import dataclasses

from gdexp.random import uniforms
from gdexp.starts import BoxStart


@dataclasses.dataclass(frozen=True)
class Uniform(BoxStart):
    """`num` independent starts, uniform between `low` and `high`."""

    def at(self, index, space, seed):
        return self.scaled(uniforms(seed, "start", index, space.dim), space)
