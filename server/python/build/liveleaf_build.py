"""Runs one build: `python -I liveleaf_build.py <generation folder>`.

A detached process that outlives the hub. It writes its own record (pid, start time, boot id) before
anything else, becomes the process that isolates it where there is one (same pid), runs the steps of
`request.json`, numbers every line of their output into `log.ndjson`, and leaves `result.json`.
Deadlines, the log's bounds and the disk budget are enforced here, so that they hold without a hub.
"""

import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from build_log import BuildLog, KeptOutput  # noqa: E402
from build_tree import disk_usage, end_tree, identity, write_new  # noqa: E402


class BuildEnd(Exception):
    """Ends the build with a code of the contract and what a person needs to know."""

    def __init__(self, code, reason, step=None, status=None, output=b""):
        super().__init__(reason)
        self.fields = {"code": code, "reason": reason, "step": step, "status": status}
        self.output = output


class Build:
    def __init__(self, folder, request, log):
        self.folder = folder
        self.request = request
        self.limits = request["limits"]
        self.log = log
        self.began = self.heard = time.monotonic()
        self.compiled = False
        self.next_disk_check = self.began + 0.5
        self.cache = self.request["cache"]
        self.cache_before = disk_usage(self.cache)

    # -- bounds ---------------------------------------------------------------------------------

    def used(self):
        """Bytes that the build has taken on disk so far."""
        return disk_usage(self.folder) + max(0, disk_usage(self.cache) - self.cache_before)

    def check(self, step):
        now = time.monotonic()
        if now - self.began > self.limits["deadlineMs"] / 1000:
            raise BuildEnd("build_timeout", "deadline", step)
        if now - self.heard > self.limits["silenceMs"] / 1000:
            raise BuildEnd("build_timeout", "silence", step)
        if now >= self.next_disk_check:
            used = self.used()
            # A tree of many files takes long to measure: never spend more than a tenth of the time on it.
            self.next_disk_check = time.monotonic() + max(0.5, 10 * (time.monotonic() - now))
            if used > self.limits["diskBytes"]:
                raise BuildEnd("disk_full", "budget", step)
            space = os.statvfs(self.folder)
            if space.f_bavail * space.f_frsize < self.limits["keepFreeBytes"]:
                raise BuildEnd("disk_full", "free", step)

    # -- steps ----------------------------------------------------------------------------------

    def run(self, name, argv, cwd=None, save=None):
        """Runs a program; its output goes to the log, or its standard output to the file `save`."""
        reader, writer = os.pipe()
        saved = open(os.path.join(self.folder, save), "wb") if save else None
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=saved or writer, stderr=writer,
                cwd=cwd or self.folder, start_new_session=True,
            )
        finally:
            os.close(writer)
            if saved:
                saved.close()
        os.set_blocking(reader, False)
        kept = KeptOutput()
        self.heard = time.monotonic()
        try:
            while True:
                gone = process.poll() is not None
                data = self.read(reader)
                if data:
                    self.heard = time.monotonic()
                    self.log.feed(data)
                    kept.feed(data)
                elif gone:
                    # A background process of the step may hold the pipe open: the step's own end counts.
                    break
                else:
                    self.log.progress()
                    time.sleep(0.02)
                self.check(name)
        except BuildEnd as end:
            end.output = kept.output()
            raise
        finally:
            os.close(reader)
            if process.poll() is None:
                end_tree(process, self.request["marker"])
            self.log.flush()
        if process.returncode:
            output = kept.output()
            if process.returncode == -9:
                raise BuildEnd("build_oom", "killed", name, process.returncode, output)
            full = b"os error 28" in output or b"No space left on device" in output or b"os error 27" in output
            code = "disk_full" if full or process.returncode == -25 else "build_failed"
            raise BuildEnd(code, "budget" if code == "disk_full" else "status", name, process.returncode, output)

    @staticmethod
    def read(reader):
        try:
            return os.read(reader, 65536)
        except BlockingIOError:
            return b""

    def unpack(self, archive, into):
        """Unpacks the repository's content; members that would leave the folder are an error."""
        import tarfile

        target = os.path.realpath(os.path.join(self.folder, into))
        os.makedirs(target, 0o700, exist_ok=True)
        with tarfile.open(os.path.join(self.folder, archive)) as tar:
            for member in tar:
                path = os.path.realpath(os.path.join(target, member.name))
                if path != target and not path.startswith(target + os.sep):
                    raise BuildEnd("policy", "archive", "unpack")
                if member.issym() or member.islnk() or member.isfile() or member.isdir():
                    link = os.path.realpath(os.path.join(os.path.dirname(path), member.linkname))
                    if member.issym() and not link.startswith(target + os.sep):
                        continue  # A link that leaves the repository is left out.
                    tar.extract(member, target, set_attrs=member.isfile())
                self.check("unpack")
        os.unlink(os.path.join(self.folder, archive))

    def compile_files(self, python, paths):
        """Compiles files and folders to bytecode that stays valid when it is copied."""
        names = os.path.join(self.folder, "tmp", "compile.list")
        with open(names, "w") as file:
            file.write("".join(path + "\n" for path in paths))
        self.run("compile", [python, "-IB", os.path.join(HERE, "compile_files.py"), names])

    def compile_cache(self, python):
        """Compiles the unpacked wheels of the cache that are new, once: later builds link the bytecode too."""
        import fcntl

        wheels = os.path.join(self.cache, "archive-v0")
        done = os.path.join(self.cache, "liveleaf-compiled")
        os.makedirs(done, 0o700, exist_ok=True)
        with open(os.path.join(self.cache, "liveleaf.lock"), "w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self.heard = time.monotonic()  # Waiting for another build is not silence of this one.
                    self.check("compile")
                    time.sleep(0.05)
            known = set(os.listdir(done))
            names = sorted(os.listdir(wheels)) if os.path.isdir(wheels) else []
            fresh = [name for name in names if name not in known and not name.startswith(".")]
            if fresh:
                self.log.say("Compiling the packages' bytecode (once for all environments)")
                self.compile_files(python, [os.path.join(wheels, name) for name in fresh])
                for name in fresh:
                    open(os.path.join(done, name), "w").close()
                self.compiled = True

    def compile_rest(self, python):
        """Compiles what the cache did not bring: the repository's own code, or all if uv changes its cache."""
        tag = subprocess.run([python, "-I", "-S", "-c", "import sys; print(sys.implementation.cache_tag)"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout.decode().strip()
        missing = []
        for at, folders, files in os.walk(os.path.join(self.folder, "env", "lib")):
            folders[:] = [name for name in folders if name not in ("tests", "__pycache__")]
            cached = os.path.join(at, "__pycache__")
            present = set(os.listdir(cached)) if os.path.isdir(cached) else set()
            missing += [os.path.join(at, name) for name in files
                        if name.endswith(".py") and "%s.%s.pyc" % (name[:-3], tag) not in present]
        if missing:
            self.compile_files(python, missing)

    def remove(self, name):
        import shutil

        shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)

    def step(self, step):
        if step.get("ifCompiled") and not self.compiled:
            return
        if step.get("say"):
            self.log.say(step["say"])
        kind = step["kind"]
        if kind == "run":
            self.run(step["name"], step["argv"], step.get("cwd"), step.get("save"))
        elif kind == "unpack":
            self.unpack(step["archive"], step["into"])
        elif kind == "compile-cache":
            self.compile_cache(step["python"])
        elif kind == "compile-rest":
            self.compile_rest(step["python"])
        elif kind == "remove":
            self.remove(step["path"])
        else:
            raise BuildEnd("internal", "unknown step %r" % kind)

    # -- the whole ------------------------------------------------------------------------------

    def execute(self):
        for name in ("home", "tmp"):
            os.makedirs(os.path.join(self.folder, name), 0o700, exist_ok=True)
        try:
            for step in self.request["steps"]:
                self.step(step)
            result = {"ok": True, "durationMs": round(1000 * (time.monotonic() - self.began))}
        except BuildEnd as end:
            result = {"ok": False, **end.fields, "output": self.log.clean(end.output)}
        except OSError as error:
            code = "disk_full" if error.errno in (27, 28, 122) else "internal"
            result = {"ok": False, "code": code, "reason": "budget" if code == "disk_full" else repr(error)}
        except Exception as error:  # Everything must end in a result: the hub cannot see this process's mistakes.
            result = {"ok": False, "code": "internal", "reason": repr(error)}
        return result

    def finish(self, result):
        end_tree(None, self.request["marker"])
        for name in ("tmp", "home", "source") + (() if result["ok"] else ("env",)):
            self.remove(name)
        self.log.end()
        path = os.path.join(self.folder, "result.json")
        with open(path + ".new", "w") as file:
            json.dump(result, file)
        os.replace(path + ".new", path)


def bound_this_process(limits):
    """Bounds what this process and its children may write to one file."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = limits["diskBytes"]
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main():
    folder = sys.argv[1]
    os.umask(0o077)
    os.closerange(3, 256)
    with open(os.path.join(folder, "request.json")) as file:
        request = json.load(file)
    if len(sys.argv) == 2:
        # Whoever makes record.json first decides: this process runs, or the hub gave the build up.
        if not write_new(os.path.join(folder, "record.json"), json.dumps(identity())):
            return
        if request["isolation"]:
            inner = [sys.executable, "-IB", os.path.abspath(__file__), folder, "inner"]
            os.execvp(request["isolation"][0], request["isolation"] + inner)
    limits = request["limits"]
    bound_this_process(limits)
    log = BuildLog(os.path.join(folder, "log.ndjson"), limits["lineBytes"], limits["logBytes"])
    build = Build(folder, request, log)
    build.finish(build.execute())


if __name__ == "__main__":
    main()
