"""The main job behind Hydra: refuse before a folder is made, then run."""

from __future__ import annotations

import contextlib
import shlex
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback

from gdexp import engine, job, plan, sinks, store, verify
from gdexp.base import UsageError, discover
from gdexp.commands import other_bits, refusal, underway
from gdexp.config import catalogue, check, tree, words
from gdexp.experiment import Experiment
from gdexp.extending import Known
from gdexp.results import Results, load

accepted: list[Experiment] = []  # by Refuse, in the same process, for the task that follows


class Refuse(Callback):
    """Checks everything before Hydra makes the output folder, so that no refusal leaves one."""

    def on_run_start(self, config: Any, **_: Any) -> None:
        with _refusing():
            store.claim(Path(config.hydra.run.dir))
            accepted.append(from_hydra(config, config.hydra))

    def on_multirun_start(self, config: Any, **_: Any) -> None:
        with _refusing():
            store.claim(Path(config.hydra.sweep.dir))
            for one in _jobs(config):
                store.claim(Path(one.hydra.sweep.dir) / one.hydra.sweep.subdir)
                from_hydra(one, one.hydra)


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Ends the process where something raises: Hydra turns an Exception of a callback into a
    warning, and runs on."""
    from hydra.errors import HydraException

    try:
        yield
    except UsageError as error:
        sys.exit(refusal(error))
    except HydraException as error:
        sys.exit(refusal(words.explain(error, sys.argv[1:])))
    except Exception:
        traceback.print_exc()
        sys.exit(1)


def _jobs(config: Any) -> Iterator[Any]:
    """The composed config of every job of -m, where Hydra's own sweeper makes them."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import open_dict

    if not config.hydra.sweeper._target_.endswith("BasicSweeper"):
        return
    asked = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
    [jobs] = BasicSweeper.split_arguments(asked, None)
    for number, overrides in enumerate(jobs):
        job_config = GlobalHydra.instance().config_loader().load_sweep_config(config, overrides)
        with open_dict(job_config):  # as its launcher does: the job's folder is named after it
            job_config.hydra.job.id = job_config.hydra.job.num = number
        yield job_config


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
    _refuse_hidden(experiment, typed)
    experiment.executor.reach()
    planned = plan.make(experiment)
    store.config_text(experiment.config)
    engine.check(experiment, planned)
    return experiment


def _drop_leftovers(plain: dict[str, Any], typed: Collection[str]) -> None:
    """Takes out what a sweep says of a start, schedule, objective or optimizer that was replaced.

    A sweep's numbers are merged after the choice, so `+sweep=basins start=own` still finds the
    sweep's start.num, and `optimizer=adam` the numbers it gave sgd. What was typed stays, and is
    refused if it is wrong.
    """
    for group in catalogue.SINGLE:
        name = plain[group].get("name")
        if group in typed and name in catalogue.choices(group):
            for key in set(plain[group]) - {"name", *catalogue.card(group, name)}:
                if f"{group}.{key}" not in typed:
                    del plain[group][key]
    if plain["start"].get("name") == "own" and "start" in typed and "start.num" not in typed:
        plain["start"] |= catalogue.card("start", "own")  # one, whatever other samplers draw
    for group in ("objective", "optimizer"):
        for name, card in list((plain[group] or {}).items()):
            known = name in catalogue.choices(group) and isinstance(card, Mapping)
            if known and set(catalogue.card(group, name)) - set(card):  # the selected are whole
                own = f"{group}.{name}."
                if group not in typed or any(f"{key}.".startswith(own) for key in typed):
                    raise UsageError(f"{name} is not selected: add {group}={name}")
                del plain[group][name]


def _refuse_hidden(experiment: Experiment, typed: Collection[str]) -> None:
    """Raises UsageError for a number that was typed and that an axis varies: it would not count."""
    axes = dict.fromkeys(experiment.grid, "grid") | dict.fromkeys(experiment.draw, "draw")
    for key in typed:
        room, _, rest = key.partition(".")
        owner, _, last = rest.rpartition(".")
        if room not in catalogue.NUMBERED or owner.endswith("parameters"):
            continue  # a parameter is made by giving it a value
        single = experiment.singles.get(room)
        for axis in (last, f"{single.name if single else owner}.{last}"):
            if axis in axes:
                raise UsageError(
                    f"{key} has one value and {axes[axis]}.{axis} gives others: leave out one "
                    f"(~{axes[axis]}.{axis} takes the axis away)"
                )


def run(experiment: Experiment, directory: Path, known: Known | None = None) -> None:
    """Runs an accepted experiment with every sink it wants.

    Args:
      experiment: what to run.
      directory: where to write.
      known: runs that another sweep has made.
    """
    begun = _begun(experiment, directory)
    if begun is None:
        store.claim(directory)  # jobs of -m may have been given one folder
    kinds = discover("gdexp.sinks", sinks.Sink).values()
    try:
        with underway(directory, where=experiment.executor.words):
            if begun:
                job.resume(begun, kinds, experiment.executor)
            else:
                job.run(experiment, directory, kinds, known=known)
    except verify.NotTheSameError as error:
        raise SystemExit(other_bits(error)) from None
    if experiment.prepare:
        print(f"prepared, not run: {directory}")
        if experiment.executor.words:
            folder = shlex.quote(store.typed(directory))
            print(f"to run it: python -m gdexp resume {folder} {experiment.executor.words}")


def _begun(experiment: Experiment, directory: Path) -> Results | None:
    """What a job that a scheduler has ended, and launched again, made of its sweep before."""
    if not (directory / store.MANIFEST).exists():
        return None
    found = load(directory, allow_code=True)  # that of the experiment, or it is another sweep
    ours = found.config == experiment.config and not found.manifest["complete"]
    return found if ours and not experiment.prepare else None


def _interpolation(node: Any) -> str | None:
    """The first text in a tree that holds an interpolation."""
    if isinstance(node, Mapping):
        return next((f for v in node.values() if (f := _interpolation(v))), None)
    if isinstance(node, list):
        return next((f for v in node if (f := _interpolation(v))), None)
    return node if isinstance(node, str) and "${" in node else None
