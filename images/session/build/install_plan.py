"""Makes the environment of `LIVELEAF_PLAN` (a plan of the hub's, as JSON, gzipped, in base64) at `/srv/env`.

  install_plan.py [--folder /srv] [--source /build/source] [--uv /opt/liveleaf/venv/bin/uv]

What the build does, says and enforces is `liveleaf_build.py`'s, as on the hub's own machine; here its lines go to
standard output, and its result to the termination message: `{"ok": true, "durationMs"}`, or `{"ok": false, "code",
"reason", "step", "status", "lines": [first, last], "output"}`, where `lines` are the numbers of what the failed step
printed. `LIVELEAF_LIMITS` may hold other limits than the defaults below, as JSON. The repository's own code lies in
the source folder already. The cache is on the environment's own volume, so that files are linked and not copied.
"""

import argparse
import base64
import gzip
import json
import os
import secrets
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from build_log import BuildLog  # noqa: E402
from build_tree import disk_usage  # noqa: E402
from build_variables import build_variables  # noqa: E402
from liveleaf_build import Build, BuildEnd, bound_this_process  # noqa: E402
from plan_steps import FORMAT, recipe  # noqa: E402
from result_file import write_result  # noqa: E402

LIMITS = {
    "deadlineMs": 3_600_000,
    "silenceMs": 600_000,
    "lineBytes": 4096,
    "diskBytes": 8 * 1024**3,
    "keepFreeBytes": 256 * 1024**2,
}
NOTES = "uv_cache.json"
MAX_PLAN_BYTES = 64 * 1024**2
FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin")


class PlainLog(BuildLog):
    """The log as plain lines on standard output; who runs this numbers and bounds them."""

    def __init__(self, line_bytes):
        self.line_bytes = line_bytes
        self.number = 0
        self.rest = b""
        self.progress_at = time.monotonic()

    def write(self, messages):
        self.progress_at = time.monotonic()
        self.number += len(messages)
        data = memoryview("".join(message.replace("\n", " ") + "\n" for message in messages).encode("utf-8", "replace"))
        while data:
            data = data[os.write(1, data) :]

    def end(self):
        self.flush()


class PodBuild(Build):
    """A build whose folder is a volume of its own, with the cache in it."""

    first_line = 1

    def used(self):
        return disk_usage(self.folder)

    def step(self, step):
        if step["kind"] == "forget-times":
            self.forget_times()
        else:
            super().step(step)

    def forget_times(self):
        """Removes uv's notes of when files were changed that a package was built from: the same code is the same image."""
        for at, folders, files in os.walk(os.path.join(self.folder, "env", "lib")):
            if NOTES not in files or not at.endswith(".dist-info"):
                continue
            os.unlink(os.path.join(at, NOTES))
            record = os.path.join(at, "RECORD")
            with open(record, encoding="utf-8", newline="") as file:
                lines = [line for line in file if not line.startswith("%s/%s," % (os.path.basename(at), NOTES))]
            # A file of its own, for this one may be the cache's too.
            with open(record + ".new", "w", encoding="utf-8", newline="") as file:
                file.writelines(lines)
            os.replace(record + ".new", record)

    def run(self, name, argv, cwd=None, save=None):
        self.first_line = self.log.number + 1
        super().run(name, argv, cwd, save)


def read_plan(text):
    data = gzip.decompress(base64.b64decode(text))
    if len(data) > MAX_PLAN_BYTES:
        raise ValueError("the plan is too long")
    plan = json.loads(data)
    if plan["kind"] != "python" or plan["tools"]["format"] != FORMAT:
        raise ValueError("the plan is of a kind or format that this image does not know")
    return plan


def find_interpreter(version):
    """The image's own interpreter of exactly this version; None where it has none."""
    names = ["python" + ".".join(version.split(".")[:2])]
    for candidate in [sys.executable, *(os.path.join(folder, name) for folder in FOLDERS for name in names)]:
        probe = [candidate, "-I", "-S", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"]
        try:
            found = subprocess.run(probe, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=30).stdout
        except (OSError, subprocess.TimeoutExpired):
            continue
        if found.decode().strip() == version:
            return os.path.realpath(candidate)
    return None


def prepare(options):
    """Writes what the steps read and returns what `Build` runs."""
    plan = read_plan(os.environ["LIVELEAF_PLAN"])
    limits = {**LIMITS, **json.loads(os.environ.get("LIVELEAF_LIMITS") or "{}")}
    interpreter = find_interpreter(plan["python"])
    if interpreter is None:
        raise BuildEnd("unsupported_environment", "This image has no Python %s." % plan["python"])
    files, steps = recipe(plan, options.folder, options.source, options.uv, interpreter)
    for name, text in files.items():
        path = os.path.join(options.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    cache = os.path.join(options.folder, "cache")
    os.makedirs(cache, exist_ok=True)
    return {"marker": secrets.token_hex(16), "limits": limits, "cache": cache, "steps": steps}


def install(options):
    log = PlainLog(LIMITS["lineBytes"])
    try:
        request = prepare(options)
    except BuildEnd as end:
        log.say(end.fields["reason"])
        return {"ok": False, **end.fields}
    except OSError as error:
        log.say("The build cannot begin: %s" % error)
        return {"ok": False, "code": "disk_full" if error.errno in (28, 122) else "internal", "reason": str(error)}
    except (KeyError, TypeError, ValueError) as error:
        log.say("The plan cannot be read: %s" % error)
        return {"ok": False, "code": "internal", "reason": repr(error)}
    variables = build_variables(options.folder, request["cache"], request["marker"], os.environ)
    os.environ.clear()
    os.environ.update(variables)
    bound_this_process(request["limits"])
    build = PodBuild(options.folder, request, log)
    result = build.execute()
    log.end()
    if result["ok"]:
        return result
    return {**result, "lines": [build.first_line, log.number]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", default="/srv")
    parser.add_argument("--source", default="/build/source")
    parser.add_argument("--uv", default="/opt/liveleaf/venv/bin/uv")
    options = parser.parse_args()
    os.umask(0o022)
    result = install(options)
    write_result(result)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
