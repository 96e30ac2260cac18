"""Keys: from CONCH_API_KEY or a file that nobody else reads; never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import MissingError, UsageError
from orchestrator.execute.inference.api_key import checked_url, read_key


def test_a_key_comes_from_the_file_or_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-1\n", encoding="utf-8")
    file.chmod(0o600)
    assert read_key(file, {"CONCH_API_KEY": "sk-2"}) == "sk-1"
    assert read_key(None, {"CONCH_API_KEY": "sk-2", "OPENAI_API_KEY": "sk-3"}) == "sk-2"
    assert read_key(None, {"OPENAI_API_KEY": "sk-3"}) == ""


def test_fault_093_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-1", encoding="utf-8")
    file.chmod(0o644)
    with pytest.raises(MissingError) as raised:
        read_key(file)
    assert raised.value.problems[0].hint == f"chmod 600 {file}"
    with pytest.raises(MissingError, match="no key file"):
        read_key(tmp_path / "none")


@pytest.mark.parametrize("text", ["", "two words", "钥匙", "a\nb"])
def test_what_is_no_key_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    with pytest.raises(UsageError) as raised:
        read_key(file)
    assert not text or text not in str(raised.value)


SECRET = "hunter22-and-more"


@pytest.mark.parametrize(
    "url",
    [
        f"http://me:{SECRET}@host/v1",
        f"http://{SECRET}@host/v1",
        f"http://host/v1?api_key={SECRET}",
        f"http://host/v1?a@b={SECRET}",
        f"http://host/v1#{SECRET}",
        f"http://me:{SECRET}#@host/v1",
        f"http://me:/{SECRET}@host/v1",
        f"{SECRET}@host",
        f"http://me:{SECRET}@ho st:x/v1",
    ],
)
def test_fault_145_an_address_with_a_secret_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked_url(url)
    assert SECRET not in str(caught.value)
    assert "***" in str(caught.value)


def test_an_address_is_kept_as_it_is_but_for_its_end() -> None:
    assert checked_url("https://host:8443/a/v1/") == "https://host:8443/a/v1"
    assert checked_url("http://[::1]:8000/v1") == "http://[::1]:8000/v1"
