"""A session in a pod: `python start.py`, told by LIVELEAF_SESSION what it is, and by LIVELEAF_CANARY what it may not reach.

A read-only root and no network will do: it writes below HOME and TMPDIR alone. As the container's first process it reaps
what others leave behind, passes signals on to the server, its child, and ends as that does.
"""

import json
import math
import os
import resource
import signal
import sys

# The cluster's own variables are nothing to readers.
DROPPED = ("LIVELEAF_", "KUBERNETES_")


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def processors():
    """How many processors the container may use; libraries that count the machine's start a thread for each of those."""
    quota, _, period = read("/sys/fs/cgroup/cpu.max").partition(" ")
    if not quota:
        quota, period = (read(f"/sys/fs/cgroup/cpu/cpu.cfs_{name}_us") for name in ("quota", "period"))
    if quota.strip() in ("", "max", "-1"):
        return len(os.sched_getaffinity(0))
    return max(1, math.ceil(int(quota) / int(period)))


def settings(given, canary):
    """What `serve.py` is given. `given`: baseUrl, tokenSha256, features, limits, received, kernel; listen where it is not port 8888."""
    home, own = os.environ["HOME"], os.path.join(os.environ["TMPDIR"], "liveleaf")
    return {
        "listen": {"address": "0.0.0.0", "port": 8888},
        **given,
        "limits": {**given["limits"], "threads": processors()},
        "places": {
            "content": os.path.join(home, "content"),
            "packages": os.path.join(home, ".local", "liveleaf"),
            "jupyter": os.path.join(own, "jupyter"),
            "runtime": os.path.join(own, "run"),
        },
        "readOnlyEnvironment": True,
        "canary": canary,
    }


def supervise(server):
    """Waits for every process that ends; returns the server's exit code."""
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, lambda number, _: os.kill(server, number))
    while True:
        pid, status = os.wait()
        if pid == server:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def main():
    text, canary = os.environ.get("LIVELEAF_SESSION"), os.environ.get("LIVELEAF_CANARY", "")
    if text is None:
        sys.exit("LIVELEAF_SESSION is not set: this image is started by a Liveleaf hub, which says in it what the session is.")
    for name in [name for name in os.environ if name.startswith(DROPPED)]:
        del os.environ[name]
    os.environ.setdefault("TMPDIR", "/tmp")
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    server = os.fork()
    if server != 0:
        sys.exit(supervise(server))
    # Only the server needs what this loads.
    from serve import serve

    serve(settings(json.loads(text), canary))


if __name__ == "__main__":
    main()
