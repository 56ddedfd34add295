"""The log of a build: numbered lines, bounded, ended by a marker."""

import json
import os
import re
import time

# What stands between `//` and `@` of an address may be a secret.
USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
TAIL_LINES = 20
PROGRESS_SECONDS = 10


class KeptOutput:
    """The beginning and the end of a program's output.

    What failed is named before a package's own output, which can be long, and why after it.
    """

    HEAD_BYTES = 32768
    TAIL_BYTES = 65536

    def __init__(self):
        self.head = b""
        self.tail = b""
        self.cut = False

    def feed(self, data):
        room = max(0, self.HEAD_BYTES - len(self.head))
        self.head += data[:room]
        self.tail += data[room:]
        self.cut = self.cut or len(self.tail) > self.TAIL_BYTES
        self.tail = self.tail[-self.TAIL_BYTES :]

    def output(self):
        return self.head + (b"\n" if self.cut else b"") + self.tail


class BuildLog:
    """Each line is one JSON object `{"n": number from 1, "m": message}`; the last is `{"end": true}`.

    A message holds at most `line_bytes`, the file about `log_bytes`; what is left out is said, and the
    last lines are always kept. Of a line that is redrawn with carriage returns only the last state counts.
    """

    def __init__(self, path, line_bytes, log_bytes):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.line_bytes = line_bytes
        self.room = log_bytes
        self.number = 0
        self.rest = b""
        self.dropped = 0
        self.tail = []
        self.progress_at = time.monotonic()

    def feed(self, data):
        """Takes raw output of a program."""
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        if b"\r" in self.rest:
            # Keep the last two states: the newest may not be complete.
            self.rest = b"\r".join(self.rest.split(b"\r")[-2:])
        self.rest = self.rest[: 4 * self.line_bytes]
        self.write([self.text(line) for line in lines])

    def progress(self):
        """Shows the state of a line that is being redrawn, now and then."""
        if self.rest.rstrip(b"\r") and time.monotonic() - self.progress_at > PROGRESS_SECONDS:
            self.write([self.text(self.rest)])

    def say(self, message):
        self.flush()
        self.write([message])

    def flush(self):
        """Ends a line that has no end yet."""
        if self.rest:
            line, self.rest = self.rest, b""
            self.write([self.text(line)])

    def end(self):
        self.flush()
        if self.dropped:
            kept, self.tail = self.tail, []
            left_out = self.dropped - len(kept)
            self.room = 1 << 30
            self.write(["… %d lines were left out here, the log is too long …" % left_out] + kept)
        os.write(self.file, b'{"end": true}\n')

    def clean(self, output):
        """Output as lines for an error message."""
        lines = [self.text(line) for line in output.split(b"\n") if line.strip()]
        return lines if len(lines) <= 200 else lines[:50] + lines[-150:]

    def text(self, line):
        line = line.rstrip(b"\r")
        if b"\r" in line:
            line = line[line.rindex(b"\r") + 1 :]
        if len(line) > self.line_bytes:
            line = line[: self.line_bytes - 3] + "…".encode()
        return USERINFO.sub("***@", line.decode("utf-8", "replace").replace("\x00", ""))

    def write(self, messages):
        self.progress_at = time.monotonic()
        block = []
        for message in messages:
            if self.room <= 0:
                self.dropped += 1
                self.tail = (self.tail + [message])[-TAIL_LINES:]
                continue
            self.number += 1
            line = json.dumps({"n": self.number, "m": message}, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
            self.room -= len(line)
            block.append(line)
        if block:
            os.write(self.file, b"".join(block))
