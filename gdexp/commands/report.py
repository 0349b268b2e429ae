"""`gdexp report [DIR] [--open] [--wandb] [--allow-code]`: labels, curves and report.html again."""

from __future__ import annotations

import shlex
import webbrowser
from collections.abc import Sequence

from gdexp import store
from gdexp.base import UsageError
from gdexp.commands import asked, other_bits

FLAGS = OPEN, WANDB = "--open", "--wandb"


def main(arguments: Sequence[str]) -> int:
    """Makes what is derived from a sweep's runs again; where `work` has made the last of them, for
    the first time.

    `--wandb` makes its W&B run again, too, and `--open` shows the report in a browser.
    """
    found, _ = asked([word for word in arguments if word not in FLAGS], (), FLAGS)
    from gdexp import commits, job, report, verify  # late: they bring JAX

    store.refuse_links(found.directory)
    if found.manifest["complete"]:
        job.derive(found)
    elif commits.all_whole(found.directory, found.manifest):
        try:
            job.finish(found)  # its tiles were made by `work`
        except verify.NotTheSameError as error:
            return other_bits(error)
    else:
        folder = shlex.quote(store.typed(found.directory))
        raise UsageError(f"this sweep is not finished: python -m gdexp resume {folder}")
    path = store.write_report(found.directory, report.html(found))
    print(f"report: {store.typed(path)}")
    if WANDB in arguments:
        from gdexp.sinks import wandb_run

        wandb_run.again(found)
    if OPEN in arguments and not webbrowser.open(path.resolve().as_uri()):
        raise UsageError(f"there is no browser here: open {path} in one")
    return 0
