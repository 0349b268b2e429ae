"""The sharpness up to which gradient descent is stable, by its law: 2/learning rate and alike."""

import numpy as np

from gdexp import problems
from gdexp.analysis import stability
from gdexp.metrics import Walk
from gdexp.plan import LEARNING_RATE


def stability_limit(walk: Walk) -> np.ndarray:
    card, schedule = walk.group.optimizer, walk.group.singles["schedule"]
    law = stability.law(card.name, card.structure, card.numbers)
    momentum = walk.numbers.get(("optimizer", "momentum"), 0.0)
    many = any(room == "block" for room, _ in walk.numbers)
    if law is None or many or not 0 <= momentum < 1:
        return np.full(len(walk.x), np.nan)
    held = {name: walk.numbers["schedule", name] for name in schedule.numbers}
    rate = walk.numbers[LEARNING_RATE] * problems.factors(schedule, held, walk.step)
    with np.errstate(divide="ignore"):  # a threshold goes as 1/L: this is the one for L = 1
        return law.threshold(1.0, momentum) / rate
