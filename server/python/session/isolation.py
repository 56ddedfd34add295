"""User, pid and mount namespaces for one session, without privilege. Linux; elsewhere every call does nothing."""

import ctypes
import os
import signal
import sys

NEWNS, NEWUSER, NEWPID = 0x00020000, 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 4, 24, 36, 38, 47
LINUX = sys.platform.startswith("linux")
libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def prctl(*arguments):
    if not LINUX:
        return 0
    return libc.prctl(*(ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:5]))


def die_with_parent():
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans():
    """What a child leaves behind becomes ours, so that it can be found and ended."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def no_new_privileges():
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities():
    """Without them the mounts stay as they are: the owner of a user namespace could otherwise undo the mask."""
    for capability in range(64):
        if prctl(PR_CAPBSET_DROP, capability) != 0:
            break
    prctl(PR_CAP_AMBIENT, 4)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    check(libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    no_new_privileges()


def mount(source, target, kind, flags, data=None):
    encode = lambda value: None if value is None else os.fsencode(value)
    check(
        libc.mount(encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), encode(data)),
        f"mount {target}",
    )


def read_only(target):
    # A mount that came from outside keeps its flags; dropping one of them is refused.
    flags = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC | 1024 | 2048)
    if os.statvfs(target).f_flag & 4096:
        flags |= 1 << 21  # relatime has another number when it is set
    mount(None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def mask(folders, shown):
    """Covers folders with empty ones, in which only `shown` can be seen: [path, writable] pairs below them."""
    held = [(path, writable, os.open(path, os.O_PATH)) for path, writable in shown]
    for folder in folders:
        mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=1m")
    for path, writable, handle in sorted(held):
        os.makedirs(path, 0o700, exist_ok=True)
        mount(f"/proc/self/fd/{handle}", path, None, MS_BIND | MS_REC)
        if not writable:
            read_only(path)
        os.close(handle)
    for folder in folders:
        mount(None, folder, None, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, "mode=0700,size=1m")


def run_isolated(job, inside, log):
    """Runs `inside` as the first process of new namespaces; returns its wait status. All of it dies with this process."""
    uid, gid = os.geteuid(), os.getegid()
    check(libc.unshare(NEWUSER | NEWNS | NEWPID), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    alive, held = os.pipe()
    first = os.fork()
    if first == 0:
        try:
            die_with_parent()
            os.chdir("/")
            os.close(held)
            os.set_blocking(alive, False)
            try:
                if os.read(alive, 1) == b"":
                    os._exit(1)  # The parent was gone before we asked to die with it.
            except BlockingIOError:
                pass
            mount(None, "/", None, MS_REC | MS_PRIVATE)
            mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
            mask(job["masked"], job["shown"])
            drop_capabilities()
            # Nobody inside may look through this process; a program that it starts becomes ordinary again.
            prctl(PR_SET_DUMPABLE, 0)
            status = inside()
            if os.WIFSIGNALED(status):
                os._exit(128 + os.WTERMSIG(status))
            os._exit(os.WEXITSTATUS(status))
        except BaseException as problem:
            log(f"liveleaf: isolation failed: {problem!r}\n".encode())
            os._exit(125)
    os.close(alive)
    # All of it is gone when this process is, so that whoever waits for it may remove the files.
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, lambda *_: os.kill(first, signal.SIGKILL))
    status = os.waitpid(first, 0)[1]
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
    return code - 128 if code > 128 else status


def probe(folder):
    """Whether all of it works here, tried with a file that must not be seen. 0 yes, 1 no."""
    hidden, shown = os.path.join(folder, "hidden"), os.path.join(folder, "shown")
    for path in (hidden, shown):
        os.makedirs(path, 0o700, exist_ok=True)
    job = {"masked": [folder], "shown": [[shown, False]]}
    inside = lambda: (0 if os.getpid() == 1 and not os.path.exists(hidden) and os.path.isdir(shown) else 1) << 8
    try:
        return 0 if run_isolated(job, inside, sys.stderr.buffer.write) == 0 else 1
    except OSError as problem:
        print(problem, file=sys.stderr)
        return 1
