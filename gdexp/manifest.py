"""manifest.json: what made a sweep. Written before its first tile, completed after the last."""

from __future__ import annotations

import base64
import time
from typing import Any

from gdexp import environment, function, program, verify
from gdexp.engine import Engine
from gdexp.experiment import Experiment, identity
from gdexp.plan import Plan


def begin(experiment: Experiment, planned: Plan, engine: Engine) -> dict[str, Any]:
    """What is known before the first tile. Grid values are kept as bits, not as formulas."""
    grid = {
        key: base64.b64encode(values.astype("<f8").tobytes()).decode()
        for key, values in experiment.grid.items()
    }
    code = {
        name: function.digest(card["path"])
        for name, card in experiment.config["objective"].items()
        if card and card.get("path")
    }
    data = {name: o.digest() for name, o in experiment.objectives.items() if o.count}
    return {
        "format": 1,
        "identity": identity(experiment.config, grid, code | data),
        **environment.describe(engine.device),
        "plugins": environment.plugins(experiment.objectives),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "complete": False,
        "runs": planned.count,
        "groups": [
            group.told() | {"lanes": program.lane_count(engine.device.platform, group)}
            for group in planned.groups
        ],
        "dtype": experiment.dtype,
        "matmul_precision": "highest",
        "grid": grid,  # KEY -> little-endian float64, base64
        "code_sha256": code,
        "data_sha256": data,  # of the examples that objectives learn from
        "programs": [],
        "tiles": [],
        "timings": {},
    }


def prepare(manifest: dict[str, Any], engine: Engine) -> None:
    """What others compare with before they add tiles: each program, and what some runs come to."""
    for group in engine.plan.groups:
        engine.program(group.index)
    programs = _programs(engine)
    for record in programs:
        record["canary"] = verify.canary(engine, engine.program(record["group"]))
    manifest["programs"] = programs


def _programs(engine: Engine) -> list[dict[str, Any]]:
    return [
        {"group": i, "lanes": p.lanes, "sha256": p.digest, "compile_seconds": p.compile_seconds}
        for i, p in sorted(engine.programs.items())
    ]


def complete(manifest: dict[str, Any], engine: Engine, seconds: float) -> None:
    """What is known after the last tile."""
    known = {record["group"]: record for record in (*_programs(engine), *manifest["programs"])}
    manifest["programs"] = [known[group] for group in sorted(known)]
    manifest["timings"] = {
        "total_seconds": seconds,
        "compile_seconds": engine.compile_seconds,
    }
    manifest["complete"] = True
