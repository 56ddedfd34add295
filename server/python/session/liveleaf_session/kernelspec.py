"""The kernelspec that points into the environment of a launch, and `pip` for it."""

import json
import os
import re
import shlex
import sys

from . import settings

NAME = "python3"


def path():
    return os.path.join(settings.place("jupyter"), "kernels", NAME, "kernel.json")


def site_packages(prefix):
    """The packages of an interpreter's environment, or None when it has none of that layout."""
    library = os.path.join(prefix, "lib")
    names = os.listdir(library) if os.path.isdir(library) else []
    found = [name for name in names if re.fullmatch(r"python3\.\d+", name)]
    return os.path.join(library, found[0], "site-packages") if found else None


def write(kernel):
    """Writes the spec for `kernel` (prefix, python, displayName, variables); again replaces it in one step.

    An environment has no pip of its own, and without ours `!pip` would reach the machine's, for another Python. What it
    installs goes into the session: to a prefix where the environment cannot be written, so that what is there counts as
    installed; else to a folder, since a prefix makes pip remove older versions from the environment.
    """
    jupyter, packages = settings.place("jupyter"), settings.place("packages")
    prefix, python = kernel["prefix"], kernel["python"]
    site = site_packages(prefix)
    imports = []
    if settings.values["readOnlyEnvironment"] and site is not None:
        imports.append(os.path.join(packages, os.path.relpath(site, prefix)))
        target = {"PIP_PREFIX": packages}
    else:
        imports.append(packages)
        target = {"PIP_TARGET": packages}
    # A folder that is absent when Python starts is left out of its imports for good.
    os.makedirs(imports[0], 0o700, exist_ok=True)
    if site is None or not os.path.exists(os.path.join(site, "pip")):
        imports += link_pip(os.path.join(jupyter, "site"))
    programs = os.path.join(jupyter, "bin")
    write_pip(programs, python)
    path_of_programs = [programs, os.path.join(packages, "bin"), os.path.join(prefix, "bin"), os.environ["PATH"]]
    spec = {
        "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": kernel["displayName"],
        "language": "python",
        "interrupt_mode": "signal",
        "env": {
            **kernel["variables"],
            "PATH": os.pathsep.join(path_of_programs),
            "VIRTUAL_ENV": prefix,
            "PYTHONPATH": os.pathsep.join(imports),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_WARN_SCRIPT_LOCATION": "1",
            **target,
        },
        "metadata": {"debugger": False},
    }
    replace(path(), json.dumps(spec), 0o600)


def link_pip(folder):
    """Makes the server's own pip importable from a folder; returns the folders to import from."""
    pip = os.path.join(site_packages(sys.prefix) or "", "pip")
    if not os.path.isdir(pip):
        return []
    os.makedirs(folder, 0o700, exist_ok=True)
    try:
        os.symlink(pip, os.path.join(folder, "pip"))
    except FileExistsError:
        pass
    return [folder]


def write_pip(folder, python):
    for name in ("pip", "pip3"):
        replace(os.path.join(folder, name), f'#!/bin/sh\nexec {shlex.quote(python)} -m pip "$@"\n', 0o700)


def replace(target, text, mode):
    """Writes a file in one step, so that a kernel that starts meanwhile reads the old or the new one."""
    os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
    draft = f"{target}.{os.getpid()}"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    os.replace(draft, target)
