"""A saved config becomes an Experiment again, as long as no code of somebody else is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from gdexp import frames, function
from gdexp.base import UsageError
from gdexp.config import check, tree
from gdexp.experiment import Experiment, identity


def experiment(
    config: Mapping[str, Any], manifest: Mapping[str, Any], *, allow_code: bool
) -> Experiment:
    """Checks a saved config again.

    Args:
      config: as config.yaml holds it.
      manifest: what made the sweep: the values of its axes, and hashes of the files of objectives.
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
            _unchanged(name, path, manifest["code_sha256"])
    found, grid = check.experiment(config, tree.defaults()), frames.grid(manifest)
    if [*grid] != [*found.grid]:
        raise UsageError("config.yaml and manifest.json name other axes: they are not of one sweep")
    refuse_changed(config, manifest)
    for name, objective in found.objectives.items():
        if objective.count and objective.digest() != manifest["data_sha256"].get(name):
            raise UsageError(f"the data of {name} have changed since the sweep: run it again")
    # the values that it had, and not what its formulas give on this machine
    return dataclasses.replace(found, grid=grid)


def refuse_changed(config: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Raises UsageError if a config is not the one that a sweep began with."""
    inputs = manifest["code_sha256"] | manifest["data_sha256"]
    asked = identity(config, manifest["grid"], inputs)
    if asked != manifest["identity"]:
        raise UsageError(
            "config.yaml has been changed since the sweep began: put it back, or run it as a sweep "
            "of its own"
        )


def _unchanged(name: str, path: str, code: Mapping[str, str]) -> None:
    try:
        now = function.digest(path)
    except (OSError, TypeError, ValueError):
        raise UsageError(f"{name} is code in {path}, and there is no such file") from None
    if now != code.get(name):
        raise UsageError(f"{path} has changed since the sweep: run it again")
