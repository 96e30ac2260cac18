"""Methods: what each renders, where it runs, what it excludes; docs/methods.md is the same table."""
# Covers plan/methods/ plan/stages/expand.py

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.plan.methods import BY_NAME, METHODS, chosen
from orchestrator.plan.methods.base import ANY, EXAMPLES, Method, Runs
from orchestrator.plan.plan import EXPORT, TRAIN, build_plan
from orchestrator.recipe.sections import Train
from tests.plan.kinds.test_sft import settings_of
from tests.plan.test_plan import job_of

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/methods.md"
MEASURED = "<!-- measured -->"
OWN = tuple(method for method in METHODS if method.runs is not Runs.NOWHERE)
REFUSED = tuple(method for method in METHODS if method.runs is Runs.NOWHERE)


def value_of(method: Method) -> str:
    """A value that chooses the row, as `--set` reads it."""
    wanted = method.recipe[1]
    if isinstance(wanted, tuple):
        wanted = wanted[0]
    return {True: "true", ANY: "adafactor"}.get(wanted, str(wanted))


def sets_of(method: Method) -> tuple[str, ...]:
    """What a recipe needs besides, and the key."""
    base = "lora" if "lora" in method.methods else min(method.methods)
    first = () if method.key == "train.method" else (f"train.method={base}",)
    needed = sets_of(BY_NAME[method.needs])[-1:] if method.needs else ()
    return (*first, *needed, f"{method.key}={value_of(method)}")


def rendered(*sets: str, hardware: str = "cpu", recipe: str = "smoke") -> dict[str, object]:
    return settings_of(build_plan(job_of(recipe, hardware, *sets)), "train", "train.yaml")


def refusal(*sets: str, hardware: str = "cpu", recipe: str = "smoke") -> str:
    with pytest.raises(UsageError) as caught:
        job_of(recipe, hardware, *sets)
    return " · ".join(f"{one.what} → {one.hint}" for one in caught.value.problems)


@pytest.mark.parametrize("method", OWN, ids=lambda method: method.name)
def test_a_method_is_rendered_where_it_runs(method: Method) -> None:
    hardware = "cuda" if method.runs is Runs.CUDA else "cpu"
    job = job_of("smoke", hardware, *sets_of(method))
    assert method in chosen(job.recipe)
    settings = settings_of(build_plan(job), "train", "train.yaml")
    for key, value in method.settings(job.recipe.train).items():
        assert value is None or settings[key] == value
    if method.runs is Runs.CUDA:
        assert f"{method.name} runs on a GPU only" in refusal(*sets_of(method))


@pytest.mark.parametrize("method", REFUSED, ids=lambda method: method.name)
def test_a_method_that_cannot_run_is_refused_with_its_reason(method: Method) -> None:
    values = method.recipe[1] if isinstance(method.recipe[1], tuple) else (value_of(method),)
    for value in values:
        said = refusal(f"{method.key}={value}", hardware="cuda")
        assert f"{method.name} cannot run: {method.why} → {method.instead}" in said


def test_the_table_is_whole() -> None:
    names = [method.name for method in METHODS]
    assert len(set(names)) == len(names)
    for method in METHODS:
        assert method.without <= set(names), method.name
        assert bool(method.why) is (method.runs is not Runs.HERE), method.name
        assert bool(method.merge) is (method.runs is not Runs.NOWHERE), method.name
        section, _, key = method.key.partition(".")
        assert section == "llamafactory" or key in Train.model_fields, method.key
    assert {method.key for method in METHODS} >= EXAMPLES


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (("train.dora=true", "train.method=full"), "DoRA does not go with train.method: full"),
        (("train.quantization_bit=4", "train.method=freeze"), "QLoRA, 4 bits does not go with"),
        (
            ("train.optimizer=galore",),
            "GaLore does not go with train.method: lora → set train.method: freeze or",
        ),
        (("train.optimizer=badam", "train.method=freeze"), "BAdam does not go with train.method: freeze"),
        (("llamafactory.use_muon=true",), "Muon does not go with train.method: lora"),
        (("train.pissa=true", "train.quantization_bit=4"), "exclude each other"),
        (("train.pissa=true", "train.dora=true"), "exclude each other"),
        (("train.quantization_bit=4", "train.dora=true"), "exclude each other"),
        (("train.quantization_bit=8", "llamafactory.add_tokens=<a>"), "exclude each other"),
        (("train.quantization_bit=8", "llamafactory.resize_vocab=true"), "exclude each other"),
        (
            ("train.method=full", "train.optimizer=galore", "llamafactory.use_muon=true"),
            "GaLore and Muon (llamafactory.use_muon) exclude each other",
        ),
        (
            ("train.method=full", "train.optimizer=badam", "llamafactory.optim=adafactor"),
            "BAdam and Another optimizer (llamafactory.optim) exclude each other",
        ),
        (("train.method=freeze", "train.llama_pro=2", "train.freeze_layers=4"), "exclude each other"),
        (("train.method=freeze", "train.freeze_layers=0"), "with 0, no layer is trained"),
        (("train.compute_type=fp16",), "on a CPU, fp16 is silently trained in float32"),
        (("train.pissa=true", "train.save_steps=5"), "a resumed PiSSA training is converted wrongly"),
        (("llamafactory.use_asft_loss=true",), "ASFT loss does not go with train.method: lora"),
        (
            (
                "train.method=full",
                "llamafactory.galore_layerwise=true",
                "train.gradient_accumulation=2",
                "train.optimizer=galore",
            ),
            "updates at every batch",
        ),
        (
            ("train.method=full", "llamafactory.galore_layerwise=true"),
            "changes nothing without GaLore → set train.optimizer: galore",
        ),
        (("llamafactory.use_dora=true",), "Conch sets this itself → use train.dora instead"),
        (("llamafactory.packing=true",), "use train.packing instead"),
        (("train.quantization_bit=16",), "must be a whole number from 2 to 8"),
    ],
)
def test_what_does_not_go_together_is_refused_at_plan(sets: tuple[str, ...], said: str) -> None:
    assert said in refusal(*sets)


def test_what_a_kind_does_not_take_is_refused_at_plan() -> None:
    """LLaMA-Factory refuses these late, or does nothing with them."""
    said = refusal("train.packing=on", recipe="conch_dpo")
    assert "Packing does not go with train.kind: dpo: LLaMA-Factory packs rows of sft only" in said
    assert "documents are always packed" in refusal("train.packing=on", recipe="conch_pretrain")
    assert "PiSSA changes the base, which is the reference" in refusal("train.pissa=true", recipe="conch_dpo")
    job_of("conch_dpo", "cpu", "train.pissa=true", "train.save_steps=null", "preference.loss=orpo")


def test_pissa_hands_on_the_converted_adapter() -> None:
    """LLaMA-Factory's own one has another base at every load; a resumed training would convert wrongly."""
    plan = build_plan(job_of("smoke", "cpu", "train.pissa=true"))
    train = settings_of(plan, "train", "train.yaml")
    assert (train["pissa_init"], train["pissa_convert"], train["save_strategy"]) == (True, True, "no")
    assert not plan.stage("train").resumes
    converted = "adapter/pissa_converted"
    assert settings_of(plan, "export", "export.yaml")["adapter_name_or_path"] == converted
    for stage in ("prove_export", "score"):
        argv = plan.stage(stage).commands[0].argv
        assert argv[argv.index("--adapter") + 1] == converted
    assert settings_of(plan, "hashes", "tasks/record_hashes.json")["adapter"] == converted


def test_qlora_is_exported_onto_the_full_base() -> None:
    plan = build_plan(job_of("smoke", "cpu", "train.quantization_bit=4"))
    train, export = (settings_of(plan, name, f"{name}.yaml") for name in ("train", "export"))
    assert (train["quantization_bit"], train["quantization_method"]) == (4, "bnb")
    assert "quantization_bit" not in export
    assert export["model_name_or_path"] == "inputs/base"


def test_a_larger_vocabulary_is_exported_as_it_was_trained() -> None:
    plan = build_plan(job_of("smoke", "cpu", "llamafactory.add_tokens=<a>"))
    export = settings_of(plan, "export", "export.yaml")
    assert (export["resize_vocab"], export["add_tokens"]) == (True, "<a>")


def test_llama_pro_trains_a_base_with_new_blocks() -> None:
    sets = ("train.method=freeze", "train.llama_pro=3")
    plan = build_plan(job_of("smoke", "cpu", *sets))
    argv = plan.stage("expand").commands[0].argv
    assert argv[argv.index("--blocks") + 1] == "3"
    train = plan.stage("train")
    assert train.commands[0].argv[-1] == "model_name_or_path=expanded"
    assert "expanded" in train.inputs
    assert rendered(*sets)["freeze_trainable_layers"] == 3
    assert "expand" in TRAIN
    assert "expand" in EXPORT
    assert "expand" not in [stage.name for stage in build_plan(job_of("smoke", "cpu")).stages]


def test_the_page_is_of_the_table(pytestconfig: pytest.Config) -> None:
    """`pytest tests/plan/methods --golden` writes it anew, but for what was measured."""
    text = PAGE.read_text(encoding="utf-8")
    before, mark, measured = text.partition(MEASURED)
    if pytestconfig.getoption("golden"):
        before = page()
        PAGE.write_text(before + mark + measured, encoding="utf-8")
    assert before == page()
    assert mark, "what a real run of each showed: benchmarks/methods.py"


def page() -> str:
    """docs/methods.md up to what was measured."""
    return "\n".join(
        [
            "# Training methods",
            "",
            "`train.kind` says what is trained for ([training.md](training.md)), a method how: which weights",
            "are trained, how they are held, and by which optimizer. A recipe may choose several. What",
            "cannot run with the locked packages, or not together, is refused by `conch plan` with its",
            "reason. The table is `orchestrator/plan/methods/`; `pytest tests/plan/methods --golden` writes",
            "this page.",
            "",
            "| method | in a recipe | renders | runs | excludes | merge, and what its proof knows |",
            "|---|---|---|---|---|---|",
            *(f"| {' | '.join(_row(method))} |" for method in OWN),
            "",
            "Keys of `train` that are not in the table (`lora_rank`, `lora_target`, …) are described in",
            "`recipes/recipe.schema.json`. Keys of LLaMA-Factory's own that tune a method, such as",
            "`galore_rank` or `badam_switch_interval`, go under `llamafactory:`.",
            "",
            "## Refused, and why",
            "",
            "| method | in a recipe | why | instead |",
            "|---|---|---|---|",
            *(f"| {one.name} | {_spelled(one)} | {one.why} | {one.instead} |" for one in REFUSED),
            "",
            "",
        ]
    )


def _spelled(method: Method) -> str:
    section, _, key = method.key.partition(".")
    wanted = method.recipe[1]
    values = wanted if isinstance(wanted, tuple) else (wanted,)
    texts = (str(value).lower() if isinstance(value, bool) else str(value) for value in values)
    text = " or ".join(texts)
    quoted = f"'{text}'" if "," in text and "<" in text else text
    return f"`{section}: {{{key}: {quoted}}}`"


def _row(method: Method) -> tuple[str, ...]:
    wanted = method.recipe[1]
    key = method.key.partition(".")[2]
    train = Train.model_validate({key: wanted} if method.key.startswith("train.") else {})
    settings = [
        f"`{name}: {_yaml(value)}`" for name, value in method.settings(train).items() if value is not None
    ]
    passed = "as it is" if method.key.startswith("llamafactory.") else ""
    only = f"only with {' or '.join(sorted(method.methods))}" if len(method.methods) < 3 else ""
    kinds = [f"train.kind: {kind} ({why})" for kind, why in (method.unfit or {}).items()]
    both = {*method.without, *(other.name for other in METHODS if method.name in other.without)}
    others = ", ".join(sorted(both))
    excludes = "; ".join(filter(None, (only, others, *kinds))) or "nothing"
    runs = f"{method.runs}: {method.why}" if method.why else str(method.runs)
    return (
        method.name,
        _spelled(method),
        ", ".join(settings) or passed or "with the method",
        runs,
        excludes,
        method.merge,
    )


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
