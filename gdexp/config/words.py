"""A command line as Hydra understands it.

The contract's words are friendlier than Hydra's grammar: `grid.KEY=` needs no `+`, a comma list
means "in one batch", a formula needs only the shell's quotes. They are rewritten here, before
Hydra sees them. With Hydra's own `-m` a comma keeps Hydra's meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gdexp.base import UsageError, nearest
from gdexp.config import catalogue, tree
from gdexp.config.values import DRAWS, FORMS, parts
from gdexp.experiment import SINGLES

MULTIRUN = ("-m", "--multirun")
FLAGS: dict[str, tuple[str, ...]] = {  # Hydra's flags that are safe here -> what may follow
    **dict.fromkeys([*MULTIRUN, "--resolve", "--hydra-help"], ()),
    **dict.fromkeys(["--cfg", "-c"], ("job", "hydra", "all")),
    **dict.fromkeys(
        ["--info", "-i"], ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
    ),
}
GROUPS = ("optimizer", *catalogue.SINGLE, "sweep")

KEY = re.compile(r"\+{0,2}[A-Za-z_]\w*([./]\w+)*", re.ASCII)
LIST = re.compile(  # keys whose value may be a list
    r"zip|stop\.targets|trace\.runs|store\.columns|wandb\.tags|start\.(points|low|high)"
    r"|objective\.expr\.variables|objective\.(expr|file)\.(low|high)"
)
TEXT = re.compile(  # keys whose value is any text, even one that Hydra's grammar would refuse
    r"objective\.(expr\.formula|file\.path)|wandb\.(project|name|group)|hydra\.(run|sweep)\.\w+"
)
ONE = "|".join(SINGLES)
NUMBER = re.compile(rf"(?:(?:objective\.(?!(?:expr|file)\.)|optimizer\.)\w+|{ONE})\.\w+")
PARAMETERS = re.compile(r"objective\.(expr|file)\.parameters\.\w+")
SEVERAL = re.compile(r"\[|(log|lin):")  # how a value begins that is an axis; or it has a comma
RUNNABLE = ("hydra.job_logging", "hydra.hydra_logging", "hydra.searchpath", "hydra.job.env_set")
REFUSED = {  # keys of Hydra that would go round this program -> what to type
    "hydra.mode": "type -m for a run and folder of each value",
    "hydra.callbacks": "leave it out",
    "hydra.job.chdir": "leave it out; hydra.run.dir=DIR says where results go",
    **dict.fromkeys(RUNNABLE, "leave it out: what it names could be run"),
    **{f"{group}.name": f"type {group}=NAME" for group in catalogue.SINGLE},
}


def rewrite(arguments: Sequence[str]) -> list[str]:
    """The arguments for Hydra: its flags first, then overrides in its own grammar.

    Raises:
      UsageError: a flag or word that is refused here, or a name that does not exist.
    """
    flags, overrides = _split(arguments)
    batch = not any(flag in MULTIRUN for flag in flags)
    words = [word for override in overrides for word in _override(override, batch)]
    chosen = [word.split("=", 1)[0].lstrip("+") for word in words]
    if "start.points" in chosen and "start" not in chosen:
        words.append("start=points")
    if chosen.count("sweep") > 1:
        raise UsageError("+sweep= is given more than once: keep one")
    return [*flags, *words]


def sweeps(words: Iterable[str]) -> list[str]:
    """The names of the sweeps that rewritten words choose; several with -m."""
    values = [word.partition("=")[2] for word in words if word.startswith("+sweep=")]
    return [name for value in values for name in tree.split_names(value)]


def explain(error: BaseException, arguments: Sequence[str]) -> str:
    """One message for what Hydra or OmegaConf raised about the user's words."""
    text = str(error)
    if found := re.search(r"Could not (?:override|append to config)[^']*'([^']+)'", text):
        return _unknown_key(found[1])
    if found := re.search(r"Could not delete from config[^']*'([^']+)'", text):
        return f"{found[1]} is no axis here: leave out ~{found[1]}"
    named = re.findall(r"([A-Za-z_][\w./]*)=", f"{getattr(error, 'override', '')} {text}")
    keys = {argument: argument.split("=")[0].strip(" +~") for argument in arguments}
    words = [argument for argument, key in keys.items() if key in named]
    if words:
        word = max(words, key=lambda word: word.partition("=")[2] in text)
        return f"cannot read {word!r}: {_form(keys[word])}"
    first = next((line for line in text.splitlines() if line.strip()), type(error).__name__)
    return f"cannot read the command line: {first} (python -m gdexp --help)"


def _form(key: str) -> str:
    """How the value of a key is written."""
    forms = {"grid": FORMS, "draw": DRAWS}.get(key.split(".")[0])
    if forms:
        return f"type one of {forms}"
    quoted = f"\"{key}='...'\""
    return (
        f"type one value, or a list {key}=[A,B]; text with signs in it stands in quotes: {quoted}"
    )


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Flags with their values, and overrides. argparse would take prefixes, so spelling counts."""
    flags, overrides, waiting = [], [], list(arguments)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("-"):
            overrides.append(word)
            continue
        name, equals, value = word.partition("=")
        if name not in FLAGS:
            raise UsageError(f"there is no flag {name}{nearest(name, [*FLAGS, '--help'])}")
        if FLAGS[name] and not equals:
            value = waiting.pop(0) if waiting else ""
        if bool(value) != bool(FLAGS[name]) or (value and value not in FLAGS[name]):
            raise UsageError(f"{name} takes {' or '.join(FLAGS[name]) or 'no value'}")
        flags += [name, value] if value else [name]
    return flags, overrides


def _override(word: str, batch: bool) -> Iterable[str]:
    """One word of the user as one or more of Hydra's."""
    if word.startswith("~"):
        return [_removal(word)]
    key, bare, value = _parsed(word)
    several = batch and _has_comma(value)
    if bare == "objective":
        return _objective(key, value, batch)
    if bare in GROUPS:
        return _choice(key, bare, value, batch)
    if first := _first_key(bare):
        return _section(bare, value, batch, first)
    if PARAMETERS.fullmatch(bare):
        if several:
            raise UsageError(f"{bare} takes one value: type {bare}=1.0 and grid.NAME={value}")
        return [f"++{bare}={value}"]
    kind = catalogue.type_of(bare)
    is_text = TEXT.fullmatch(bare) or kind is str
    if is_text and (batch or not _has_comma(value)) and value != "null":
        return [f"{_forced(key)}={_quoted(value)}"]
    is_list = LIST.fullmatch(bare) or kind is tuple
    if batch and NUMBER.fullmatch(bare) and not is_list and (several or SEVERAL.match(value)):
        return _axis(f"grid.{bare.partition('.')[2]}", value, batch)
    if bare.startswith(("grid.", "draw.")):
        return _axis(bare, value, batch)
    if several and not is_list:
        raise UsageError(f"{bare} takes one value, not {value}; -m makes a run of each")
    return [f"{_forced(key)}=[{value}]" if several else f"{_forced(key)}={value}"]


def _forced(key: str) -> str:
    """A key with + as one with ++: what is there is set, what is not gets as far as the check."""
    bare = key.lstrip("+")
    return key if key == bare else bare if bare.startswith("hydra") else f"++{bare}"


def _parsed(word: str) -> tuple[str, str, str]:
    """KEY=VALUE as the key, the key without its +, and the value."""
    if "${" in word:
        raise UsageError(f"{word!r}: interpolations (${{...}}) are refused; type the value itself")
    if re.search(r"\b_target_\b", word):
        raise UsageError(f"{word!r}: _target_ names code to run, and is refused: leave it out")
    key, equals, value = (part.strip() for part in word.partition("="))
    if not equals:
        raise UsageError(f"{word!r} is not KEY=VALUE (python -m gdexp --help)")
    if not KEY.fullmatch(key):
        raise UsageError(f"{key!r} is no key: type KEY=VALUE, such as seed=1")
    bare = key.lstrip("+")
    for refused, told in REFUSED.items():
        if f"{bare}.".startswith(f"{refused}."):
            raise UsageError(f"{bare} is not to be set: {told}")
    if not value and TEXT.fullmatch(bare):
        raise UsageError(f"{bare}= is empty: type a text, or leave it out")
    return key, bare, value


def _axis(bare: str, value: str, batch: bool) -> list[str]:
    """grid.KEY=VALUES or draw.KEY=DISTRIBUTION, which need no +."""
    if batch and _has_comma(value):
        if bare.startswith("draw."):
            raise UsageError(f"{bare} takes one distribution: type one of {DRAWS}")
        value = f"[{value}]"
    # the null first: a value given later replaces an axis, it is not merged into it
    return [f"++{bare}=null", f"++{bare}={value}"] if batch else [f"++{bare}={value}"]


def _removal(word: str) -> str:
    """~grid.KEY takes an axis away; everything else always has a value."""
    key = word[1:].partition("=")[0].strip()
    room, dot, _ = key.partition(".")
    if room not in ("grid", "draw") or not KEY.fullmatch(key):
        raise UsageError(f"{word!r}: only axes can be taken away (~grid.KEY); type KEY=VALUE")
    return f"~{key}" if dot else f"++{key}=null"


def _first_key(bare: str) -> str | None:
    """A key in a section, a card or the parameters; None where `bare` takes a value itself."""
    group, _, name = bare.partition(".")
    if group in ("objective", "optimizer") and name in catalogue.choices(group):
        return next(iter(catalogue.card(group, name)), "KEY")
    if bare.endswith(".parameters"):
        return "a"
    section = tree.defaults().get(bare)
    return next(iter(section), "learning_rate") if isinstance(section, dict) else None


def _section(bare: str, value: str, batch: bool, first: str) -> list[str]:
    """A whole section at once: stop={max_steps: 10}; {} or null empties grid and draw."""
    axes = bare in ("grid", "draw")
    if not value.startswith("{") and not (axes and value == "null"):
        raise UsageError(f"{bare} holds keys of its own: type {bare}.{first}=VALUE")
    # ++: a key that is not there gets as far as the check, which names the nearest that is
    return _axis(bare, value, batch) if axes else [f"++{bare}={value}"]


def _objective(key: str, value: str, batch: bool) -> list[str]:
    """Names of cards, a formula, or a function in a file."""
    kind = tree.objective_kind(value)
    if kind == "names":
        return _choice(key, "objective", value, batch)
    what = "path" if kind == "file" else "formula"
    return [f"objective=[{kind}]", f"objective.{kind}.{what}={_quoted(value)}"]


def _choice(key: str, group: str, value: str, batch: bool) -> list[str]:
    """GROUP=NAME or GROUP=NAME,NAME, every name known."""
    if group == "start" and re.match(r"\[+[-.\d]", value):
        raise UsageError(f"start={value} is not a sampler: type start.points={value}")
    names = [catalogue.pick(group, name) for name in tree.split_names(value)]
    if len(set(names)) < len(names):
        raise UsageError(f"{group}={value} names one twice")
    many = group in ("objective", "optimizer")
    # + adds to what is selected, where there may be several; a sweep is always added
    plus = "+" if group == "sweep" or (many and key == f"+{group}") else ""
    if many and batch:
        return [f"{plus}{group}=[{','.join(names)}]"]
    if len(names) > 1 and batch:
        raise UsageError(f"{group} takes one name, not {value}")
    return [f"{plus}{group}={','.join(names)}"]


def _unknown_key(key: str) -> str:
    """Why a dotted key is not there, and the nearest that is."""
    group, *rest = key.split(".")
    if group in ("objective", "optimizer") and rest:
        return _unknown_number(group, rest[0], ".".join(rest[1:]))
    if group in catalogue.SINGLE and rest:
        if names := catalogue.holders(group, rest[0]):
            return f"{key} goes with {group}={'|'.join(names)}: add one of them"
        cards = [catalogue.card(group, name) for name in catalogue.choices(group)]
        return f"there is no key {key!r}{nearest(key, {f'{group}.{k}' for c in cards for k in c})}"
    known = [*_leaves(tree.defaults()), "+sweep"]
    same = [k for k in known if k.rpartition(".")[2] == key.lower()]
    hint = f": did you mean {same[0]}?" if same else nearest(key.lower(), known)
    return f"there is no key {key!r}{hint or '; python -m gdexp --help names the keys'}"


def _unknown_number(group: str, name: str, key: str) -> str:
    """Why a card has no such key, or is not there."""
    if not key and (names := catalogue.holders(group, name)):
        first = "sgd" if "sgd" in names else names[0]
        return f"whose {name} is meant? type {group}.{first}.{name}=VALUE"
    try:
        card = catalogue.card(group, catalogue.pick(group, name))
    except UsageError as error:
        return str(error)
    if not key or key in card:
        return f"{name} is not selected: add {group}={name}"
    return f"{name} has no {key!r}{nearest(key, card)} (it has {', '.join(card) or 'no numbers'})"


def _leaves(node: dict, prefix: str = "") -> list[str]:
    """Every dotted key of a tree, the sections among them."""
    found = []
    for key, value in node.items():
        found.append(prefix + key)
        if isinstance(value, dict):
            found += _leaves(value, f"{prefix}{key}.")
    return found


def _has_comma(value: str) -> bool:
    """Whether a comma stands outside brackets and quotes."""
    return len(parts(value)) > 1


def _quoted(text: str) -> str:
    """`text` in the quotes of Hydra's grammar, which takes nothing else literally."""
    if text[:1] in "'\"" and text[:1] == text[-1:] and len(text) > 1:
        text = text[1:-1]
    # a backslash is itself, but for those before a quote or at the end
    return "'" + re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + m[2].replace("'", "\\'"), text) + "'"
