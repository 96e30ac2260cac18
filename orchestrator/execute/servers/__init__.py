"""A model server's life: started, ready, watched, restarted, stopped; engines/ reads the state of each kind.

Not here: requests to a server that is up (inference/), and the verbs that serve (serving/). Rooms from
runner/ upwards import it.
"""
