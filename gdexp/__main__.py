"""The front door. A first word without "=" or "-" is a command; everything else is overrides."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import importlib
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gdexp import interrupts

HELP = """\
gdexp: a microscope for gradient descent.

  python -m gdexp [KEY=VALUE ...]        run; with +sweep=NAME, a sweep
  python -m gdexp reproduce [DIR]        run it again: the same bits? --runs K: of some tiles
  python -m gdexp replay [DIR] RUN ...   single runs again, every step of them
  python -m gdexp resume [DIR]           finish an interrupted sweep
  python -m gdexp resume [DIR] KEY=VALUE ...       more starts, values: what is there is taken
  python -m gdexp work DIR [--shard I/N] [--own-bits]  tiles of a prepared or interrupted sweep
  python -m gdexp list [KIND]            objectives, optimizers, schedules, starts, ...
  python -m gdexp report [DIR] [--open] [--wandb]  labels, curves, report.html, W&B run again
  python -m gdexp plot [DIR] KIND        a figure as -o file.png|svg|html|gif; KEY=VALUE
  python -m gdexp thresholds [DIR]       learning rates at which convergence is lost, and theory
  python -m gdexp race [DIR]             optimizers from the same starts; target=F budget=N
  python -m gdexp boundary [DIR] x=AXIS y=AXIS     is the boundary between outcomes fractal?
  python -m gdexp gradients objective=...          by hand (written='A, B'), by JAX, numerically
  python -m gdexp zoom [DIR] AXIS=LOW:HIGH         a window of a sweep again; num=N

examples
  python -m gdexp +sweep=lr_grid
  python -m gdexp objective='(x-1)**2 + 4*(y+1)**2' grid.learning_rate=log:1e-3:1:64
  python -m gdexp objective=himmelblau optimizer=sgd,adam grid.learning_rate=log:1e-3:1:16

keys
  objective=NAME | NAME,NAME | 'FORMULA' | ./file.py:function     objective.NAME.KEY=...
  optimizer=NAME | NAME,NAME                                      optimizer.NAME.KEY=...
  schedule=constant|exponential|cosine|linear_warmup              schedule.KEY=...
  gradient=autodiff|finite_difference    gradient.noise=0  gradient.scheme=central  gradient.h=1e-3
  start=own|points|grid|plane|uniform|normal|sobol|lhs
      start.points=[[3,3]]  start.num=N  start.low/high  start.point/along of a plane
  grid.KEY=0.1 | 0.01,0.1,0.5 | log:1e-3:1:64 | lin:0:1:11        zip=[KEY,KEY]
  draw.KEY=loguniform:a:b | uniform:a:b | normal:m:s              replicates=N
  stop.max_steps=1000  stop.grad_tol=1e-4  stop.f_tol  stop.escape_radius=1e6  stop.max_value
  stop.targets=[...]   trace.every=K  trace.runs=all|[ids]   store.columns=[outcome,steps]
  direction=minimize|maximize  seed=0  dtype=float32|float64  device=auto|cpu|gpu|tpu
  executor=local|ray   executor.address=HOST:PORT|auto|local  executor.cpus=N
  wandb.mode=offline|online|disabled  wandb.project/name/group/tags
  report=true          run.prepare=true     hydra.run.dir=DIR (default outputs/<date>/<time>-<id>)

-m makes a run and folder of each value, as Hydra does; --cfg job shows the config.
Exit: 0 done, 2 the words are wrong, 3 not the same bits, 130/143 interrupted, 1 anything else.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Answers one command line; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if "--help" in arguments or "-h" in arguments:
        print(HELP, end="")
        return 0
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a Windows pipe knows no ₂: better ? than no table
            stream.reconfigure(errors="replace")
    with _no_collection(), interrupts.heard() as came:
        try:
            code = _answer(arguments)
        except BaseException:
            if not came:
                raise
            code = 1
        if came and code:  # whatever it was called on its way: numpy makes it an ImportError
            interrupts.leave(128 + came[0])
    return code


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Collects no garbage while modules are imported and while the process ends: there is none, and
    looking through all that was imported takes a third of the time of importing it."""
    collecting = gc.isenabled()
    gc.disable()
    atexit.register(gc.freeze)
    try:
        yield
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()


def _answer(arguments: Sequence[str]) -> int:
    """Does what a command line asks; the imports take a second, and may be interrupted too."""
    from gdexp.base import UsageError
    from gdexp.commands import refusal

    try:
        if arguments and "=" not in arguments[0] and arguments[0][:1] not in "-+~":
            return _command(arguments[0]).main(arguments[1:])
        return _run(arguments)
    except UsageError as error:
        return refusal(error)


def _command(name: str) -> Any:
    """The module of a command."""
    import pkgutil

    from gdexp import commands
    from gdexp.base import UsageError, nearest

    names = [m.name for m in pkgutil.iter_modules(commands.__path__) if m.name != "run"]
    if name not in names:
        hint = nearest(name, names) or f": type one of {', '.join(names)}, or KEY=VALUE"
        raise UsageError(f"there is no command {name!r}{hint}")
    return importlib.import_module(f"gdexp.commands.{name}")


def _run(arguments: Sequence[str]) -> int:
    """The main job, through Hydra."""
    import hydra
    from hydra.core.config_store import ConfigStore
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from gdexp.commands import refusal, run
    from gdexp.config import catalogue, deltas, words

    gc.freeze()  # what is imported stays: collections pass it over from here on
    gc.enable()
    rewritten = words.rewrite(arguments)
    known = ConfigStore.instance()
    for (group, name), node in catalogue.cards().items():
        known.store(group=group, name=name, node=node)
    for name, node in deltas.nodes(words.sweeps(rewritten)).items():
        known.store(group="sweep", name=name, node=node, package="_global_")
    # the microseconds of two processes started together can agree: an identity of our own cannot
    OmegaConf.register_new_resolver(
        "gdexp.id", lambda: secrets.token_hex(3), use_cache=True, replace=True
    )
    os.environ["HYDRA_FULL_ERROR"] = "1"  # its errors reach the catch below, not the terminal
    started = False

    @hydra.main(
        version_base="1.3", config_path=str(catalogue.conf_directory()), config_name="config"
    )
    def task(config: Any) -> None:
        nonlocal started
        started = True
        settings = HydraConfig.get()
        experiment = run.accepted.pop() if run.accepted else run.from_hydra(config, settings)
        run.run(experiment, Path(settings.runtime.output_dir))

    sys.argv = [sys.argv[0], *rewritten]
    try:
        with _unchecked_help():
            task()
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        if started:
            raise
        return refusal(words.explain(error, arguments))
    return 0


@contextlib.contextmanager
def _unchecked_help() -> Iterator[None]:
    """Python 3.14 formats each help text when it is added; one of Hydra 1.3's is no text."""
    parser, name = argparse.ArgumentParser, "_check_help"
    check = getattr(parser, name, None)
    if check is None:  # before 3.14
        yield
        return
    setattr(parser, name, lambda self, action: None)
    try:
        yield
    finally:
        setattr(parser, name, check)


if __name__ == "__main__":
    sys.exit(main())
