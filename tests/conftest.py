"""What every test may count on, whatever machine and surroundings it runs in."""

import contextlib
import os
import shutil
import tempfile

import hypothesis
import pytest

# Tests state facts to the last digit of a CPU, and two workers would not share one accelerator's
# memory. JAX_PLATFORMS=cuda pytest ... tries another device.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
for variable in ("GDEXP_CONF", "XLA_FLAGS", "JAX_ENABLE_X64"):
    os.environ.pop(variable, None)

# The same examples in every run; a loaded machine is no failure.
hypothesis.settings.register_profile("gdexp", derandomize=True, deadline=None)
hypothesis.settings.load_profile("gdexp")

OWN_CACHE = "GDEXP_TEST_CACHE"  # set by the process that made it, for its workers


def pytest_configure():
    """Compiles a program once for all workers and processes of a session, in a new folder."""
    if OWN_CACHE not in os.environ:
        folder = tempfile.mkdtemp(prefix="gdexp-tests-")
        os.environ[OWN_CACHE] = f"{os.getpid()}"
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
        os.environ["XDG_CACHE_HOME"] = folder  # for processes that are not handed JAX's variables
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


def pytest_unconfigure():
    """Takes the folder away, when its maker is done."""
    if os.environ.get(OWN_CACHE) == str(os.getpid()):
        shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
        del os.environ[OWN_CACHE], os.environ["XDG_CACHE_HOME"]


def pytest_xdist_auto_num_workers():
    """A worker more than cores: many tests wait for processes that they began."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
def compilations():
    """A context that gives a list which grows by one whenever XLA compiles."""
    import jax  # after this file has set JAX's surroundings

    @contextlib.contextmanager
    def counted():
        compiled = []

        def listen(event, duration, **_):
            if event == "/jax/core/compile/backend_compile_duration":
                compiled.append(duration)

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            yield compiled
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)

    return counted


@pytest.fixture(scope="session")
def asked():
    """A sweep of four tiles, 1,600 runs."""
    from gdexp import api

    return api.experiment(
        ["himmelblau", "paraboloid"],
        optimizer=["sgd", "adam"],
        grid={"learning_rate": [0.005, 0.3]},
        start={"uniform": 200},
        stop_max_steps=100,
        stop_targets=[1.0],
    )


@pytest.fixture(scope="session")
def whole(asked, tmp_path_factory):
    """The folder of that sweep, which no test may change."""
    from gdexp import job

    folder = tmp_path_factory.mktemp("whole") / "sweep"
    job.run(asked, folder)
    return folder
