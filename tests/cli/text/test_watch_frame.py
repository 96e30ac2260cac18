"""The picture of a run: as it was agreed on (golden, Chinese and English), and inside every terminal."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from orchestrator.backends.trainer_log import TrainStep
from orchestrator.cli.text.watch_frame import change, ending, frame, summary_line
from orchestrator.execute.host.gpu import Load
from orchestrator.execute.reporting.watch import Snapshot, WatchedStage

GOLDEN = Path(__file__).parents[2] / "golden"
NAMES = ["fetch", "prepare", "prove_data", "ask_base", "train", "hashes", "export", "prove_export", "score"]
NAMES += ["prove_served", "ask", "judge", "certify", "report"]
TOOK = (24.8, 0.1, 16.2, 54.7, 192.4)
STAGES = tuple(
    WatchedStage(name, "running" if n == 4 else "done" if n < 4 else "waiting", TOOK[n] if n < 5 else 0.0)
    for n, name in enumerate(NAMES)
)
ENGLISH = Snapshot(
    run="support_bot/20261125-013141-11f2",
    headline="support_bot: training Qwen/Qwen3-0.6B on cuda (bf16)",
    standing="running",
    seconds=288.4,
    stages=STAGES,
    step=TrainStep(38, 77, 0.5184, None, 1.4e-3, "0:03:02", "0:03:07"),
    validation=0.6121,
    lowest_validation=0.6121,
    losses=tuple(3 / (1 + n / 9) for n in range(38)),
    validations=(1.2, 0.8, 0.6121),
    left=187.0,
    whole_left=451.0,
    memory_gb=2.14,
    memory_total_gb=25.3,
    processes=3,
    gpus=(Load("NVIDIA GeForce RTX 4090", 12345, 24564, 97),),
    gpu_mib=12000,
    log="train",
    lines=tuple(f"{{'loss': '{3 / (n + 1):.3f}', 'epoch': '{n / 7:.2f}'}}" for n in range(40)),
)
CHINESE = replace(
    ENGLISH,
    run="神奇海螺/20261125-013141-11f2",
    headline="神奇海螺: training ./模型/深度求索 on cpu (fp32)",
    memory_gb=0.614,
    processes=1,
    gpus=(),
    gpu_mib=0,
    lowest_validation=0.5806,
    whole_left=None,
    lines=(
        "正在读取数据集：dataset_info/神奇海螺.jsonl，一共五十六行，其中十二行留作验证",
        "\x1b[2J恶意\u202e文本",
        *(f"第{n}步\t损失 {3 / n:.3f}" for n in range(1, 20)),
    ),
)
FAILED = replace(
    CHINESE,
    standing="failed",
    exit_code=4,
    reason="train failed (exit 1): ValueError: 找不到模型文件夹里的权重 model.safetensors，请先下载",
    stages=(*STAGES[:4], WatchedStage("train", "failed", 12.0), *STAGES[5:]),
    left=None,
    memory_gb=0.0,
)
PICTURES = {
    "zh-80x24": (CHINESE, 80, 24),
    "zh-40x24": (CHINESE, 40, 24),
    "zh-failed-60x20": (FAILED, 60, 20),
    "en-80x24": (ENGLISH, 80, 24),
    "en-40x24": (ENGLISH, 40, 24),
    "en-80x10": (ENGLISH, 80, 10),
}


def plain(snapshot: Snapshot, width: int, height: int) -> list[str]:
    """The picture without its styles."""
    return [line.plain for line in frame(snapshot, width, height)]


@pytest.mark.parametrize("name", PICTURES)
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    """`pytest --golden` writes them anew."""
    shown = "\n".join(plain(*PICTURES[name])) + "\n"
    golden = GOLDEN / f"watch-{name}.txt"
    if request.config.getoption("--golden"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("seen", [CHINESE, ENGLISH, FAILED])
@pytest.mark.parametrize("height", [1, 2, 5, 9, 24, 60])
@pytest.mark.parametrize("width", [1, 2, 13, 40, 80, 300])
def test_nothing_wraps_and_nothing_scrolls(seen: Snapshot, width: int, height: int) -> None:
    lines = plain(seen, width, height)
    assert len(lines) <= max(1, height - 1)
    assert all(cell_len(line) <= max(1, width - 1) for line in lines)
    assert all(line.isprintable() for line in lines)


def test_marks_have_colours() -> None:
    marks = {
        span.style: line.plain[span.start : span.end]
        for line in frame(CHINESE, 80, 24)
        for span in line.spans
    }
    assert marks["green"] == "✓ "


def test_what_a_log_says_cannot_drive_the_terminal() -> None:
    text = "\n".join(plain(replace(CHINESE, lines=("\x1b[2J恶意\u202e文本",)), 80, 24))
    assert "\\x1b[2J恶意\\u202e文本" in text
    assert "\x1b[2J" not in text


def test_a_run_that_only_began_has_a_picture() -> None:
    assert plain(Snapshot("r/1", "", "running"), 80, 24)[0] == "r/1  running 0s"


def test_a_line_for_a_pipe() -> None:
    assert summary_line(ENGLISH) == (
        "running  [5/14] train  step 38/77  left 3:07, whole run 7:31  loss 0.5184  validation 0.6121  "
        "rate 1.4e-03  memory 2.1 GB"
    )
    assert summary_line(FAILED).startswith(
        "failed  神奇海螺/20261125-013141-11f2: failed with exit code 4: train failed"
    )
    assert ending(ENGLISH) == ""


def test_only_what_happened_is_a_change() -> None:
    assert change(ENGLISH) == change(replace(ENGLISH, seconds=999.0, memory_gb=3.0, lines=()))
    step = TrainStep(39, 77, 0.5)
    assert change(ENGLISH) != change(replace(ENGLISH, step=step))


_NUMBER = st.floats(0, 1e7) | st.sampled_from([math.nan, math.inf])


@given(st.integers(-5, 10**9), st.integers(-5, 10**9), st.none() | _NUMBER, st.lists(_NUMBER, max_size=50))
def test_any_numbers_can_be_drawn(step: int, total: int, loss: float | None, losses: list[float]) -> None:
    seen = replace(ENGLISH, step=TrainStep(step, total, loss), losses=tuple(losses), validation=loss)
    assert all(cell_len(line) < 80 for line in plain(seen, 80, 24))


def test_metrics_have_a_line_each_with_the_held_out_value_beside() -> None:
    metrics = {"rewards/accuracies": 0.75, "eval_rewards/accuracies": 0.5, "kl": 7.25}
    seen = replace(ENGLISH, metrics=metrics, metric_courses={"rewards/accuracies": (0.0, 0.75)})
    text = "\n".join(plain(seen, 80, 24))
    assert "preferred   75%, held-out 50%  ▁█" in text
    assert "kl          7.25" in text
    assert "preferred 75%, held-out 50%" in summary_line(seen)
