"""Compresses a layer on its way, with the tools that the image has. The same tool gives the same bytes."""

import os
import subprocess
import threading
import zlib

ZSTD = "/usr/bin/zstd"
MEDIA_TYPES = {
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
READ_BYTES = 1 << 20


def best_compression():
    """zstd where the image has it: smaller, four times as fast, and unpacked faster by the node."""
    return "zstd" if os.access(ZSTD, os.X_OK) else "gzip"


def compress(kind, chunks):
    return zstd(chunks) if kind == "zstd" else gzip(chunks)


def gzip(chunks):
    # The fastest level: the layer is a sixth larger, and done in a third of the time. zlib writes no time and no name.
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for chunk in chunks:
        data = packer.compress(chunk)
        if data:
            yield data
    yield packer.flush()


def zstd(chunks):
    # Any number of threads gives the same bytes, so long as it is not its single-threaded mode.
    process = subprocess.Popen(
        [ZSTD, "--quiet", "-3", "-T2", "--stdout"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, close_fds=True
    )
    failures = []

    def feed():
        try:
            for chunk in chunks:
                process.stdin.write(chunk)
        except BrokenPipeError:
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            try:
                process.stdin.close()
            except BrokenPipeError:
                pass

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        while True:
            data = process.stdout.read1(READ_BYTES)
            if not data:
                break
            yield data
        feeder.join()
        if failures:
            raise failures[0]
        if process.wait():
            raise OSError("zstd ended with status %d" % process.returncode)
    finally:
        process.kill()
        feeder.join()
        process.stdout.close()
        process.wait()
        chunks.close()
