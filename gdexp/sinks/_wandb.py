"""One W&B run per sweep: its config, its progress, its summary, a sample of its runs, its files.

The run lies in the sweep's own directory and says only what it was handed:

    wandb/latest-run -> offline-run-<time>-<id>
    wandb/offline-run-<time>-<id>/run-<id>.wandb           config, history, summary
                                 /files/media/table/...    the table `runs`
                                 /files/runs/part-*.parquet

Offline it needs no account and no network. The folder may be moved; `wandb sync FOLDER` uploads
it from wherever it lies, `wandb leet inspect --summary FOLDER` reads it without uploading.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import math
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

MAX_ROWS = 10_000  # what W&B keeps of a table logged as a file; it cuts the rest off silently
CONFIG_LEVELS = 3  # W&B makes a column of every leaf; deeper mappings stay readable as text
SPREAD = 16  # lists up to this long become columns, which W&B can plot; longer ones stay cells
TABLE = "runs"

_NONFINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # as W&B writes them

_ACCOUNT = {  # the variables heard online: who, and which server
    "WANDB_API_KEY",
    "WANDB_APP_URL",
    "WANDB_BASE_URL",
    "WANDB_CONFIG_DIR",
    "WANDB_CREDENTIALS_FILE",
    "WANDB_ENTITY",
    "WANDB_HTTP_PROXY",
    "WANDB_HTTPS_PROXY",
    "WANDB_IDENTITY_TOKEN_FILE",
    "WANDB_INSECURE_DISABLE_SSL",
}

_SETTINGS = {
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


class WandbRun:
    """The W&B run of one sweep. What fails inside W&B is told once and never ends the sweep."""

    def __init__(
        self,
        directory: Path,
        config: Mapping[str, Any],
        *,
        mode: str,
        project: str,
        name: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        warn: Callable[[str], object] = warnings.warn,
    ) -> None:
        """Begins to open the run in `directory`/wandb; what is asked of it next waits for that.

        Args:
            directory: the sweep's output directory.
            config: the resolved experiment; it is all that W&B learns about the program.
            mode: "offline", or "online" for users who have logged in to W&B themselves.
            project, name, group, tags: how W&B files the run. WANDB_* variables do not change
                these; online, those that say which account and server are heard.
            warn: called with one text if W&B fails; afterwards the run does nothing.

        Raises:
            ValueError: for another mode. With "disabled", do not make one.
        """
        if mode not in ("offline", "online"):
            raise ValueError(f"mode is offline or online, not {mode!r}")
        self._directory = Path(directory).absolute()
        self._warn = warn
        self._run: Any = None
        self._folder: Path | None = None
        self._opening: concurrent.futures.Future | None = None
        self._closing = contextlib.ExitStack()
        labels = {"project": project, "name": name, "group": group, "tags": tuple(tags)}
        with self._or_go_quiet("opening the run"):
            self._begin(_plain(config, CONFIG_LEVELS), mode, labels)

    @property
    def folder(self) -> Path | None:
        """What `wandb sync` takes; None if the run could not be opened."""
        self._opened()
        return self._folder

    def progress(
        self, done: int, total: int, runs_per_second: float, outcomes: Mapping[str, int]
    ) -> None:
        """Adds one row to the history; its axis is `runs_done`."""
        row = {"runs_done": done, "runs_total": total, "runs_per_second": runs_per_second}
        row |= {f"outcomes/{outcome}": count for outcome, count in outcomes.items()}
        if self._opened():
            with self._or_go_quiet("logging progress"):
                self._run.log(_plain(row))

    def finish(
        self, summary: Mapping[str, Any], sample: pyarrow.Table, files: Sequence[Path]
    ) -> None:
        """Logs the result and closes the run as finished.

        Args:
            summary: nested names are joined by "/". NaN and infinities become the texts that
                W&B itself writes for them ("NaN", "Infinity", "-Infinity"). A total named
                `runs` is called `runs_total`, since `runs` is the table.
            sample: rows of the runs, logged as the table `runs`. Short lists become columns
                (x: x_0, x_1, ...), and what is not finite becomes null.
            files: kept inside the run at their place relative to the sweep's directory, as hard
                links or, on another file system, copies.

        Raises:
            ValueError: if the sample has more than `MAX_ROWS` rows.
        """
        if sample.num_rows > MAX_ROWS:
            raise ValueError(
                f"a W&B table holds {MAX_ROWS:,} rows, the sample has {sample.num_rows:,}: "
                "hand over a smaller sample"
            )
        if self._opened():
            with self._or_go_quiet("logging the result"):
                self._log_table(sample)
                self._run.summary.update(_flat(summary))
                for file in files:
                    self._keep(Path(file).absolute())
                self._end(0)

    def abort(self, exit_code: int) -> None:
        """Closes an interrupted or failed run; what was logged so far stays readable."""
        if self._opened():
            with self._or_go_quiet("closing the run"):
                self._end(exit_code)

    def _begin(self, config: dict[str, Any], mode: str, labels: dict[str, Any]) -> None:
        """Opens the run in a thread: W&B takes most of a second, in which XLA can compile.

        The surroundings are hidden, and shown again, by the thread that calls: no other must change
        them while XLA, which is not written in Python, may read them.
        """
        home = self._directory / "wandb"
        home.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".scratch-", dir=home))
        self._closing.callback(_tidy, home, scratch)
        self._hidden = self._closing.enter_context(contextlib.ExitStack())
        self._hidden.enter_context(_environment(scratch, online=mode == "online"))
        thread = concurrent.futures.ThreadPoolExecutor(1)
        self._opening = thread.submit(self._open, scratch, config, mode, labels)
        thread.shutdown(wait=False)

    def _open(self, scratch: Path, config: dict[str, Any], mode: str, labels: dict) -> None:
        import wandb

        if _unused(wandb):
            self._closing.callback(_end_service, wandb, (sys.exit, sys.excepthook))
        self._run = wandb.init(
            dir=str(self._directory),
            config=config,
            mode=mode,
            reinit="create_new",  # leave any run of the user's own alone
            settings=wandb.Settings(**_SETTINGS),
            **labels,
        )
        self._folder = Path(self._run.dir).parent
        _tidy(scratch.parent, scratch)  # now, since kill -9 leaves no other time
        _point(scratch.parent / "latest-run", self._folder.name)
        self._run.define_metric("runs_done")
        self._run.define_metric("runs_total", hidden=True)
        self._run.define_metric("*", step_metric="runs_done")

    def _opened(self) -> bool:
        """Waits until the run is open or has failed to open; whether it is open."""
        if self._opening is not None:
            concurrent.futures.wait([self._opening])  # interrupted here, it can be waited for again
            opening, self._opening = self._opening, None
            self._hidden.close()
            with self._or_go_quiet("opening the run"):
                opening.result()
        return self._run is not None

    def _log_table(self, sample: pyarrow.Table) -> None:
        import wandb

        columns = _columns(sample)
        table = wandb.Table(columns=list(columns))
        # Through its constructor, W&B types each cell: 2 s for 10,000 rows that are typed already.
        table.data = [list(row) for row in zip(*columns.values(), strict=True)]
        # Bound to the run by hand, the table is one file of the run. `log` would add an artifact
        # that is staged under an absolute path, and a moved folder could not be synced any more.
        table.bind_to_run(self._run, TABLE, self._run.step)
        self._run.log({TABLE: table})

    def _keep(self, file: Path) -> None:
        base = self._directory if file.is_relative_to(self._directory) else file.parent
        if not self._run.save(file, base_path=base, policy="now", glob=False):
            raise FileNotFoundError(file)

    def _end(self, exit_code: int) -> None:
        run, self._run = self._run, None
        with self._closing:
            if run is not None:
                run.finish(exit_code=exit_code)

    @contextlib.contextmanager
    def _or_go_quiet(self, doing: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            with contextlib.suppress(Exception):
                self._end(1)
            self._warn(
                f"W&B failed {doing} and logs no more ({type(error).__name__}: {error}); "
                "the sweep and its own files are not affected"
            )


@contextlib.contextmanager
def _environment(scratch: Path, *, online: bool) -> Iterator[None]:
    """Hides the user's WANDB_* variables while W&B and its service start.

    They would redirect the run (WANDB_DIR, WANDB_MODE, ...), and the service inherits them. The
    cache and the data folder would be the user's; error reports would go to W&B.
    """
    ours = {f"WANDB_{folder}_DIR": str(scratch) for folder in ("CACHE", "DATA", "ARTIFACT")}
    ours |= {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    with _restored_environment() as users:
        if online:
            ours |= {key: value for key, value in users.items() if key in _ACCOUNT}
        else:
            ours |= {"WANDB_MODE": "offline", "WANDB_CONFIG_DIR": str(scratch)}
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


def _unused(wandb: Any) -> bool:
    """Whether nobody else in this process uses W&B, so that its service is ours to end."""
    return getattr(wandb.sdk.wandb_setup, "_singleton", wandb) is None


def _end_service(wandb: Any, hooks: tuple[Any, Any]) -> None:
    """Ends W&B's service process, and takes out the hooks that it set for the interpreter's end."""
    try:
        with _restored_environment(), contextlib.suppress(SystemExit):  # the service's own code
            wandb.teardown()
    finally:
        sys.exit, sys.excepthook = hooks


def _tidy(home: Path, scratch: Path) -> None:
    """Removes W&B's debug logs: they hold paths, and a link that points out of the folder."""
    for rest in (scratch, *home.glob("*run-*/logs"), *home.glob("*run-*/tmp")):
        shutil.rmtree(rest, ignore_errors=True)


def _point(link: Path, target: str) -> None:
    """Makes `link` a relative link, by which W&B's reader finds the latest run of a folder."""
    with contextlib.suppress(OSError):  # some file systems have no links
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _flat(summary: Mapping[str, Any]) -> dict[str, Any]:
    flat = dict(_leaves(summary))
    if TABLE in flat:
        flat["runs_total"] = flat.pop(TABLE)
    return flat


def _leaves(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", _plain(value)


def _plain(value: Any, levels: float = math.inf) -> Any:
    """Returns `value` as JSON data of at most `levels` levels of mappings, deeper ones as text."""
    if isinstance(value, Mapping):
        if levels == 0:
            return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False)
        return {str(key): _plain(item, levels - 1) for key, item in value.items()}
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Sequence):
        return [_plain(item, levels) for item in value]
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else str(value)  # W&B rounds beyond
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _NONFINITE[str(float(value))]
    if hasattr(value, "tolist"):  # of numpy and JAX
        return _plain(value.tolist(), levels)
    return str(value)


def _columns(sample: pyarrow.Table) -> dict[str, list[Any]]:
    """Returns the table's columns with short lists spread and what is not finite as None."""
    import pyarrow as pa

    lists = pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list
    columns: dict[str, list[Any]] = {}
    for name, column in zip(sample.column_names, sample.columns, strict=True):
        cells = column.to_pylist()
        if not any(is_list(column.type) for is_list in lists):
            columns[name] = [_finite(cell) for cell in cells]
            continue
        width = max((len(cell) for cell in cells if cell is not None), default=0)
        if width > SPREAD:
            columns[name] = [cell and [_finite(item) for item in cell] for cell in cells]
            continue
        for i in range(width):
            spread = (cell[i] if cell is not None and i < len(cell) else None for cell in cells)
            columns[f"{name}_{i}"] = [_finite(item) for item in spread]
    return columns


def _finite(cell: Any) -> Any:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
