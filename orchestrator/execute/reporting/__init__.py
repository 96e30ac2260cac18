"""What a person looks at: the report of a run, its loss curve, and a running run (`conch watch`).

The pages themselves are pure and in html/. Only the command line and the daemon import this room.
"""
