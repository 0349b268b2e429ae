"""One W&B run per sweep: config, progress, curves, figures, tables and files.

The run lies in the sweep's own directory and says only what it was handed:

    wandb/latest-run -> offline-run-<time>-<id>
    wandb/offline-run-<time>-<id>/run-<id>.wandb           config, history, summary
                                 /files/media/table/...    tables: runs, minima, thresholds
                                 /files/media/plotly/...   figures
                                 /files/runs/part-*.parquet

It is always written offline. The folder may be moved; `wandb sync .` in it uploads it, online in a
process beside the sweep, and `wandb leet inspect --summary FOLDER` reads it without uploading.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import shlex
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gdexp import store
from gdexp.sinks._wandb import media, surroundings, uploading
from gdexp.sinks._wandb.plain import flat, plain

if TYPE_CHECKING:
    import pyarrow

MAX_ROWS = 10_000  # what W&B keeps of a table logged as a file; it cuts the rest off silently
CONFIG_LEVELS = 3  # W&B makes a column of every leaf; deeper mappings stay readable as text


class Found(NamedTuple):
    """What a W&B run is told at the end."""

    summary: Mapping[str, Any] = {}  # nested names are joined by "/"
    history: Iterable[Mapping[str, Any]] = ()  # rows with a `step`
    tables: Mapping[str, pyarrow.Table] = {}  # at most MAX_ROWS rows each
    figures: Mapping[str, str] = {}  # each in Plotly's JSON
    files: Sequence[Path] = ()
    images: Mapping[str, Path] = {}  # PNG files


class WandbRun:
    """A W&B run. What fails inside W&B is told once and never ends the sweep."""

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
        latest: bool = True,
        warn: Callable[[str], object] = warnings.warn,
    ) -> None:
        """Begins to open the run in `directory`/wandb; what is asked of it next waits for that.

        Args:
            directory: the sweep's output directory.
            config: the resolved experiment; it is all that W&B learns about the program.
            mode: "offline", or "online" for users who have logged in to W&B themselves: then
                another process uploads it while it is written.
            project, name, group, tags: how W&B files the run. WANDB_* variables do not change
                these; online, those that say which account and server are heard.
            latest: whether `wandb/latest-run` leads to it.
            warn: called with one text if W&B fails; afterwards the run does nothing.

        Raises:
            ValueError: for another mode. With "disabled", do not make one.
        """
        if mode not in ("offline", "online"):
            raise ValueError(f"mode is offline or online, not {mode!r}")
        self._directory = Path(directory).absolute()
        self._warn = warn
        self._online, self._latest = mode == "online", latest
        self._run: Any = None
        self._folder: Path | None = None
        self._failed = False
        self._opening: concurrent.futures.Future | None = None
        self._upload: uploading.Upload | None = None
        self._closing = contextlib.ExitStack()
        labels = {"project": project, "name": name, "group": group, "tags": tuple(tags)}
        with self.or_go_quiet("opening the run"):
            self._begin(plain(config, CONFIG_LEVELS), labels)

    @property
    def folder(self) -> Path | None:
        """What `wandb sync` takes; None if the run could not be opened."""
        self._opened()
        return self._folder

    @property
    def where(self) -> str | None:
        """How the run is seen; None if it has been told what went wrong."""
        if self._folder is None or self._failed:
            return None
        if not self._online:
            shown = self._folder.parent if self._latest else self._folder
            return f"wandb leet {shlex.quote(store.typed(shown))} shows it in the terminal"
        if self._upload is None:
            return None
        minutes = f"for {uploading.AFTERWARDS / 60:.0f} minutes at most"
        if url := self._upload.url:
            return f"{url} (what is left is uploaded in the background, {minutes})"
        later = uploading.command(self._folder)
        return f"no answer yet; it is tried in the background {minutes}, and later by {later}"

    def progress(
        self, done: int, total: int, runs_per_second: float, outcomes: Mapping[str, int]
    ) -> None:
        """Adds one row to the history; its axis is `runs_done`."""
        row = {"runs_done": done, "runs_total": total, "runs_per_second": runs_per_second}
        row |= {f"outcomes/{outcome}": count for outcome, count in outcomes.items()}
        if self._opened():
            with self.or_go_quiet("logging progress"):
                self._run.log(plain(row))
            self._warn_of_upload()

    def finish(self, found: Found) -> None:
        """Logs what was found and closes the run as finished.

        NaN and infinities become the texts that W&B itself writes for them in the summary ("NaN",
        "Infinity", "-Infinity"), null in tables, and are left out of the history. Short lists in
        tables become columns (x: x_0, x_1, ...). Files are kept inside the run at their place
        relative to the sweep's directory, as hard links or, on another file system, copies, and are
        an artifact beside.

        Raises:
            ValueError: if a table has more than `MAX_ROWS` rows.
        """
        for name, table in found.tables.items():
            if table.num_rows > MAX_ROWS:
                raise ValueError(
                    f"a W&B table holds {MAX_ROWS:,} rows, {name} has {table.num_rows:,}: "
                    "hand over a smaller sample"
                )
        if self._opened():
            with self.or_go_quiet("logging the result"):
                for row in found.history:
                    self._run.log(_finite(plain(row)))
                for name, table in found.tables.items():
                    media.log_table(self._run, name, table)
                for name, json in found.figures.items():
                    media.log_figure(self._run, name, json)
                for name, path in found.images.items():
                    media.log_image(self._run, name, path)
                summary = flat(found.summary)
                clash = {
                    f"{name}_total": summary.pop(name) for name in found.tables if name in summary
                }
                self._run.summary.update(summary | clash)
                media.keep(self._run, self._directory, found.files)
                self._end(0)

    def abort(self, exit_code: int) -> None:
        """Closes an interrupted or failed run; what was logged so far stays readable."""
        if self._opened():
            with self.or_go_quiet("closing the run"):
                self._end(exit_code)

    def _begin(self, config: dict[str, Any], labels: dict[str, Any]) -> None:
        """Opens the run in a thread: W&B takes most of a second, in which XLA can compile.

        The surroundings are hidden, and shown again, by the thread that calls.
        """
        home = self._directory / "wandb"
        home.mkdir(parents=True, exist_ok=True)
        self._scratch = Path(tempfile.mkdtemp(prefix=".scratch-", dir=home))
        self._closing.callback(surroundings.tidy, home, self._scratch)
        self._hidden = self._closing.enter_context(contextlib.ExitStack())
        self._hidden.enter_context(surroundings.hidden(self._scratch))
        thread = concurrent.futures.ThreadPoolExecutor(1)
        self._opening = thread.submit(self._open, config, labels)
        thread.shutdown(wait=False)

    def _open(self, config: dict[str, Any], labels: dict[str, Any]) -> None:
        import wandb

        if surroundings.unused(wandb):
            hooks = sys.exit, sys.excepthook
            self._closing.callback(surroundings.end_service, wandb, hooks)
        self._run = wandb.init(
            dir=str(self._directory),
            config=config,
            mode="offline",
            reinit="create_new",  # leave any run of the user's own alone
            settings=wandb.Settings(**surroundings.SETTINGS),
            **labels,
        )
        self._folder = Path(self._run.dir).parent
        home = self._scratch.parent
        surroundings.tidy(home, self._scratch)  # now, since kill -9 leaves no other time
        if self._latest:
            surroundings.point(home / "latest-run", self._folder.name)
        self._run.define_metric("runs_done")
        self._run.define_metric("runs_total", hidden=True)
        self._run.define_metric("runs_per_second", step_metric="runs_done")
        self._run.define_metric("outcomes/*", step_metric="runs_done")
        self._run.define_metric("step", hidden=True, summary="none")
        for rows in ("curves/*", "path/*"):  # where they end is told elsewhere
            self._run.define_metric(rows, step_metric="step", summary="none")

    def _opened(self) -> bool:
        """Waits until the run is open or has failed to open; whether it is open."""
        if self._opening is not None:
            concurrent.futures.wait([self._opening])  # interrupted here, it can be waited for again
            opening, self._opening = self._opening, None
            self._hidden.close()
            with self.or_go_quiet("opening the run"):
                opening.result()
                if self._online:
                    self._upload = uploading.Upload(self._folder)
        return self._run is not None

    def _end(self, exit_code: int) -> None:
        if self._opening is not None:
            concurrent.futures.wait([self._opening])
            self._opening = None
        run, self._run = self._run, None
        with self._closing:
            if run is not None:
                run.finish(exit_code=exit_code)
        self._warn_of_upload()
        if self._upload:
            self._upload.let_go()

    def _warn_of_upload(self) -> None:
        """Says once that nothing is uploaded any more, and what does it later."""
        if self._upload and (reason := self._upload.failed):
            self._upload.let_go()
            self._upload = None
            later = uploading.command(self._folder)
            self._warn(f"W&B was not reached ({reason}); later, {later} uploads the run")

    @contextlib.contextmanager
    def or_go_quiet(self, doing: str) -> Iterator[None]:
        """What fails within is told once, and the run is closed."""
        try:
            yield
        except Exception as error:
            self._failed = True
            if self._upload:
                self._upload.let_go()
                self._upload = None  # of which nothing more is said
            with contextlib.suppress(Exception):
                self._end(1)
            self._warn(
                f"W&B failed {doing} and logs no more ({type(error).__name__}: {error}); "
                "the sweep and its own files are not affected"
            )


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of history without texts that stand for NaN and infinities."""
    return {key: value for key, value in row.items() if isinstance(value, int | float)}
