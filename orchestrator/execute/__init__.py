"""Everything that touches the world: processes, files, sockets, hubs, environments."""
