"""Hashes, durable writes under kill -9 and a full disk, whole outputs, removal that follows no link."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.errors import ConchError, MissingError, StageFailed
from orchestrator.execute.data.lint_dataset_info import lint_file
from orchestrator.execute.host import atomic_files
from orchestrator.execute.inference.api_key import read_key
from orchestrator.execute.models.tokenizer_folder import read_object
from orchestrator.execute.project.recipes import load
from orchestrator.execute.project.template_sandbox import read_template
from orchestrator.execute.proving.given_conversations import read_conversations
from orchestrator.plan.stage import partial

ROOT = Path(__file__).parents[3]
EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def tree_of(folder: Path) -> Path:
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "a b").write_bytes(b"1")
    (folder / "sub" / "神奇海螺").write_bytes(b"2")
    (folder / "sub" / "deep" / "c").write_bytes(b"")
    return folder


def test_the_hash_of_a_file_and_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert (
        atomic_files.sha256_path(tmp_path / "empty") == atomic_files.sha256_file(tmp_path / "empty") == EMPTY
    )
    assert atomic_files.sha256_path(tmp_path / "none") == ""


def test_a_tree_hashes_like_its_copy_and_unlike_anything_else(tmp_path: Path) -> None:
    first, second = tree_of(tmp_path / "one"), tree_of(tmp_path / "two")
    assert atomic_files.sha256_tree(first) == atomic_files.sha256_path(second)
    whole = atomic_files.sha256_tree(second)
    (second / "a b").rename(second / "a c")
    renamed = atomic_files.sha256_tree(second)
    (second / "a c").write_bytes(b"2")
    assert len({whole, renamed, atomic_files.sha256_tree(second)}) == 3


def test_a_linked_file_and_a_linked_folder_count_by_content(tmp_path: Path) -> None:
    tree_of(tmp_path / "real")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    assert atomic_files.sha256_path(tmp_path / "linked") == atomic_files.sha256_tree(tmp_path / "real")


def test_a_durable_write_replaces_and_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    atomic_files.write_durable(path, "旧")
    atomic_files.write_durable(path, "新", mode=0o600)
    assert path.read_text(encoding="utf-8") == "新"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_fault_093_a_secret_is_private_from_creation_whatever_the_umask(tmp_path: Path) -> None:
    """Fault 93."""
    before = os.umask(0)
    try:
        atomic_files.write_durable(tmp_path / "key", "k", mode=0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_fault_039_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    """Fault 39: the limit on a file's size stands for the full disk."""
    path = tmp_path / "state.json"
    atomic_files.write_durable(path, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StageFailed, match=r"state\.json  disk full"):
            atomic_files.write_durable(path, "x" * 5000)
        with pytest.raises(StageFailed, match="disk full"):
            atomic_files.append_durable(tmp_path / "events", b"x" * 5000, sync=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_text(encoding="utf-8") == "old"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["events", "state.json"]
    atomic_files.append_durable(tmp_path / "events", b"next", sync=False)
    assert (tmp_path / "events").read_bytes().endswith(b"x\nnext\n")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MissingError, match="cannot write"):
        atomic_files.write_durable(tmp_path / "file" / "below", "")


def test_fault_056_kill_9_in_a_write_leaves_the_old_or_the_new_never_a_mixture(tmp_path: Path) -> None:
    """Fault 56, twenty times."""
    path = tmp_path / "state.json"
    code = f"""
from pathlib import Path
from orchestrator.execute.host.atomic_files import write_durable
number = 0
while True:
    number += 1
    write_durable(Path({str(path)!r}), (str(number % 10) * 200_000))
"""
    moment = random.Random(7)  # noqa: S311  a moment, not a secret
    for _ in range(20):
        writer = subprocess.Popen([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)})
        while not path.exists():
            time.sleep(0.005)
        time.sleep(0.1 + moment.random() / 20)
        writer.kill()
        writer.wait()
        text = path.read_text(encoding="utf-8")
        assert len(text) == 200_000
        assert len(set(text)) == 1


def test_outputs_take_their_names_together_and_replace_the_old(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "old").touch()
    tree_of(tmp_path / partial("export"))
    (tmp_path / partial("answers.jsonl")).write_text("{}", encoding="utf-8")
    atomic_files.rename_outputs(tmp_path, ("export", "answers.jsonl"))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["answers.jsonl", "export"]
    assert not (tmp_path / "export" / "old").exists()
    assert (tmp_path / "export" / "a b").read_bytes() == b"1"


def test_an_output_that_is_missing_or_empty_keeps_every_name_back(tmp_path: Path) -> None:
    """A child's 0 is success only with its output there."""
    (tmp_path / partial("a")).write_text("1", encoding="utf-8")
    (tmp_path / partial("b")).mkdir()
    with pytest.raises(StageFailed) as caught:
        atomic_files.rename_outputs(tmp_path, ("a", "b", "c"))
    assert [problem.where for problem in caught.value.problems] == ["b", "c"]
    assert not (tmp_path / "a").exists()


def test_removing_never_follows_a_link(tmp_path: Path) -> None:
    kept = tree_of(tmp_path / "kept")
    (tmp_path / "doomed").mkdir()
    (tmp_path / "doomed" / "link").symlink_to(kept)
    (tmp_path / "link").symlink_to(kept)
    atomic_files.remove(tmp_path / "doomed")
    atomic_files.remove(tmp_path / "link")
    atomic_files.remove(tmp_path / "never-was")
    assert [one.name for one in tmp_path.iterdir()] == ["kept"]
    assert (kept / "sub" / "deep" / "c").exists()


def test_removing_a_read_only_tree(tmp_path: Path) -> None:
    tree_of(tmp_path / "doomed")
    (tmp_path / "doomed" / "sub").chmod(0o500)
    atomic_files.remove(tmp_path / "doomed")
    assert list(tmp_path.iterdir()) == []


def test_a_linked_tree_has_the_content_and_shares_the_disk(tmp_path: Path) -> None:
    source = tree_of(tmp_path / "source")
    (source / "blob-link").symlink_to(source / "a b")
    atomic_files.link_tree(source, tmp_path / "copy")
    assert atomic_files.sha256_tree(tmp_path / "copy") == atomic_files.sha256_tree(source)
    assert (tmp_path / "copy" / "a b").samefile(source / "a b")
    assert not (tmp_path / "copy" / "blob-link").is_symlink()


def test_a_tree_is_copied_where_links_are_impossible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    source = tree_of(tmp_path / "source")
    atomic_files.link_tree(source, tmp_path / "copy")
    assert atomic_files.sha256_tree(tmp_path / "copy") == atomic_files.sha256_tree(source)


def not_files(folder: Path) -> dict[str, Path]:
    """A path of every kind that is no file."""
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(folder / "s"))
    (folder / "folder").mkdir()
    (folder / "link").symlink_to(folder / "pipe")
    found = {name: folder / name for name in ("pipe", "folder", "link")}
    return {**found, "socket": folder / "s", "device": Path("/dev/zero"), "terminal": Path("/dev/tty")}


@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "socket", "device", "terminal"])
def test_fault_126_what_is_no_file_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Without the guard, opening a pipe waits for ever; the alarm ends it."""
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    path = not_files(Path())[kind]

    def hangs(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(5)
    try:
        with pytest.raises(OSError, match=r"not a file|directory|No such device"):
            atomic_files.open_regular(path)
        assert atomic_files.read_json(path) is None
        for read in (read_key, read_template, read_conversations, read_object, lint_file):
            with pytest.raises(ConchError):
                read(path)
        with pytest.raises(ConchError):
            load(path, tmp_path)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_fault_126_control_a_plain_open_waits_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    code = "import sys; open(sys.argv[1])"
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-S", "-c", code, tmp_path / "pipe"], timeout=1, check=False)


def test_a_link_is_refused_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "link").symlink_to("file")
    with atomic_files.open_regular(tmp_path / "link") as file:
        assert file.read() == b"1"
    with pytest.raises(OSError, match="symbolic link"):
        atomic_files.open_regular(tmp_path / "link", follow=False)
