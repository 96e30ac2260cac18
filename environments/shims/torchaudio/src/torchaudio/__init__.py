"""Empty on purpose: Conch trains on text alone. See environments/README.md."""

__version__ = "2.13.0+none"
