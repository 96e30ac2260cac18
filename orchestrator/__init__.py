"""Conch: recipe → LLaMA-Factory → export → vLLM → verified answers."""

__version__ = "0.1.0"
