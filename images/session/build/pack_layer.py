"""Packs a folder as an image's layer, reproducibly: the same files give the same bytes.

  pack_layer.py FOLDER NAME [gzip|zstd] > LAYER

NAME is the folder's path in the image, `srv/env`. Names are in the order of their bytes, all times are 1, all owners
1000, modes 755 and 644, links are kept as links (several names of one file too), and what cannot be in an image is
left out with a line. Nothing of the folder is followed or run, and the layer is never held in memory. The last line
of the errors' stream is JSON: `{"mediaType", "digest", "size", "diffId"}`.
"""

import hashlib
import json
import os
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from layer_compression import MEDIA_TYPES, best_compression, compress  # noqa: E402
from layer_tree import CannotPack, shown, walk  # noqa: E402

# Time 0 is taken for none by some tools.
TIME = 1
OWNER = 1000
BLOCK = 512
READ_BYTES = 1 << 20
MOST_ENTRIES = 1_000_000
# A layer's own marks, by which it removes what lies below it.
WHITEOUT = ".wh."


class Layer:
    """A folder's layer; `chunks()` gives its bytes and may be called again. Sizes and digests stand when it has ended."""

    def __init__(self, folder, name, say, kind=None, most_bytes=8 * 1024**3):
        self.folder = folder
        self.name = name
        self.say = say
        self.kind = kind or best_compression()
        self.raw_bytes = self.packed_raw_bytes = self.size = 0
        self.digest = self.diff_id = None
        self.left_out = set()
        self.measure(most_bytes)

    @property
    def media_type(self):
        return MEDIA_TYPES[self.kind]

    def measure(self, most_bytes):
        """Adds up what there is, and says what is left out."""
        entries = 0
        seen = set()
        for entry in walk(self.folder, self.name):
            entries += 1
            self.raw_bytes += BLOCK
            reason = why_not(entry)
            if reason:
                self.left_out.add(entry.path)
                entry.skip = True
                self.say("Left out: %s, which is %s." % (shown(entry.path), reason))
            elif entry.kind == "file" and (entry.found.st_dev, entry.found.st_ino) not in seen:
                if entry.found.st_nlink > 1:
                    seen.add((entry.found.st_dev, entry.found.st_ino))
                self.raw_bytes += entry.found.st_size
            if self.raw_bytes > most_bytes or entries > MOST_ENTRIES:
                sentence = "The environment is larger than an image may be: %d bytes or %d files."
                raise CannotPack(sentence % (most_bytes, MOST_ENTRIES), "too_large")

    def chunks(self):
        self.packed_raw_bytes = self.size = 0
        self.digest = self.diff_id = None
        raw, packed = hashlib.sha256(), hashlib.sha256()

        def watched():
            for chunk in self.tar():
                raw.update(chunk)
                self.packed_raw_bytes += len(chunk)
                yield chunk

        packing = compress(self.kind, watched())
        while True:
            try:
                chunk = next(packing, None)
            except OSError as error:
                raise CannotPack("The environment cannot be read: %s." % error) from error
            if chunk is None:
                break
            packed.update(chunk)
            self.size += len(chunk)
            yield chunk
        self.digest = "sha256:" + packed.hexdigest()
        self.diff_id = "sha256:" + raw.hexdigest()

    def tar(self):
        """The uncompressed layer. Folders above the environment belong to the base, and so to root."""
        parents = self.name.split("/")
        for depth in range(1, len(parents)):
            yield header("/".join(parents[:depth]), tarfile.DIRTYPE, owner=0)
        yield header(self.name, tarfile.DIRTYPE)
        first = {}
        for entry in walk(self.folder, self.name):
            if entry.path in self.left_out:
                entry.skip = True
            elif entry.kind == "folder":
                yield header(entry.path, tarfile.DIRTYPE)
            elif entry.kind == "link":
                yield header(entry.path, tarfile.SYMTYPE, target=entry.target())
            elif entry.kind == "file":
                identity = (entry.found.st_dev, entry.found.st_ino)
                if identity in first:
                    yield header(entry.path, tarfile.LNKTYPE, target=first[identity])
                    continue
                if entry.found.st_nlink > 1:
                    first[identity] = entry.path
                yield header(entry.path, tarfile.REGTYPE, size=entry.found.st_size, executable=bool(entry.found.st_mode & 0o100))
                yield from content(entry)
            else:
                raise CannotPack("%s changed while it was packed." % shown(entry.path))
        yield bytes(2 * BLOCK)


def why_not(entry):
    """Why an entry cannot be in a layer; None where it can."""
    if entry.kind not in ("folder", "file", "link"):
        return entry.kind
    if entry.name.startswith(WHITEOUT):
        return "a name by which layers remove files"
    try:
        if entry.kind != "link":
            os.close(entry.enter() if entry.kind == "folder" else entry.open())
    except PermissionError:
        return "not to be read"
    return None


def header(path, kind, size=0, target="", executable=False, owner=OWNER):
    info = tarfile.TarInfo(path)
    info.type = kind
    info.size = size
    info.linkname = target
    info.mtime = TIME
    info.uid = info.gid = owner
    info.mode = 0o777 if kind == tarfile.SYMTYPE else 0o755 if executable or kind == tarfile.DIRTYPE else 0o644
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def content(entry):
    """A file's bytes, to the end of the last block."""
    descriptor = entry.open()
    try:
        left = entry.found.st_size
        while left:
            chunk = os.read(descriptor, min(READ_BYTES, left))
            if not chunk:
                raise CannotPack("%s became shorter while it was packed." % shown(entry.path))
            left -= len(chunk)
            yield chunk
    finally:
        os.close(descriptor)
    if entry.found.st_size % BLOCK:
        yield bytes(BLOCK - entry.found.st_size % BLOCK)


def main():
    folder, name, *kind = sys.argv[1:]
    layer = Layer(folder, name, lambda line: print(line, file=sys.stderr), *kind)
    for chunk in layer.chunks():
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
    result = {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size, "diffId": layer.diff_id}
    print(json.dumps(result), file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except CannotPack as refused:
        sys.exit(str(refused))
