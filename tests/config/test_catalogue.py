"""Which names there are, and where user sweeps are found."""

import pytest

from gdexp.base import UsageError, numbers_of
from gdexp.config import axes, catalogue

GROUPS = ["objective", "optimizer", "schedule", "start"]


@pytest.mark.parametrize("group", GROUPS)
def test_every_name_has_a_card(group):
    for name in catalogue.choices(group):
        card = catalogue.card(group, catalogue.pick(group, name))
        assert "name" not in card
        assert all(name in catalogue.holders(group, key) for key in card)


@pytest.mark.parametrize("group", GROUPS)
def test_no_number_is_named_like_a_column(group):
    for name in catalogue.choices(group):
        card = catalogue.card(group, name)
        nulls = {key for key, value in card.items() if value is None and group == "optimizer"}
        assert not axes.COLUMNS & (numbers_of(card).keys() | nulls)


@pytest.mark.parametrize("group", [*GROUPS, "sweep"])
@pytest.mark.parametrize("name", ["nothing_like_it", "", None, 3])
def test_an_unknown_name_is_refused_with_what_there_is(group, name):
    with pytest.raises(UsageError, match=f"there is no {group} .*list {group}s"):
        catalogue.pick(group, name)


@pytest.mark.parametrize(
    ("group", "name", "meant"),
    [
        *(("optimizer", "adma", "adam"), ("optimizer", "SGD", "sgd")),
        *(("objective", "himmelblu", "himmelblau"), ("sweep", "lr_gird", "lr_grid")),
    ],
)
def test_the_nearest_name_is_told(group, name, meant):
    with pytest.raises(UsageError, match=f"did you mean {meant}?"):
        catalogue.pick(group, name)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """./conf and $GDEXP_CONF, each with a sweep of its own and one of the same name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GDEXP_CONF", str(tmp_path / "shared"))
    for folder in ("conf", "shared"):
        (tmp_path / folder / "sweep").mkdir(parents=True)
        for name in (folder, "both", "lr_grid"):
            (tmp_path / folder / "sweep" / f"{name}.yaml").write_text(f"# about {folder}\n")
    return tmp_path


def test_sweeps_are_found_in_order(folders):
    found = catalogue.sweeps()
    assert {"conf", "shared", "both", "lr_grid", "smoke"} <= set(found)
    assert found["lr_grid"].parents[1] == catalogue.conf_directory().resolve(), "the package's"
    assert catalogue.header(found["both"]) == "about conf"
    assert catalogue.header(found["smoke"]).startswith("Does everything run?")


def test_a_folder_of_sweeps_that_is_not_there_is_refused(folders, monkeypatch):
    monkeypatch.setenv("GDEXP_CONF", "nowhere")
    with pytest.raises(UsageError, match="GDEXP_CONF=nowhere is no folder"):
        catalogue.sweeps()


def test_what_is_no_file_is_no_sweep(folders):
    (folders / "conf" / "sweep" / "folder.yaml").mkdir()
    assert "folder" not in catalogue.sweeps()


def test_every_sweep_card_says_what_it_answers_and_how():
    for name in catalogue.choices("sweep"):
        path = catalogue.sweeps()[name]
        assert catalogue.header(path).endswith("?") or "?" in catalogue.header(path)
        assert f"python -m gdexp +sweep={name}" in path.read_text(encoding="utf-8")
