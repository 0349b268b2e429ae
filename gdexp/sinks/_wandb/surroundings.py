"""What W&B is told of the program, the machine and the user: Python's version and the system."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SETTINGS = {
    # Say nothing, ask nothing. A silent W&B cannot prompt for a key either: it raises.
    "silent": True,
    # Capture nothing of the program, the machine or the user.
    "console": "off",
    "save_code": False,
    "disable_code": True,
    "disable_git": True,
    "disable_job_creation": True,
    "label_disable": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_disable_stats": True,
    "x_disable_viewer": True,
    "x_save_requirements": False,
    "host": "",
    # Take neither identity, config nor folder from the surroundings.
    "sagemaker_disable": True,
    "use_dot_wandb": False,
    # Link saved files hard, so that the folder can be moved.
    "symlink": False,
    # After kill -9 at most the last second is missing.
    "x_transaction_log_flush_interval": 1.0,
    # A dead network may delay a sweep, in seconds, not hold it; what stays behind can be synced.
    "init_timeout": 30.0,
    "finish_timeout": 600.0,
    "finish_timeout_raises": True,
}


@contextlib.contextmanager
def hidden(scratch: Path) -> Iterator[None]:
    """Hides the user's WANDB_* variables while W&B and its service start.

    They would redirect the run (WANDB_DIR, WANDB_MODE, ...), and the service inherits them. The
    cache and the data folder would be the user's; error reports would go to W&B.
    """
    ours = {f"WANDB_{folder}_DIR": str(scratch) for folder in ("CACHE", "DATA", "ARTIFACT")}
    ours |= {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    ours |= {"WANDB_MODE": "offline", "WANDB_CONFIG_DIR": str(scratch)}
    with _restored_environment():
        _set_environment(ours)
        yield


@contextlib.contextmanager
def _restored_environment() -> Iterator[dict[str, str]]:
    """Gives the user's WANDB_* variables and sets them again afterwards."""
    users = {key: value for key, value in os.environ.items() if key.startswith("WANDB_")}
    try:
        yield users
    finally:
        _set_environment(users)


def _set_environment(variables: Mapping[str, str]) -> None:
    for key in [key for key in os.environ if key.startswith("WANDB_")]:
        del os.environ[key]
    os.environ.update(variables)


def unused(wandb: Any) -> bool:
    """Whether nobody else in this process uses W&B, so that its service is ours to end."""
    return getattr(wandb.sdk.wandb_setup, "_singleton", wandb) is None


def end_service(wandb: Any, hooks: tuple[Any, Any]) -> None:
    """Ends W&B's service process, and takes out the hooks that it set for the interpreter's end."""
    try:
        with _restored_environment(), contextlib.suppress(SystemExit):  # the service's own code
            wandb.teardown()
    finally:
        sys.exit, sys.excepthook = hooks


def tidy(home: Path, scratch: Path) -> None:
    """Removes W&B's debug logs: they hold paths, and a link that points out of the folder."""
    logs = (path for name in ("logs", "tmp", "wandb") for path in home.glob(f"*run-*/{name}"))
    for rest in (scratch, *logs):
        shutil.rmtree(rest, ignore_errors=True)


def point(link: Path, target: str) -> None:
    """Makes `link` a relative link, by which W&B's reader finds the latest run of a folder."""
    with contextlib.suppress(OSError):  # some file systems have no links
        link.unlink(missing_ok=True)
        link.symlink_to(target)
