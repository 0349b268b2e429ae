"""The main job behind Hydra: refuse before a folder is made, then run."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback

from gdexp import engine, job, plan, sinks, store
from gdexp.base import UsageError, discover
from gdexp.config import catalogue, check, tree
from gdexp.experiment import Experiment

accepted: list[Experiment] = []  # by Refuse, in the same process, for the task that follows


class Refuse(Callback):
    """Checks everything before Hydra makes the output folder, so that no refusal leaves one."""

    def on_run_start(self, config: Any, **_: Any) -> None:
        try:
            store.claim(Path(config.hydra.run.dir))
            experiment = from_hydra(config, config.hydra)
        except UsageError as error:
            # Hydra turns an Exception of a callback into a warning, and runs on
            sys.exit(refusal(error))
        accepted.append(experiment)


def from_hydra(config: Any, hydra: Any) -> Experiment:
    """The checked experiment of a composed config; `hydra` is Hydra's own section.

    Raises:
      UsageError: what is wrong, and what to type instead.
    """
    from omegaconf import OmegaConf

    choices = hydra.runtime.choices
    typed = {word.split("=")[0].lstrip("+") for word in hydra.overrides.task}
    plain = OmegaConf.to_container(config, resolve=False)
    plain.pop("hydra", None)
    if found := _interpolation(plain):
        raise UsageError(f"{found}: interpolations are refused; write the value itself")
    if choices.get("sweep"):
        plain = {"sweep": choices["sweep"], **plain}
    _drop_leftovers(plain, typed)
    experiment = check.experiment(plain, tree.defaults())
    engine.check(experiment, plan.make(experiment))
    return experiment


def _drop_leftovers(plain: dict[str, Any], typed: Collection[str]) -> None:
    """Takes out what a sweep says of a start, objective or optimizer that was replaced.

    A sweep's numbers are merged after the choice, so `+sweep=basins start=own` still finds the
    sweep's start.num, and `optimizer=adam` the numbers it gave sgd. What was typed stays, and is
    refused if it is wrong.
    """
    sampler = plain["start"].get("name")
    if sampler in catalogue.choices("start"):
        card = catalogue.cards()["start", sampler]
        for key in set(plain["start"]) - set(card):
            if f"start.{key}" not in typed:
                del plain["start"][key]
    for group in ("objective", "optimizer"):
        for name in list(plain[group] or {}):
            if name in catalogue.choices(group):
                card = tree.choose(group, name)[name]
                if set(card) - set(plain[group][name] or {}):  # only the selected are whole
                    del plain[group][name]


def run(experiment: Experiment, directory: Path) -> None:
    """Runs an accepted experiment with every sink it wants."""
    kinds = discover("gdexp.sinks", sinks.Sink).values()
    job.run(experiment, directory, kinds)


def refusal(error: BaseException | str) -> int:
    """Says what is wrong with the user's words; the exit code for it."""
    print(f"gdexp: {error}", file=sys.stderr)
    return 2


def _interpolation(node: Any) -> str | None:
    """The first text in a tree that holds an interpolation."""
    if isinstance(node, Mapping):
        return next((f for v in node.values() if (f := _interpolation(v))), None)
    if isinstance(node, list):
        return next((f for v in node if (f := _interpolation(v))), None)
    return node if isinstance(node, str) and "${" in node else None
