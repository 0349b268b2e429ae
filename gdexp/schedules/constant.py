"""No schedule: the full learning rate at every step."""

import dataclasses

from gdexp.schedules import Schedule


@dataclasses.dataclass(frozen=True)
class Constant(Schedule):
    """1, as `optax.constant_schedule(1.0)`."""

    formula = "1"

    def __call__(self, count):
        return 1.0
