"""The verbs that serve: an export until Ctrl-C, or one checkpoint for a conversation.

Not here: starting, checking and restarting one server (servers/). Only cli/ and the daemon import it.
"""
