"""The report: complete for any sweep, safe whatever names it holds, drawn by a real browser."""

import html.parser
import json
import re

import browser
import pytest
from cases import sifted

import gdexp
from gdexp import __main__, api, job, report, store
from gdexp.report import page

WELLS = {"grid": {"learning_rate": [0.003, 0.02, 0.05]}, "start": {"uniform": 8}}
SWEEPS = {
    "two optimizers": lambda: api.experiment("two_wells", optimizer=["sgd", "adam"], **WELLS),
    "all diverge": lambda: api.experiment(
        "paraboloid", grid={"learning_rate": [5.0, 9.0]}, start={"uniform": 4}
    ),
    "one run": lambda: api.experiment("paraboloid"),
    "one learning rate": lambda: api.experiment(
        "two_wells", grid={"learning_rate": [0.02]}, start={"uniform": 20}
    ),
    "one dimension": lambda: api.experiment("double_well", **WELLS),
    "a hundred dimensions": lambda: api.experiment({"quadratic": {"dim": 100}}, **WELLS),
    "a maximisation": lambda: api.experiment("4 - x**2 - y**2", direction="maximize", **WELLS),
}
FIRST = ("two optimizers",)  # in every run; the others are slow tests
made = {}


@pytest.fixture
def reported(tmp_path_factory):
    """A sweep and its page, by name."""

    def of(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("report") / "sweep"
            found = job.run(SWEEPS[name](), folder)
            made[name] = found, store.write_report(folder, report.html(found))
        return made[name]

    return of


@pytest.fixture
def opened(tmp_path_factory):
    """A browser's page, closed in the end; skipped where there is no browser."""
    if reason := browser.missing():
        pytest.skip(reason)
    each = []

    def at(width=1200, **keys):
        each.append(browser.Browser(tmp_path_factory.mktemp("profile"), width, **keys))
        return each[-1]

    yield at
    for one in each:
        one.close()


class Read(html.parser.HTMLParser):
    """What a page holds: its text, its tags with their attributes, its figures."""

    def __init__(self, text):
        super().__init__()
        self.words, self.tags, self._inside = [], [], []
        self.figures = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside.append(tag)

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        if self._inside[-1:] == ["script"]:
            kind = next(a for t, a in reversed(self.tags) if t == "script").get("type")
            self.figures += json.loads(data) if kind == "application/json" else []
        elif self._inside[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("name", sifted(SWEEPS, FIRST))
def test_a_report_is_complete(name, reported, opened):
    found, path = reported(name)
    shown = Read(path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 10e6
    assert f"{found.plan.count:,} " in shown.text
    for outcome, count in found.summary["outcomes"].items():
        assert bool(count) == (
            outcome in shown.text.partition("What came")[0].partition("Found")[2]
        )
    places = [a for _, a in shown.tags if "data-figure" in a]
    assert len(places) == len(shown.figures) >= 1
    assert all(len(figure["data"]) for figure in shown.figures)
    assert "nan" not in shown.text.lower().split() and "None" not in shown.text.split()
    seen = opened()
    seen.open(path)
    assert seen.said() == [] and seen.asked_for() == []
    drawn = seen.run(
        "[...document.querySelectorAll('.plot')].map(p => p.querySelectorAll("
        "'.scatterlayer path, .heatmaplayer image, .barlayer path, .contourlayer path').length)"
    )
    assert len(drawn) == len(places) and all(drawn), drawn


def test_a_report_is_read_and_searched(reported, opened, tmp_path):
    found, path = reported("two optimizers")
    seen = opened()
    seen.open(path)
    rows = "[...document.querySelectorAll('table.searched tbody tr')].filter(r => !r.hidden)"
    assert seen.run(f"{rows}.length") == found.plan.count == 48
    seen.run(
        "(() => { const i = document.querySelector('input[type=search]'); i.value = 'adam 0.05';"
        "i.dispatchEvent(new Event('input')); })()"
    )
    told = seen.run(f"{rows}.map(r => r.cells[0].textContent)")
    runs = found.to_pandas()
    there = (runs["optimizer"] == "adam") & (runs["learning_rate"] == 0.05)
    assert set(runs[there]["run"]) <= set(map(int, told)) < set(range(48))
    [command] = seen.run(f"{rows}.slice(0, 1).map(r => r.querySelector('code').textContent)")
    assert command == f"python -m gdexp replay {store.typed(path.parent)} {told[0]}"
    assert __main__.main(command.split()[3:]) == 0
    seen.picture(tmp_path / "page.png", 2000)
    assert (tmp_path / "page.png").stat().st_size > 50_000


@pytest.mark.slow
def test_a_phone_shows_it_without_scrolling_sideways(reported, opened):
    seen = opened(390)
    seen.open(reported("two optimizers")[1])
    assert seen.run("document.documentElement.scrollWidth") == 390
    assert seen.said() == []


@pytest.mark.slow
def test_it_is_dark_where_the_reader_wants_that(reported, opened):
    seen = opened()
    seen.ask(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    seen.open(reported("two optimizers")[1])
    back = seen.run("getComputedStyle(document.body).backgroundColor")
    text = seen.run("getComputedStyle(document.querySelector('.xtick text')).fill")
    assert sum(map(int, re.findall(r"\d+", back)[:3])) < 100
    assert sum(map(int, re.findall(r"\d+", text)[:3])) > 500


def test_everything_that_does_something_is_reached_by_keyboard(reported):
    shown = Read(reported("two optimizers")[1].read_text(encoding="utf-8"))
    for tag, attributes in shown.tags:
        if "data-copy" in attributes:
            assert tag == "button"
        if "data-figure" in attributes:
            assert attributes["tabindex"] == "0" and attributes["aria-label"]


HOSTILE = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked=1'>",
    "\"'><svg onload=window.hacked=1>",
    "</script><script>window.hacked=1</script>",
    "x" * 10_000,
    "🦊 ünï\ncode",
    "${jndi} {{7*7}} %s",
    "javascript:window.hacked=1",
]


@pytest.mark.parametrize("name", sifted(HOSTILE, 8), ids=range(len(HOSTILE)))
def test_whatever_a_name_holds_is_shown_letter_by_letter(name, reported, opened, tmp_path):
    found, _ = reported("two optimizers")
    from gdexp import figures

    drawing = figures.of("waterfall")(found)
    marks = tuple(m._replace(name=name) for m in drawing.marks)
    told = drawing._replace(title=name, told=name, marks=marks)
    text = page.write(
        title=name,
        asked=[name],
        found=[name],
        parts=[page.Part(name, [told], [page.Table(name, name, [name], [[name]], True)])],
        again=[(name, name)],
        left_out=[name],
    )
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    seen = opened()
    seen.open(tmp_path / "page.html")
    assert seen.run("typeof window.hacked") == "undefined"
    assert seen.said() == [] and seen.asked_for() == []
    assert seen.run("document.querySelector('h1').textContent") == name
    assert seen.run("document.querySelector('td').textContent") == name
    assert seen.run("document.querySelectorAll('script').length") == 3


@pytest.mark.slow
def test_nothing_but_its_own_scripts_runs_even_if_something_got_in(reported, opened, tmp_path):
    text = reported("two optimizers")[1].read_text(encoding="utf-8")
    got_in = "<script>window.hacked=1</script><img src=http://127.0.0.1:9/x onerror='hacked=1'>"
    (tmp_path / "page.html").write_text(text.replace("<header>", got_in + "<header>"))
    seen = opened()
    seen.open(tmp_path / "page.html")
    assert seen.run("typeof window.hacked") == "undefined"
    assert any("Content Security Policy" in said for said in seen.said())


def test_what_is_left_out_says_why(reported):
    _, path = reported("all diverge")
    shown = Read(path.read_text(encoding="utf-8"))
    assert "every run of paraboloid diverged" in shown.text.partition("Left out")[2]


def test_the_command_makes_it_again(reported, capsys):
    _, path = reported("two optimizers")
    before = {name: (path.parent / name).read_bytes() for name in (store.LABELS, store.MINIMA)}
    whole = path.read_text(encoding="utf-8")
    for name in (*before, store.CURVES, store.REPORT):
        (path.parent / name).unlink(missing_ok=True)
    assert __main__.main(["report", str(path.parent)]) == 0
    assert f"report: {store.typed(path)}" in capsys.readouterr().out
    assert {name: (path.parent / name).read_bytes() for name in before} == before
    assert path.read_text(encoding="utf-8") == whole
    assert gdexp.load(path.parent).curves.num_rows
