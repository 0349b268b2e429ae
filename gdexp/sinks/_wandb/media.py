"""What a W&B run holds beside its history: tables, figures, images and files."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdexp.sinks._wandb.plain import columns

if TYPE_CHECKING:
    import pyarrow

FIGURE = ".plotly.json"


def log_table(run: Any, name: str, rows: pyarrow.Table) -> None:
    """Logs a table as one file of the run; see `plain.columns`."""
    import wandb

    cells = columns(rows)
    table = wandb.Table(columns=list(cells))
    # Through its constructor, W&B types each cell: 2 s for 10,000 rows that are typed already.
    table.data = [list(row) for row in zip(*cells.values(), strict=True)]
    # Bound to the run by hand, the table is one file of the run. `log` would add an artifact
    # that is staged under an absolute path, and a moved folder could not be synced any more.
    table.bind_to_run(run, name, run.step)
    run.log({name: table})


def log_figure(run: Any, name: str, json: str) -> None:
    """Logs a figure that is Plotly's JSON already: W&B's own class takes Plotly's objects alone."""
    import wandb

    class Figure(wandb.Plotly):
        def __init__(self, path: Path):
            super(wandb.Plotly, self).__init__()
            self._set_file(str(path), is_tmp=True, extension=FIGURE)

    path = Path(run.dir).parent / f"{secrets.token_hex(8)}{FIGURE}"  # W&B moves it
    path.write_text(json, encoding="utf-8")
    run.log({name: Figure(path)})


def log_image(run: Any, name: str, path: Path) -> None:
    """Logs a PNG file."""
    import wandb

    run.log({name: wandb.Image(str(path))})


def keep(run: Any, directory: Path, files: Sequence[Path]) -> None:
    """Keeps files inside the run, at their place relative to `directory`, and as an artifact.

    Raises:
        FileNotFoundError: one is not there.
    """
    import wandb

    artifact = wandb.Artifact(f"sweep-{run.id}", type="sweep")
    for file in (Path(file).absolute() for file in files):
        base = directory if file.is_relative_to(directory) else file.parent
        if not run.save(file, base_path=base, policy="now", glob=False):
            raise FileNotFoundError(file)
        name = file.relative_to(base).as_posix()
        inside = Path(run.dir) / name
        entry = artifact.add_file(str(inside), name, skip_cache=True, policy="immutable")
        # W&B would note where the file lies now, and a moved folder would lose it silently
        entry.local_path = inside.relative_to(Path(run.dir).parent).as_posix()
    if files:
        run.log_artifact(artifact)
