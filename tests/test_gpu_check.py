"""scripts/gpu_check.py for real, on CPU and tiny: what it writes, and that it can fail."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "gpu_check.py"


@pytest.mark.slow
def test_it_compares_measures_and_writes_and_its_comparison_can_fail(tmp_path, monkeypatch):
    file = tmp_path / "gpu.json"
    command = [sys.executable, SCRIPT, "--device", "cpu", "--quick", "--json", file]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(file.read_text())
    assert report["passed"] and report["device"]["platform"] == "cpu"
    assert {"jax", "numpy"} <= set(report["machine"]["versions"])
    assert [c["name"] for c in report["correctness"]] == ["paraboloid.sgd", "rastrigin-2.sgd"]
    for found in report["correctness"]:  # on the CPU itself all is the same
        assert {found["agreement"][k] for k in ("outcome", "reason", "steps", "close")} == {1.0}
    assert report["correctness"][0]["agreement"]["comparable"] > 0.2
    assert [set(c["ratio"]) for c in report["contests"]] == [{"while_loop", "scan"}] * 2
    assert all(c["ratio"]["scan"]["median"] > 0 for c in report["contests"])
    assert [row["lanes"] for row in report["lanes"]][1:] == [128, 256]
    assert min(report["ceilings"][k] for k in ("flops_per_second", "bytes_per_second")) > 0
    assert report["against_ceilings"]["share_of_arithmetic"] > 0
    assert report["against_ceilings"]["flops_per_step"] > 10
    for private in (str(ROOT), sys.prefix, f"{Path.home()}/"):
        assert private not in json.dumps(report)

    monkeypatch.syspath_prepend(SCRIPT.parent)
    alike = importlib.import_module("bench.alike")
    from gdexp.base import Ends, Reason

    count = 1000
    numbers = [np.ones(count, np.float32)] * 4
    steps, reason = np.full(count, 7), np.full(count, Reason.GRAD_TOL)
    none = np.empty((count, 0))
    ends = Ends(np.ones((count, 2)), *numbers, steps, steps + 1, reason, none, 0 * steps)
    same = alike.compare(ends, ends)
    assert not alike.different(ends, ends)
    assert not alike.complaints(same, same, False)
    half = np.arange(count) < count // 2
    for altered, told, chaotic in (
        ({"f": ends.f + half * np.float32(1e-3)}, ["close"], []),
        ({"x": ends.x + 0.01 * half[:, None]}, ["close"], []),
        ({"f": np.where(half, np.nan, ends.f)}, ["close"], []),
        ({"steps": steps + ~(np.arange(count) < 9)}, ["comparable"], []),
        (
            {"reason": np.where(half, Reason.ESCAPED, reason)},
            ["outcome", "reason"],
            ["outcome"],
        ),
    ):
        other = ends._replace(**altered)
        found = alike.compare(ends, other)
        assert alike.different(ends, other) == list(altered)
        for is_chaotic, expected in ((False, told), (True, chaotic)):
            lines = alike.complaints(found, same, is_chaotic)
            assert [line.partition(":")[0] for line in lines] == expected
