"""Tiles as tasks of Ray: `cluster` hands them out, `worker` makes them."""
