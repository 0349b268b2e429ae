"""`gdexp replay [DIR] RUN [RUN ...] [--wandb] [--allow-code]`: single runs, every step of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path as FilePath

from rich.console import Console

from gdexp.base import Path, Reason, UsageError
from gdexp.commands import NOT_THE_SAME, asked
from gdexp.config.values import whole
from gdexp.sinks.terminal import path_table

WANDB = "--wandb"


def main(arguments: Sequence[str]) -> int:
    """Prints the path of each run, and whether it ends on the stored bits; 3 if one does not.

    `--wandb` makes each a W&B run of its own, step by step, in the sweep's group.
    """
    promote = WANDB in arguments
    arguments = [word for word in arguments if word != WANDB]
    runs = [whole("run", word, high=2**62) for word in arguments if word.isdecimal()]
    if not runs:
        if arguments and FilePath(arguments[-1]).is_dir():
            raise UsageError(f"which run? type gdexp replay {arguments[-1]} 17")
        last = f", not {arguments[-1]!r}" if arguments else ""
        raise UsageError(f"name the runs to replay by their numbers{last}: gdexp replay DIR 0 17")
    found, _ = asked([word for word in arguments if not word.isdecimal()], (), (WANDB,))
    from gdexp import own_bits  # late: it brings JAX

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    same = True
    for again in found.replay(*runs):
        path = Path(
            again.run,
            again.step,
            again.x,
            again.f,
            again.grad_norm,
            Reason[again.reason.upper()],
        )
        console.print(f"run {again.run} of {found.directory}", soft_wrap=True)
        console.print(path_table(path))
        console.print(_verdict(again, own_bits.of_run(found, again.run)), soft_wrap=True)
        if promote:
            from gdexp.sinks import wandb_run

            wandb_run.promoted(found, path)
        same &= again.same_bits
    return 0 if same else NOT_THE_SAME


def _verdict(again, environment: str | None) -> str:
    if again.same_bits:
        return "same bits as the sweep stored\n"
    of = f", made in environment {environment}" if environment else ""
    return f"NOT THE SAME BITS as the sweep stored{of}: {', '.join(again.differs)}\n"
