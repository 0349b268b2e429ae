"""Saves a Weights & Biases workspace that lays out what gdexp's runs log.

    python scripts/wandb_workspace.py ENTITY PROJECT

Needs the extra `workspace`, and that you have logged in to W&B. Panels name metrics by patterns, so
one workspace shows every sweep of the project.
"""

import argparse
import re
from collections.abc import Iterable

import wandb_workspaces.reports.v2 as reports
import wandb_workspaces.workspaces as workspaces

NAME = "gdexp"
SHARES = ("alive", "converged", "diverged")
QUANTILES = {"f_q50": "median of f", "grad_norm_q50": "median of the gradient norm"}
TABLES = ("runs", "minima", "thresholds")


def workspace(entity: str, project: str) -> workspaces.Workspace:
    """The workspace, not saved yet."""
    runs = [
        _lines("outcomes", "^outcomes/", "runs_done"),
        _lines("runs a second", "^runs_per_second$", "runs_done"),
    ]
    of_groups = [
        _lines(f"share of runs {name}", rf"^curves/[^/]+/[^/]+/{name}$", "step") for name in SHARES
    ]
    of_groups += [
        _lines(title, rf"^curves/[^/]+/[^/]+/{name}$", "step", log_y=name != "f_q50")
        for name, title in QUANTILES.items()
    ]
    of_rates = [
        _lines(
            f"{title}, by learning rate", rf"^curves/[^/]+/[^/]+/learning_rate_\w+/{name}$", "step"
        )
        for name, title in (QUANTILES | {"alive": "share of runs alive"}).items()
    ]
    promoted = [_lines(name, rf"^path/{name}$", "step") for name in ("f", "grad_norm")]
    promoted.append(_lines("the point", r"^path/x_\d+$", "step"))
    tables = [reports.WeavePanelSummaryTable(table_name=name) for name in TABLES]
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        auto_generate_panels=True,  # the figures, however many a sweep has
        sections=[
            _section("How runs go down", of_groups, pinned=True),
            _section("The same, by learning rate", of_rates),
            _section("Tables", tables),
            _section("While it runs", runs),
            _section("Single runs (gdexp replay --wandb)", promoted),
        ],
    )


def patterns(made: workspaces.Workspace) -> Iterable[re.Pattern]:
    """Which metrics its panels show."""
    for section in made.sections:
        for panel in section.panels:
            if isinstance(panel, reports.LinePlot):
                yield re.compile(panel.metric_regex)


def _lines(title: str, pattern: str, axis: str, log_y: bool = False) -> reports.LinePlot:
    return reports.LinePlot(
        title=title, x=axis, metric_regex=pattern, log_x=axis == "step", log_y=log_y
    )


def _section(name: str, panels: list, pinned: bool = False) -> workspaces.Section:
    return workspaces.Section(name=name, panels=panels, is_open=True, pinned=pinned)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("entity", help="your account or team")
    parser.add_argument("project", nargs="?", default="gdexp")
    asked = parser.parse_args()
    print(workspace(asked.entity, asked.project).save().url)


if __name__ == "__main__":
    main()
