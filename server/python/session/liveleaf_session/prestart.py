"""A kernel that is started before the server, and handed over to the first kernel session that asks for one."""

import json
import os
import re
import subprocess
import uuid

from . import kernelspec, settings

# The process and its connection, until somebody takes it.
_waiting = None


def begin(notebook):
    """Starts the kernel of the written kernelspec, in the folder of a notebook, as its kernel session will ask for it."""
    global _waiting
    with open(kernelspec.path()) as file:
        spec = json.load(file)
    stem = os.path.join(settings.place("runtime"), "kernel-first")
    info = {
        "transport": "ipc",
        "ip": f"{stem}-ipc",
        "key": uuid.uuid4().hex,
        "signature_scheme": "hmac-sha256",
        "kernel_name": "",
        **{f"{name}_port": port for port, name in enumerate(("shell", "iopub", "stdin", "control", "hb"), 1)},
    }
    path = f"{stem}.json"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(info, file)
    cwd = settings.folder_of(notebook)
    os.makedirs(cwd, exist_ok=True)
    given = lambda match: os.environ.get(match.group(1), match.group(0))
    env = {key: re.sub(r"\$\{(\w+)\}", given, value) for key, value in spec["env"].items()}
    process = subprocess.Popen(
        [part.replace("{connection_file}", path) for part in spec["argv"]],
        cwd=cwd,
        env={**os.environ, **env, "JPY_PARENT_PID": str(os.getpid()), "JPY_SESSION_NAME": notebook},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    _waiting = (process, info)


def take():
    """The started kernel's process and connection, once; None when there is none or it has ended."""
    global _waiting
    taken, _waiting = _waiting, None
    return taken if taken is not None and taken[0].poll() is None else None
