"""`PUT liveleaf/content`: replaces the session's files by those of a tar stream."""

import asyncio
import errno
import os
import queue
import shutil
import tarfile
import tempfile
import threading

from jupyter_server.base.handlers import APIHandler
from tornado import web

from . import settings


class Refused(Exception):
    """The archive holds what may not be unpacked; the text says what."""


class ByteQueue:
    """A file to read from in a thread, which the event loop fills."""

    def __init__(self):
        self.chunks = queue.Queue(maxsize=16)
        self.rest = b""

    def read(self, size=-1):
        while not self.rest:
            chunk = self.chunks.get()
            if chunk is None:
                self.chunks.put(None)
                return b""
            if isinstance(chunk, Exception):
                self.chunks.put(chunk)
                raise chunk
            self.rest = chunk
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken


def safe_path(name):
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise Refused(f"The archive names a path outside its folder: {name!r}.")
    return "/".join(parts)


def unpack(stream, folder, max_bytes, max_entries):
    """Unpacks files, folders and links into an empty folder. Returns sentences about what was left out."""
    total, entries, links, notices = 0, 0, [], []
    real = os.path.realpath(folder)
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = safe_path(member.name)
            entries += 1
            total += member.size
            if entries > max_entries:
                raise Refused(f"The archive has more than {max_entries} entries.")
            if total > max_bytes:
                raise Refused(f"The archive holds more than {max_bytes} bytes.")
            if not path:
                continue
            target = os.path.join(folder, path)
            if member.isdir():
                os.makedirs(target, 0o755, exist_ok=True)
            elif member.isreg():
                os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
                mode = 0o755 if member.mode & 0o100 else 0o644
                handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
                with os.fdopen(handle, "wb") as file:
                    shutil.copyfileobj(archive.extractfile(member), file, 1 << 20)
            elif member.issym():
                links.append((path, member.linkname))
            else:
                notices.append(f"{path} is neither file, folder nor link and was left out.")
    # Links come last: while files are written nothing can lead out, whatever the order in the archive.
    for path, linkname in links:
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        if os.path.isabs(linkname) or os.path.lexists(target):
            notices.append(f"The link {path} was left out: it leads out of the repository.")
        else:
            os.symlink(linkname, target)
    # One link can lead through another, so each is judged by where it really ends; until none leads out.
    for path, _ in links * 2:
        target = os.path.join(folder, path)
        if os.path.islink(target) and os.path.commonpath([real, os.path.realpath(target)]) != real:
            os.unlink(target)
            notices.append(f"The link {path} was left out: it leads out of the repository.")
    return notices


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def replace(source, target, kept):
    """Gives `target` the entries of `source`. Folders that both have stay themselves: a kernel may stand in one."""
    for name in os.listdir(target):
        old = os.path.join(target, name)
        if not os.path.lexists(os.path.join(source, name)) and not (kept + os.sep).startswith(old + os.sep):
            remove(old)
    for name in os.listdir(source):
        new, old = os.path.join(source, name), os.path.join(target, name)
        folders = [os.path.isdir(path) and not os.path.islink(path) for path in (new, old)]
        if all(folders):
            replace(new, old, kept)
        else:
            if os.path.lexists(old):
                remove(old)
            os.rename(new, old)


@web.stream_request_body
class ContentHandler(APIHandler):
    """For the hub alone: the public proxy refuses the path, and the token is the session's own upstream token.

    A launch's content is put in once: another hub that takes the launch up must not undo what its reader did meanwhile.
    """

    work = None
    lock = threading.Lock()
    filled_for = None

    async def prepare(self):
        await super().prepare()
        if not self.current_user:
            raise web.HTTPError(403)
        limit = settings.values["limits"]["contentBytes"]
        # A tar has a block of 512 bytes for each entry, and padding.
        self.request.connection.set_max_body_size(limit + 1536 * settings.values["limits"]["contentEntries"])
        self.kept = settings.folder_of(self.get_query_argument("path", ""))
        self.launch = self.get_query_argument("launch", "")
        self.queue = ByteQueue()
        self.work = asyncio.get_running_loop().run_in_executor(None, self.fill, limit)

    def fill(self, limit):
        root = settings.place("content")
        folder = tempfile.mkdtemp(prefix=".liveleaf-", dir=os.path.dirname(root))
        try:
            notices = unpack(self.queue, folder, limit, settings.values["limits"]["contentEntries"])
            with ContentHandler.lock:
                if self.launch == "" or self.launch != ContentHandler.filled_for:
                    replace(folder, root, self.kept)
                    ContentHandler.filled_for = self.launch
            return notices
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def data_received(self, chunk):
        # The thread may have given up: then nobody takes from the queue, and the rest is dropped.
        while not self.work.done():
            try:
                return self.queue.chunks.put_nowait(chunk)
            except queue.Full:
                await asyncio.sleep(0.002)

    async def put(self):
        await self.data_received(None)
        try:
            self.finish({"notices": await self.work})
        except Refused as refused:
            self.answer(413, "clone_limit", str(refused))
        except tarfile.TarError as problem:
            self.answer(400, "internal", f"The content is not a whole tar archive: {problem}.")
        except OSError as problem:
            if problem.errno == errno.EFBIG:
                return self.answer(413, "clone_limit", "A file of the repository is larger than a session may write.")
            full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
            self.answer(507 if full else 500, "disk_full" if full else "internal", str(problem))

    def answer(self, status, code, message):
        self.set_status(status)
        self.finish({"code": code, "message": message})

    def on_connection_close(self):
        if self.work is not None and not self.work.done():
            # The thread must not wait for ever for what will not come.
            while True:
                try:
                    return self.queue.chunks.put_nowait(OSError(errno.ECONNRESET, "the hub went away"))
                except queue.Full:
                    self.queue.chunks.get_nowait()
