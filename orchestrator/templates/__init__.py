"""Chat templates: families and their writer, pairing with a training, and the comparison of prompts by token.

Pure. Not here: rendering (the engines do it, in probes/) and reading chat_templates/ (execute/project).
Imported by plan/, proofs/ and everything above.
"""
