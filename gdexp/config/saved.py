"""A saved config becomes an Experiment again, as long as no code of somebody else is run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gdexp import function
from gdexp.base import UsageError
from gdexp.config import check, tree
from gdexp.experiment import Experiment


def experiment(
    config: Mapping[str, Any], code: Mapping[str, str], *, allow_code: bool
) -> Experiment:
    """Checks a saved config again.

    Args:
      config: as config.yaml holds it.
      code: objective -> the sha256 of the file that it came from.
      allow_code: whether such files may be run.

    Raises:
      UsageError: the config is not right; it names a file that may not be run, or is another now.
    """
    for name, card in config["objective"].items():
        if path := (card or {}).get("path"):
            if not allow_code:
                raise UsageError(
                    f"{name} is code in {path}: if you trust it, type --allow-code, in Python "
                    "gdexp.load(DIR, allow_code=True)"
                )
            _unchanged(name, path, code)
    return check.experiment(config, tree.defaults())


def _unchanged(name: str, path: str, code: Mapping[str, str]) -> None:
    try:
        now = function.digest(path)
    except OSError:
        raise UsageError(f"{name} is code in {path}, and there is no such file") from None
    if now != code.get(name):
        raise UsageError(f"{path} has changed since the sweep: run it again")
