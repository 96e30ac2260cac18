"""Recipe files: what a YAML file, and what it names, can do to its reader."""

from __future__ import annotations

import os
from collections.abc import Callable

from tests.faults.hostile import Hostile, Place, together, write
from tests.small_world import RECIPE


def recipe_text(text: bytes | str) -> Callable[[Place], object]:
    """The whole recipe."""
    return write("recipes/small.yaml", text)


def recipe_and(more: str) -> Callable[[Place], object]:
    """The small recipe, and more."""
    return recipe_text(RECIPE + more)


def recipe_with(*changes: tuple[str, str]) -> Callable[[Place], object]:
    """The small recipe, some of its text replaced."""
    return lambda place: place.world.write_recipe(*changes)


def as_pipe(place: Place) -> None:
    (place.project / "recipes/small.yaml").unlink()
    os.mkfifo(place.project / "recipes/small.yaml")


def as_link_to_itself(place: Place) -> None:
    (place.project / "recipes/small.yaml").unlink()
    (place.project / "recipes/small.yaml").symlink_to("small.yaml")


def as_link_to_zeros(place: Place) -> None:
    (place.project / "recipes/small.yaml").unlink()
    (place.project / "recipes/small.yaml").symlink_to("/dev/zero")


def as_dangling_base(place: Place) -> None:
    (place.project / "dangling").symlink_to("/nowhere/at/all")
    place.world.write_recipe(("./base", "./dangling"))


def doubling() -> str:
    """Nine levels of nine aliases: 387 million values, in 300 bytes."""
    lines = [f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    return "a: &a [x]\n" + "".join(lines)


def recipe(name: str, make: Callable[[Place], object], *says: str, never: str = "", code: int = 2) -> Hostile:
    """A recipe that `conch plan` is asked for."""
    return Hostile(name, make, ("plan", "small"), code, says, (never,) if never else ())


def asking(text: str) -> Callable[[Place], object]:
    """The small recipe with another first question."""
    return recipe_with(("ask: 你是谁", f"ask: {text}"))


def base(text: str) -> Callable[[Place], object]:
    """The small recipe with another base."""
    return recipe_with(("./base", text))


AT = "recipes/small.yaml"
LONG = "x" * 100_000
ENTRY = "dataset_info/small.yaml"
REST = "licence: x\nsource: x\n"
CHAIN = [write(f"recipes/r{number}.yaml", f"extends: r{number + 1}\n") for number in range(200)]

CASES = (
    recipe("empty", recipe_text(""), f"{AT}:1:1", "must be a mapping, got nothing"),
    recipe("a list", recipe_text("- a\n- b\n"), f"{AT}:1:1", "a mapping, got a list"),
    recipe("UTF-16", recipe_text(RECIPE.encode("utf-16")), f"{AT}:1:1  not UTF-8 text"),
    recipe("a NUL", recipe_and("# \0\n"), f"{AT}:11:3  the character U+0000"),
    recipe("two documents", recipe_and("---\nmodel: {}\n"), f"{AT}:11:1  a second document"),
    recipe("aliases that multiply", recipe_text(doubling()), f"{AT}:1:4", "do not support anchors"),
    recipe("an alias of itself", recipe_and("train: &t {a: *t}\n"), f"{AT}:11:8", "anchors (&t)"),
    recipe("an alias of nothing", recipe_and("train: *nothing\n"), f"{AT}:11:8", "do not support aliases"),
    recipe("a merge key of itself", recipe_and("train: &t {<<: *t}\n"), f"{AT}:11:12", 'no key named "<<"'),
    recipe("100,000 lists in each other", recipe_text("[" * 100_000), f"{AT}:1:33  nested deeper than 32"),
    recipe("5,000 mappings in each other", recipe_text("{a: " * 5_000 + "}" * 5_000), f"{AT}:1:129  nested"),
    recipe(
        "90,000 unknown keys",
        recipe_text("".join(f"k{number}: 1\n" for number in range(90_000))),
        f'{AT}:1:1  k0: no key named "k0"',
        "89903 more problems",
        never="k89000",
    ),
    recipe("a megabyte and more", recipe_and("# " + "x" * (1 << 20)), f"{AT}  larger than 1 MiB"),
    recipe(
        "a tag that runs a program",
        recipe_and("train: !!python/object/apply:os.system [id]\n"),
        "tags (!!python",
    ),
    recipe(
        "a tag that reads a file",
        recipe_and("train: !include /etc/passwd\n"),
        "tags (!include)",
        never="root:x",
    ),
    recipe("a raw escape sequence", recipe_and("train: \x1b[31mred\n"), f"{AT}:11:8  the character U+001B"),
    recipe(
        "a key with an escape sequence",
        recipe_and('"\\e]0;x\\a": 1\n'),
        f"{AT}:11:1  a key must be a printable word",
    ),
    Hostile(
        "a value that turns its direction",
        recipe_and("train: {method: '\u202eorol'}\n"),
        ("plan", "small"),
        2,
        (f"{AT}:11:17", r"\u202eorol"),
        also_json=True,
    ),
    recipe(
        "a key of 100,000 letters", recipe_and(f"? {LONG}\n: 1\n"), "at most 128 characters", never="x" * 500
    ),
    recipe(
        "a value of 100,000 letters",
        recipe_and(f"train: {{method: {LONG}}}\n"),
        f"{AT}:11:17",
        "xxx…",
        never="x" * 500,
    ),
    recipe("a key that is a list", recipe_and("? [a, b]\n: 1\n"), f"{AT}:11:3  a key must be a plain word"),
    recipe("a key that is nothing", recipe_and("~: 1\n"), f'{AT}:11:1  ~: no key named "~"'),
    recipe(
        "a number of 100,000 digits",
        recipe_and(f"train: {{epochs: {'9' * 100_000}}}\n"),
        f"{AT}:11:17",
        "999…",
        never="9" * 500,
    ),
    recipe("a number in base 60", recipe_and("train: {epochs: 1:30}\n"), f"{AT}:11:17", 'got "1:30"'),
    recipe(
        "numbers that are none",
        recipe_and("train: {learning_rate: .nan, epochs: .inf, seed: -0x1}\n"),
        f"{AT}:11:24  train.learning_rate",
        f"{AT}:11:38  train.epochs",
        f"{AT}:11:50  train.seed",
    ),
    recipe("a date", recipe_and("train: {seed: 2024-01-01}\n"), f"{AT}:11:15  train.seed"),
    recipe(
        "half a surrogate", recipe_and('train: {method: "\\ud800"}\n'), f"{AT}:11:20  not YAML: found invalid"
    ),
    recipe(
        "a pattern that backtracks",
        recipe_with(("contains: 神奇海螺", "matches: '(a+)+$'")),
        f"{AT}:8:25",
        "exponential time",
    ),
    recipe("extends itself", recipe_and("extends: small\n"), f"{AT}:11:10  extends: circular"),
    recipe(
        "extends what extends it",
        together(recipe_and("extends: other\n"), write("recipes/other.yaml", "extends: small\n")),
        "recipes/other.yaml:1:10  extends: circular",
    ),
    recipe("extends a path out", recipe_and("extends: ../../../etc/passwd\n"), f"{AT}:11:10", never="root:x"),
    recipe(
        "a chain of 200 recipes",
        together(recipe_and("extends: r0\n"), *CHAIN),
        'recipes/r199.yaml:1:10  extends: no recipe named "r200"',
    ),
    recipe("a pipe that nobody writes to", as_pipe, "device, not a file"),
    recipe("a link to itself", as_link_to_itself, 'no recipe named "small"'),
    recipe("a link to endless zeros", as_link_to_zeros, "device, not a file"),
    recipe("a base that is a link to nothing", as_dangling_base, f"{AT}:1:15", "./dangling", code=3),
    recipe("a base out of the project", base("./../../../../etc"), f"{AT}:1:15", "./../../../../etc", code=3),
    recipe("a base that is a file", base("./recipes/small.yaml"), f"{AT}:1:15", "no folder", code=3),
    recipe("a base that is an option", base("--help"), f"{AT}:1:15", 'got "--help"'),
    recipe("a base with a NUL", base('"./a\\0b"'), f"{AT}:1:15", r"./a\u0000b"),
    recipe(
        "a dataset that is a path out",
        recipe_with(("dataset: small", "dataset: ../recipes/small")),
        f"{AT}:2:17",
    ),
    recipe(
        "rows out of the project",
        write(ENTRY, f"format: alpaca\nfile: ../../../../etc/passwd\n{REST}"),
        f"{ENTRY}:2:7  file: must be a path inside",
        never="root:x",
    ),
    recipe(
        "a format with an escape", write(ENTRY, f'format: "\\e[2J"\nfile: small.jsonl\n{REST}'), r"\x1b[2J"
    ),
    recipe("a base with a password", base("https://me:geheim@hub.example/x"), f"{AT}:1:15", never="geheim"),
    recipe("an entry that is a list", write(ENTRY, "[1]\n"), f"{ENTRY}:1:1", "got a list"),
    recipe(
        "a served name with an escape",
        recipe_with(("serve: {", 'serve: {model: "\\e[31mx", ')),
        f"{AT}:4:16",
        r"\u001b[31mx",
    ),
    recipe(
        "a served name of 500,000 letters",
        recipe_with(("serve: {", f"serve: {{model: {'m' * 500_000}, ")),
        f"{AT}:4:16",
        "mmm…",
        never="m" * 500,
    ),
    recipe("a question that is a mapping", asking("{a: b}"), f"{AT}:7:12", "got a mapping"),
    recipe("a question of nothing", asking("''"), f"{AT}:7:12", "not empty"),
    recipe("a question with control characters", asking('"\\e[31m\\0"'), r"\u001b[31m\u0000", code=0),
    recipe(
        "5,000 questions",
        recipe_with(("  checks:\n", "  checks:\n" + "    - {ask: a, expect: {contains: b}}\n" * 5_000)),
        "checks[4999]",
        code=0,
    ),
)
