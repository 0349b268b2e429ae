"""What the front door's words do: one file a command, with `main(arguments) -> exit code`."""

from __future__ import annotations

import sys


def refusal(error: BaseException | str) -> int:
    """Says what is wrong with the user's words; the exit code for it."""
    print(f"gdexp: {error}", file=sys.stderr)
    return 2
