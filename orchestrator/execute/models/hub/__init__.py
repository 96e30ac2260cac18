"""Models and data files from Hugging Face (or a mirror) and from ModelScope, into plain folders of ours.

store.py: the fetch. shelf.py: where things lie. choice.py: which files. child.py: the process that talks to
the hub. words.py: what they say to each other, and to the user when it fails.
"""

from orchestrator.execute.models.hub.store import fetch_dataset_file, fetch_model

__all__ = ["fetch_dataset_file", "fetch_model"]
