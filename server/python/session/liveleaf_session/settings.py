"""What the hub told this session when it started it. The hub's and the pod's start write the same shape."""

import os

values = {
    "baseUrl": "/",
    # {"socket": path}, or {"address": ip, "port": number}.
    "listen": {},
    # Of the upstream token; empty refuses everybody.
    "tokenSha256": "",
    # content (the repository's files), packages (what is installed later), jupyter (kernelspec, pip) and runtime
    # (sockets): absolute paths.
    "places": {},
    "features": {"lab": True, "terminals": False},
    "limits": {"contentBytes": 2 << 30, "contentEntries": 200_000, "threads": 2},
    # Name of the parameter by which a client says how much it has received.
    "received": "",
    # Of the environment, where it is known already: prefix, python, displayName, path of the notebook, variables.
    "kernel": None,
    "readOnlyEnvironment": True,
    # `host:port` that no kernel may reach; empty where nothing is forbidden.
    "canary": "",
}


def load(given):
    values.update(given)


def place(name):
    return values["places"][name]


def folder_of(path):
    """The folder of a notebook's path below the content, or the content itself where the path leads out."""
    root = place("content")
    folder = os.path.normpath(os.path.join(root, os.path.dirname(path.lstrip("/"))))
    return folder if os.path.commonpath([root, folder]) == root else root
