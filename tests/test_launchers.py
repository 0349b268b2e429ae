"""Hydra's launchers with -m: the jobs of joblib and of submitit, on this machine."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
from processes import begun, hashes, says

import gdexp

pytestmark = pytest.mark.slow
QUIET = ("wandb.mode=disabled", "report=false")
LAUNCHERS = {
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit": ["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"],
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_job_of_a_launcher_makes_what_a_job_of_hydra_makes(launcher, tmp_path):
    jobs = ("-m", "seed=1,2", "grid.learning_rate=log:1e-3:1:8", "start=uniform", *QUIET)
    says(*jobs, "hydra.sweep.dir=plain", cwd=tmp_path)
    says(*jobs, *LAUNCHERS[launcher], "hydra.sweep.dir=launched", cwd=tmp_path)
    for job in ("0", "1"):
        plain, launched = (gdexp.load(tmp_path / name / job) for name in ("plain", "launched"))
        assert launched.manifest["complete"] and launched.config == plain.config
        assert hashes(launched.directory) == hashes(plain.directory)
    assert hashes(tmp_path / "plain" / "0") != hashes(tmp_path / "plain" / "1")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_what_is_wrong_is_refused_before_a_job_is_launched(launcher, tmp_path):
    told = says("-m", "seed=1,-2", *LAUNCHERS[launcher], "hydra.sweep.dir=s", cwd=tmp_path, code=2)
    assert "seed" in told and not (tmp_path / "s").exists()


LONG = (
    *("objective=rosenbrock", "grid.learning_rate=log:1e-5:1e-3:64", "start=uniform"),
    *("start.num=8192", "stop.max_steps=10000", "stop.grad_tol=0", *QUIET),
    *(*LAUNCHERS["submitit"], "hydra.sweep.dir=s"),
)


@contextlib.contextmanager
def cut_short(number, cwd):
    """The process of a job of submitit's that gets a signal once a tile is stored."""
    with begun("-m", "seed=0", *LONG, cwd=cwd) as process:
        until = time.monotonic() + 120
        while not tiles(cwd):
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.05)
        [job] = jobs_below(cwd)
        os.kill(job, number)
        yield process


def tiles(folder):
    return sorted((folder / "s" / "0" / ".tiles").glob("*.json"))


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds processes in /proc")
def test_a_job_that_is_killed_keeps_its_tiles_and_can_be_finished(tmp_path):
    with cut_short(signal.SIGKILL, tmp_path) as process:
        process.communicate(timeout=120)
    assert 0 < len(tiles(tmp_path)) < 8
    says("resume", "s/0", cwd=tmp_path)
    assert gdexp.load(tmp_path / "s" / "0").manifest["complete"]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds processes in /proc")
def test_a_job_that_is_preempted_and_launched_again_goes_on(tmp_path):
    with cut_short(signal.SIGUSR2, tmp_path) as process:  # what Slurm sends before it preempts
        kept = {path: path.read_bytes() for path in tiles(tmp_path)}
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert gdexp.load(tmp_path / "s" / "0").manifest["complete"] and len(tiles(tmp_path)) == 8
    assert all(path.read_bytes() == before for path, before in kept.items())
    [log] = (tmp_path / "s" / ".submitit").glob("*/*_log.err")
    assert "Caught signal SIGUSR2" in log.read_text()


def jobs_below(folder):
    """The processes of submitit's jobs that work below a folder."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if b"submitit.core._submit" in line and str(folder).encode() in line:
            yield int(path.parent.name)
