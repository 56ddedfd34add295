"""Waits until the pod's network policy is in force: until `LIVELEAF_CANARY`, an address `host:port` that the policy
forbids, cannot be reached twice in a row. A policy that only drops packets is told by their silence. Empty: nothing
is tried. After thirty seconds of reaching it there is no policy, and nothing of a repository may run.
"""

import os
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from result_file import write_result  # noqa: E402

MOST_SECONDS = 30
CONNECT_SECONDS = 1
BETWEEN_SECONDS = 0.3
REFUSALS = 2


def parse(canary):
    host, _, port = canary.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("“%s” is no address; write kubernetes.canary as host:port." % canary)
    return host.strip("[]"), int(port)


def is_reached(host, port):
    """None where the host has no address: what cannot be tried proves nothing."""
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS):
            return True
    except socket.gaierror:
        return None
    except OSError:
        return False


def wait(host, port):
    """None once the canary is refused, else a sentence."""
    until = time.monotonic() + MOST_SECONDS
    refused = 0
    reached = None
    while time.monotonic() < until:
        reached = is_reached(host, port)
        refused = refused + 1 if reached is False else 0
        if refused == REFUSALS:
            return None
        time.sleep(BETWEEN_SECONDS)
    if reached is None:
        return "The canary %s has no address, so nothing can be said of the network policy." % host
    return "The network policy is not in force: %s:%d, which it must forbid, was still reached after %d seconds." % (host, port, MOST_SECONDS)


def main():
    canary = os.environ.get("LIVELEAF_CANARY", "")
    if not canary:
        return 0
    try:
        sentence = wait(*parse(canary))
    except ValueError as error:
        sentence = str(error)
    if sentence is None:
        print("The network policy is in force.", flush=True)
        return 0
    print(sentence, flush=True)
    write_result({"ok": False, "code": "unhealthy", "reason": "canary", "message": sentence})
    return 1


if __name__ == "__main__":
    sys.exit(main())
