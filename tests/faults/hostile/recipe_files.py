"""Recipe files: what a YAML file can do to its reader."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.hostile import Hostile, Place, write
from tests.small_world import RECIPE


def recipe_text(text: bytes | str) -> Callable[[Place], object]:
    """The whole recipe."""
    return write("recipes/small.yaml", text)


def recipe_and(more: str) -> Callable[[Place], object]:
    """The small recipe, and more."""
    return recipe_text(RECIPE + more)


PLAN = ("plan", "small")
AT = "recipes/small.yaml"

CASES = (
    Hostile("empty", recipe_text(""), PLAN, 2, (AT,)),
    Hostile("no mapping but a list", recipe_text("- a\n- b\n"), PLAN, 2, (AT,)),
    Hostile("bytes that are no text", recipe_text(b"\xff\xfe\x00\x00"), PLAN, 2, (AT,)),
    Hostile("a NUL", recipe_and("# \0\n"), PLAN, 2, (AT,)),
    Hostile(
        "aliases that multiply",
        recipe_text(
            "a: &a [x]\n"
            + "".join(
                f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n"
                for a, b in zip("abcdefgh", "bcdefghi", strict=True)
            )
        ),
        PLAN,
        2,
        (AT,),
    ),
    Hostile("100,000 lists in each other", recipe_text("[" * 100_000), PLAN, 2, (AT,)),
    Hostile("an alias of itself", recipe_and("train: &t {a: *t}\n"), PLAN, 2, (AT,)),
    Hostile(
        "a tag that makes an object",
        recipe_and("train: !!python/object/apply:os.system [id]\n"),
        PLAN,
        2,
        (AT,),
    ),
    Hostile("a key with an escape sequence", recipe_and('"\\e]0;x\\a\\e[31m": 1\n'), PLAN, 2, (AT,)),
    Hostile(
        "a key twice", recipe_and("model: {base: ./base}\n"), PLAN, 2, (f"{AT}:11", "model"), also_json=True
    ),
)
