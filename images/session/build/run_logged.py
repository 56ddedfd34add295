"""Runs a command so that none of its log is lost unannounced: `run_logged.py [--] COMMAND...`.

A cluster's log of a container loses lines: at rotation, and at the end of a program that ends soon after its last
line. So each line of the command's output and errors is written as `<number from 1> <text>`, cut at 4 KiB, all of
them together at 8 MiB (what the node writes beside each line included, so that no log is ever rotated); what is left
out is said in a line of its own, before the last twenty, which are always kept. The last line is
`END <number of lines> <sha256 of all lines before it, their ends included>`. Then it waits a second, for the node to
read everything, and ends with the command's own status (128 + its number for a signal). Signals are passed on.
"""

import hashlib
import os
import select
import signal
import sys
import time

LINE_BYTES = 4096
LOG_BYTES = 8 * 1024 * 1024
# A time, the stream's name and a flag.
NODE_BYTES = 48
TAIL_LINES = 20
SECONDS_AFTER_END = 1
ELLIPSIS = "…".encode()
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


class NumberedLog:
    """Turns a program's raw output into numbered lines; `write` takes bytes."""

    def __init__(self, write, log_bytes=LOG_BYTES):
        self.write = write
        # Room for the last lines and the two that tell of the end is kept back.
        self.room = log_bytes - (TAIL_LINES + 2) * (LINE_BYTES + NODE_BYTES + 16)
        self.number = 0
        self.digest = hashlib.sha256()
        self.rest = b""
        self.dropped = 0
        self.tail = []

    def feed(self, data):
        first, *others = data.split(b"\n")
        # A line without an end is kept only as far as it takes to know that it is too long.
        self.rest += first[: max(0, LINE_BYTES + 2 - len(self.rest))]
        if others:
            lines = [self.rest, *others[:-1]]
            self.rest = others[-1][: LINE_BYTES + 2]
            self.put(lines)

    def end(self):
        if self.rest:
            self.put([self.rest])
        if self.dropped:
            kept, self.tail = self.tail, []
            omitted = self.dropped - len(kept)
            self.room = 1 << 30
            self.put((["… %d lines omitted: the log is too long …".encode() % omitted] if omitted else []) + kept)
        self.write(b"END %d %s\n" % (self.number, self.digest.hexdigest().encode()))

    def put(self, lines):
        block = []
        for line in lines:
            if self.room <= 0:
                self.dropped += 1
                self.tail = (self.tail + [line])[-TAIL_LINES:]
                continue
            self.number += 1
            row = b"%d %s\n" % (self.number, self.text(line))
            self.room -= len(row) + NODE_BYTES
            block.append(row)
        if block:
            rows = b"".join(block)
            self.digest.update(rows)
            self.write(rows)

    @staticmethod
    def text(line):
        """A line as valid UTF-8 without NUL, at most LINE_BYTES long."""
        line = line[: LINE_BYTES + 2].replace(b"\0", b"\xff")
        line = line[:-1] if line.endswith(b"\r") else line
        text = line.decode("utf-8", "replace").encode()
        if len(text) <= LINE_BYTES:
            return text
        return text[: LINE_BYTES - len(ELLIPSIS)].decode("utf-8", "ignore").encode() + ELLIPSIS


def write_all(data):
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def run(command, log):
    """Runs it to its end; returns the status to end with."""
    reader, writer = os.pipe()
    woken, wake = os.pipe()
    for descriptor in (reader, woken, wake):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    child = None
    early = []

    def pass_on(number, _frame):
        if child is None:
            early.append(number)
        else:
            send(child, number)

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    null = os.open(os.devnull, os.O_RDONLY)
    streams = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_DUP2, writer, 2)]
    try:
        child = os.posix_spawnp(
            command[0], command, os.environ, file_actions=streams, setsigdef=[*PASSED_ON, signal.SIGPIPE]
        )
    except OSError as error:
        log.feed(b"%s: %s\n" % (os.fsencode(command[0]), error.strerror.encode()))
        return 127 if isinstance(error, FileNotFoundError) else 126
    finally:
        os.close(writer)
        os.close(null)
    for number in early:
        send(child, number)

    status = None
    watched = [reader, woken]
    while status is None:
        select.select(watched, [], [])
        drain(woken, lambda _: None)
        if reader in watched and not drain(reader, log.feed):
            watched.remove(reader)
        status = reap(child)
    # Something that the command left behind may hold the pipe open: the command's own end counts.
    drain(reader, log.feed)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def send(child, number):
    try:
        os.kill(child, number)
    except ProcessLookupError:
        pass


def drain(descriptor, take):
    """Takes what is there now; False at the end of it all."""
    while True:
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return True
        if not data:
            return False
        take(data)


def reap(child):
    """The command's status once it has ended. As the first process of a container it has orphans to bury too."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            return status
        if pid == 0:
            return None


def main():
    command = sys.argv[2:] if sys.argv[1:2] == ["--"] else sys.argv[1:]
    if not command:
        sys.exit(__doc__)
    log = NumberedLog(write_all)
    status = run(command, log)
    log.end()
    time.sleep(SECONDS_AFTER_END)
    sys.exit(status)


if __name__ == "__main__":
    main()
