"""What every test may count on, whatever machine and surroundings it runs in."""

import os

import hypothesis

# Tests state facts to the last digit of a CPU, and two workers would not share one accelerator's
# memory. JAX_PLATFORMS=cuda pytest ... tries another device.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
for variable in ("GDEXP_CONF", "XLA_FLAGS", "JAX_ENABLE_X64"):
    os.environ.pop(variable, None)

# The same examples in every run; a loaded machine is no failure.
hypothesis.settings.register_profile("gdexp", derandomize=True, deadline=None)
hypothesis.settings.load_profile("gdexp")
