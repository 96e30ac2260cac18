"""Reading a template."""

from pathlib import Path


def load_chat_template(path: Path) -> str:
    """Its text."""
    return path.read_text(encoding="utf-8")
