"""This machine and its files: hardware, GPUs, ports, signals, durable files, locks, secrets in text.

Knows nothing of plans' meaning, runs or models. Every room of execute/ may import it.
"""
