"""Text becomes a checked, typed Experiment.

`words` turns a command line into what Hydra understands, `values` reads axes and distributions,
`catalogue` knows which names there are, `check` makes the Experiment. Only `words` and
`catalogue` know Hydra; `check` takes a plain tree, so that Python callers need no Hydra.
"""
