"""Measures what the proofs need: reads the probes' files, asks servers, and writes each Proof to its file.

Also the verbs around proofs: prove, parity without a recipe, and why. Not here: the proofs themselves
(proofs/) and the probes (probes/). Imported by cli/ and by the rooms above it in execute/.
"""
