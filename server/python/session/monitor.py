"""Stands between the hub and one session's server: `python -I -S monitor.py <job.json>`.

Writes who it is before anything else runs, applies the limits, isolates the session where the machine allows it,
starts the server, keeps its log within bounds, and ends the whole process tree when the server or itself ends.
"""

import json
import os
import resource
import select
import signal
import sys
import time

# Isolated mode (-I) leaves the script's own folder out.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import isolation  # noqa: E402

LIMITS = {
    "dataBytes": "RLIMIT_DATA",
    "openFiles": "RLIMIT_NOFILE",
    "fileBytes": "RLIMIT_FSIZE",
    "coreBytes": "RLIMIT_CORE",
}


def write_new(path, value):
    """Writes a file that must not exist yet, in one step. False when it does."""
    draft = f"{path}.{os.getpid()}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(handle, json.dumps(value).encode())
    os.close(handle)
    try:
        os.link(draft, path)
        return True
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)


def identity():
    """The same three values as the hub's `identify(pid)`."""
    pid = os.getpid()
    try:
        with open(f"/proc/{pid}/stat") as stat, open("/proc/sys/kernel/random/boot_id") as boot:
            started = stat.read().rpartition(") ")[2].split(" ")[19]
            return {"pid": pid, "startTime": started, "bootId": boot.read().strip()}
    except FileNotFoundError:
        import subprocess

        out = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], stdout=subprocess.PIPE).stdout
        return {"pid": pid, "startTime": out.decode().strip(), "bootId": ""}


def limit(limits):
    for key, name in LIMITS.items():
        wanted = limits.get(key)
        if wanted is None or not hasattr(resource, name):
            continue
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError) as problem:
            print(f"liveleaf: limit {name} not set: {problem}", flush=True)


class Log:
    """A file that forgets its older half when it grows over its bound."""

    def __init__(self, path, max_bytes):
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.max_bytes = max_bytes
        self.size = os.fstat(self.file).st_size

    def write(self, data):
        try:
            if self.size + len(data) > self.max_bytes:
                kept = os.pread(self.file, self.max_bytes, max(0, self.size - self.max_bytes // 2))
                os.ftruncate(self.file, 0)
                kept = b"[older lines were dropped]\n" + kept.partition(b"\n")[2]
                self.size = os.write(self.file, kept)
                data = data[-self.max_bytes // 2 :]
            self.size += os.write(self.file, data)
        except OSError:
            pass  # A full disk must not stop the server.


def descendants():
    """Every process below this one, by the table of processes."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as stat:
                    parents[int(name)] = int(stat.read().rpartition(") ")[2].split(" ")[1])
            except (OSError, ValueError):
                continue
    found, front = [], {os.getpid()}
    while front:
        front = {pid for pid, parent in parents.items() if parent in front}
        found += front
    return found


def end_tree(server):
    """Ends all that is left below; what was orphaned came to us, so the tree is whole."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            below = descendants()
        except FileNotFoundError:  # No /proc: the groups are what can be reached, the hub sweeps the rest.
            below = [-server]
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def supervise(job, log):
    """Runs the server and keeps its log; returns how it ended, as wait status, when nothing of it is left."""
    wake_out, wake_in = os.pipe()
    os.set_blocking(wake_in, False)
    signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
    asked = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, lambda *_: asked.append(True))
    out, out_in = os.pipe()
    server = os.fork()
    if server == 0:
        try:
            for name in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(name, signal.SIG_DFL)
            os.dup2(out_in, 1)
            os.dup2(out_in, 2)
            os.setsid()
            isolation.die_with_parent()
            os.chdir(job["cwd"])
            os.execve(job["argv"][0], job["argv"], job["env"])
        except BaseException as problem:
            os.write(2, f"liveleaf: the server could not be started: {problem}\n".encode())
        os._exit(127)
    os.close(out_in)
    status = None
    sources = [out, wake_out]
    while status is None and not asked:
        ready, _, _ = select.select(sources, [], [])
        if out in ready:
            data = os.read(out, 65536)
            log.write(data)
            if not data:
                sources.remove(out)
        if wake_out in ready:
            os.read(wake_out, 4096)
            try:
                while True:
                    pid, ended = os.waitpid(-1, os.WNOHANG)
                    if pid == server:
                        status = ended
                    if pid == 0:
                        break
            except ChildProcessError:
                status = 0 if status is None else status
    os.set_blocking(out, False)
    try:
        while data := os.read(out, 65536):
            log.write(data)
    except OSError:
        pass
    end_tree(server)
    return signal.SIGTERM if status is None else status


def main():
    os.umask(0o077)
    if sys.argv[1] == "--probe":
        sys.exit(isolation.probe(sys.argv[2]))
    with open(sys.argv[1]) as file:
        job = json.load(file)
    if not write_new(job["processFile"], identity()):
        sys.exit("this session already has a process")
    log = Log(job["logFile"], job["logMaxBytes"])
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    # Whoever started the hub may have left descriptors open; the session must not have them.
    for name in os.listdir("/dev/fd"):
        if int(name) > 2 and int(name) != log.file:
            try:
                os.close(int(name))
            except OSError:
                pass
    limit(job["limits"])
    # In namespaces the folder is covered by then; as the working directory it can still be reached, from outside alone.
    os.chdir(os.path.dirname(job["exitFile"]))
    try:
        if job["isolated"]:
            status = isolation.run_isolated(job, lambda: supervise(job, log), log.write)
        else:
            isolation.adopt_orphans()
            isolation.no_new_privileges()
            status = supervise(job, log)
    except Exception as problem:
        log.write(f"liveleaf: the session could not be started: {problem!r}\n".encode())
        status = 1 << 8
    ended = {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else {"code": os.WEXITSTATUS(status)}
    try:
        write_new(os.path.basename(job["exitFile"]), ended)
    except OSError:
        pass


if __name__ == "__main__":
    main()
