"""A Ray cluster of two machines, which are processes of this one; on loopback only.

Run as a script it holds the cluster: it tells the address, kills the second machine when a line
comes on its standard input, and ends with it.
"""

import contextlib
import json
import os
import subprocess
import sys

from gdexp.executors._ray import head

ENVIRONMENT = head.PRIVATE | {"RAY_USAGE_STATS_ENABLED": "0"}


class Cluster:
    """The cluster, as a test holds it.

    Attributes:
      address: of it.
      environment: what a process needs to use it.
    """

    def __init__(self, process: subprocess.Popen):
        self._process = process
        self.address = process.stdout.readline().strip()
        self.environment = ENVIRONMENT

    def kill_one(self) -> None:
        """Kills the second machine, and comes back when it is dead."""
        self._process.stdin.write("kill\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "killed\n"


@contextlib.contextmanager
def running(environment=None, both=False):
    """Two machines with a core each; `environment` is what the second has besides, or both."""
    machines = [(environment or {}) if both else {}, environment or {}]
    with subprocess.Popen(
        [sys.executable, __file__, json.dumps(machines)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | ENVIRONMENT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield Cluster(process)
        finally:
            process.stdin.close()
            process.wait(60)


def main():
    from ray.cluster_utils import Cluster as Machines

    first, other = ({"env_vars": variables} for variables in json.loads(sys.argv[1]))
    machines = Machines(True, head_node_args={"include_dashboard": False} | first)
    second = machines.add_node(**other)
    print(machines.address, flush=True)
    for _ in sys.stdin:
        machines.remove_node(second, allow_graceful=False)
        print("killed", flush=True)
    machines.shutdown()


if __name__ == "__main__":
    main()
