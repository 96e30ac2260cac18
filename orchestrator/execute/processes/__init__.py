"""Child processes: start, watch and stop whole process trees; their environment; why one failed.

Not here: what to run (plan/) and where to run it (launchers/). Rooms from launchers/ upwards import it.
"""
