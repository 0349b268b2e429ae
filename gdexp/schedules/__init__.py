"""Schedules by name: how the learning rate changes from step to step, one file each."""

import dataclasses
from typing import Any, ClassVar


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A factor on the learning rate, by the number of updates done.

    A subclass is one file: a frozen dataclass whose fields are its card. They are floats, step
    counts too, so each may be an axis; no formula branches on them in Python.
    """

    formula: ClassVar[str]  # as a reader would write it, t the count

    def __call__(self, count: Any) -> Any:  # scalar -> scalar
        """The factor for the update number `count`, from 0; 1.0 is the full learning rate."""
        raise NotImplementedError
