"""Text becomes a checked, typed Experiment.

`words` turns a command line into what Hydra understands, `deltas` reads the sweeps it names,
`values` reads numbers, axes and distributions, `catalogue` knows which names there are, `cards` and
`axes` check what is set and varied, `check` makes the Experiment. Only `words` knows Hydra; `check`
takes a plain tree, so that Python callers need no Hydra.
"""
