"""Keeps kernels from starting before the network policy is in force: in a pod's first second it may not be yet."""

import os
import socket
import sys
import threading
import time
import traceback

# A forbidden connection is refused or gets no answer; one that is allowed stays within the cluster.
CONNECT_TIMEOUT_S = 0.5
GIVE_UP_S = 30

_open = threading.Event()
is_open, wait = _open.is_set, _open.wait


def connects(canary):
    host, _, port = canary.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
        return True
    except OSError:
        return False


def begin(canary, then):
    """Opens, and calls `then`, once `canary` (`host:port`, what the policy forbids) is out of reach; at once without one."""
    if canary:
        threading.Thread(target=_guard, args=(canary, then), daemon=True).start()
    else:
        then()
        _open.set()


def _guard(canary, then):
    # Nobody else would notice that this thread has ended.
    try:
        deadline = time.monotonic() + GIVE_UP_S
        while connects(canary):
            if time.monotonic() > deadline:
                print(f"The network policy is not in force: {canary} can be reached, so nothing is run here.", file=sys.stderr)
                os._exit(1)
            time.sleep(0.02)
        then()
        _open.set()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
