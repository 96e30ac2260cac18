"""Models and data files of remote hubs, downloaded into plain folders below CONCH_HOME.

store.py: fetch a repository. cache.py: where it is kept. choice.py: which of its files. child.py: the process
that talks to the hub. protocol.py: their messages and errors.
"""

from orchestrator.execute.models.hub.store import fetch_dataset_file, fetch_model

__all__ = ["fetch_dataset_file", "fetch_model"]
