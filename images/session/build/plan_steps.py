"""The steps that make a plan's environment, as data for `liveleaf_build.py`.

They are those of the hub's own machine (`server/builders/build-steps.ts`, and a test holds the two together), but for
what makes a lasting cache: a build pod's dies with it, so everything is compiled where it is installed; and for what
would make two images of one plan differ.
"""

import os
import posixpath

# Plans of another format are built in another way.
FORMAT = 1

# What every environment needs beside its own packages; pip so that `%pip install` works in it.
BASE_REQUIREMENTS = ("ipykernel", "pip")
PRERELEASES = "--prerelease=allow"
OWN_CODE = "./"


def in_key_order(lines, source):
    """Requirement lines as a file for uv, in the order of the key; the repository's own paths point into its copy."""
    texts = by_unit({line["text"] for line in lines})
    return "".join(
        (path(source, text[len(OWN_CODE) :]) if text.startswith(OWN_CODE) else text) + "\n" for text in texts
    )


def by_unit(texts):
    """In the order in which JavaScript sorts."""
    return sorted(texts, key=lambda text: text.encode("utf-16-be", "surrogatepass"))


def path(folder, rest):
    """As the hub joins paths: a trailing slash stays."""
    joined = posixpath.normpath(posixpath.join(folder, rest)) if rest else folder
    return joined + "/" if rest.endswith("/") else joined


def recipe(plan, folder, source, uv, interpreter):
    """The files that the steps read, by name in the folder, and the steps. The environment is `<folder>/env`."""
    python = os.path.join(folder, "env", "bin", "python")
    own = plan.get("ownCode")
    install = plan["install"]
    files = {"base.in": "".join(name + "\n" for name in BASE_REQUIREMENTS)}

    def run(name, argv, **more):
        return {"kind": "run", "name": name, "argv": argv, **more}

    def pip_install(*rest):
        return [uv, "pip", "install", "--python", python, "--link-mode", "hardlink", *rest]

    def freeze(save):
        return run("freeze", [uv, "pip", "freeze", "--quiet", "--python", python], save=save)

    venv = [uv, "venv", "--quiet", "--no-project", "--clear", "--python", interpreter, os.path.join(folder, "env")]
    steps = [run("venv", venv, say="Making an environment with Python %s" % plan["python"])]

    if install["from"] == "uv-lock":
        project = path(source, own["subfolder"]) if own else os.path.join(folder, "project")
        if not own:
            files["project/pyproject.toml"] = install["pyproject"]
            files["project/uv.lock"] = install["lock"]
        how = ["--no-editable"] if own else ["--no-install-project"]
        sync = [uv, "sync", "--frozen", "--no-dev", "--inexact", *how, "--link-mode", "hardlink"]
        kernel = pip_install("-r", os.path.join(folder, "base.in"), "-c", os.path.join(folder, "locked.txt"))
        steps += [
            run("sync", sync, say="Installing the packages of uv.lock", cwd=project),
            freeze("locked.txt"),
            run("install", kernel, say="Installing the kernel"),
        ]
    else:
        argv = ["-r", os.path.join(folder, "base.in")]
        if install["from"] == "requirements":
            argv += ["-r", os.path.join(folder, "requirements.in")]
            if install.get("constraints"):
                files["constraints.in"] = in_key_order(install["constraints"], source)
                argv += ["-c", os.path.join(folder, "constraints.in")]
            options = set(install["options"])
            if PRERELEASES in options:
                argv.append(PRERELEASES)
            in_file = by_unit(options - {PRERELEASES})
            lines = in_key_order(install["lines"], source)
            files["requirements.in"] = "".join(option + "\n" for option in in_file) + lines
        steps.append(run("install", pip_install(*argv), say="Installing packages", cwd=source if own else folder))

    steps += [
        freeze("requirements.lock"),
        {"kind": "forget-times"},
        {"kind": "compile-rest", "python": python},
        run("check", [python, "-I", "-c", "import ipykernel.kernelapp"], say="Checking that the kernel starts"),
        {"kind": "remove", "path": "project"},
    ]
    return files, steps
