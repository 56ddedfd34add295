"""Walks a folder for packing without ever following a link: every folder and file is opened by its name in the folder
that holds it, which is open already, and is looked at again once it is open.
"""

import os
import stat

MOST_DEPTH = 128
MOST_PATH_BYTES = 3800
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, a pipe in a file's place would hold the packer for ever.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class CannotPack(Exception):
    """Ends the packing, with a word for the reason and a sentence."""

    def __init__(self, sentence, reason="unreadable"):
        super().__init__(sentence)
        self.reason = reason


class Entry:
    """One thing in the tree. It can be opened until the next entry is asked for; a folder with `skip` is not entered."""

    skip = False

    def __init__(self, path, found, holder, name):
        self.path = path
        self.found = found
        self.holder = holder
        self.name = name

    @property
    def kind(self):
        """`folder`, `file`, `link`, or what it is in words."""
        mode = self.found.st_mode
        for is_it, kind in KINDS:
            if is_it(mode):
                return kind
        return "an unknown thing"

    def target(self):
        return os.readlink(self.name, dir_fd=self.holder)

    def enter(self):
        """A descriptor of the folder."""
        return os.open(self.name, FOLDER, dir_fd=self.holder)

    def open(self):
        """A descriptor of the file, if it is still the one that was found."""
        descriptor = os.open(self.name, FILE, dir_fd=self.holder)
        now = os.fstat(descriptor)
        if (now.st_dev, now.st_ino, now.st_size) != (self.found.st_dev, self.found.st_ino, self.found.st_size) or not stat.S_ISREG(now.st_mode):
            os.close(descriptor)
            raise CannotPack("%s changed while it was packed." % shown(self.path))
        return descriptor


KINDS = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISREG, "file"),
    (stat.S_ISLNK, "link"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


def shown(path):
    return path.encode("utf-8", "backslashreplace").decode()


def walk(folder, path):
    """Everything below a folder, which is called `path`: each folder before what is in it, names in the order of their bytes."""
    stack = []
    try:
        push(stack, os.open(folder, FOLDER), path)
        while stack:
            holder, names, at = stack[-1]
            if not names:
                os.close(stack.pop()[0])
                continue
            name = names.pop()
            entry = Entry(check(at, name), os.stat(name, dir_fd=holder, follow_symlinks=False), holder, name)
            yield entry
            if entry.kind == "folder" and not entry.skip:
                push(stack, entry.enter(), entry.path)
                if len(stack) > MOST_DEPTH:
                    raise CannotPack("%s lies too deep; %d folders in each other are packed." % (shown(entry.path[:200]), MOST_DEPTH), "too_large")
    finally:
        for holder, _, _ in stack:
            os.close(holder)


def push(stack, descriptor, path):
    stack.append((descriptor, sorted(os.listdir(descriptor), key=os.fsencode, reverse=True), path))


def check(at, name):
    """The path of a name in a folder. A folder's listing can hold no name that leaves it; a broken file system's can."""
    path = at + "/" + name
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise CannotPack("%s is a name that leaves its folder." % shown(path))
    if len(os.fsencode(path)) > MOST_PATH_BYTES:
        raise CannotPack("%s… is too long a path; %d bytes are packed." % (shown(path[:200]), MOST_PATH_BYTES), "too_large")
    return path
