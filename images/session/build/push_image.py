"""Pushes the environment at `/srv/env` as one layer on top of the base image: `push_image.py [--folder /srv/env]`.

`LIVELEAF_PUSH` is JSON: `registry` (an origin), `repository`, `tag`, `base` (`repository@digest` on the same
registry), `config` (a Docker config.json or null) and, if wanted, `labels` of the image, `ca` (a file of certificates
to trust too), `compression` (`gzip` or `zstd`), `maxBytes` (8 GiB), `firstWaitMs` (500, before the first repetition)
and `deadlineMs` (20 minutes). The result is the termination message: `{"ok": true, "repository", "tag", "digest",
"size", "layer": {"digest", "diffId", "mediaType", "size"}, "durationMs"}` with the manifest's digest and all layers'
size, or `{"ok": false, "code", "reason", "message"}` with the reason `denied`, `full`, `unreachable`, `refused`,
`unreadable` or `too_large` (the last two of the environment). Same base, labels and files: same digest.
"""

import argparse
import contextlib
import hashlib
import json
import os
import platform
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from layer_tree import CannotPack  # noqa: E402
from pack_layer import Layer  # noqa: E402
from registry_session import PushFailed, Session, pieces  # noqa: E402
from result_file import write_result  # noqa: E402

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
ACCEPT = ", ".join([
    MANIFEST, "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
])  # fmt: skip
# Docker's own names of what OCI images hold: the same bytes.
OCI_TYPES = {"application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip"}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CODES = {"denied": "push_failed", "refused": "push_failed", "unreadable": "push_failed", "full": "disk_full", "unreachable": "registry_down", "too_large": "disk_full"}
# A registry that has forgotten an upload is sent it again.
UPLOAD_LOST = (404, 416)


def digest_of(data, like="sha256:"):
    algorithm = like.partition(":")[0]
    if algorithm not in ("sha256", "sha512"):
        raise PushFailed("refused", "The base image has a digest of the unknown kind %r." % algorithm[:20])
    return algorithm + ":" + hashlib.new(algorithm, data).hexdigest()


def dump(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def say(line):
    print(line, flush=True)


class Progress:
    """Says how far the push is, once a second at most."""

    def __init__(self, layer):
        self.layer = layer
        self.at = time.monotonic()
        self.last = None

    def watch(self, chunks):
        for chunk in chunks:
            yield chunk
            percent = min(99, 100 * self.layer.packed_raw_bytes // max(1, self.layer.raw_bytes))
            if time.monotonic() - self.at >= 1 and percent != self.last:
                self.at, self.last = time.monotonic(), percent
                say("Pushing the environment: %d %%" % percent)


class Push:
    def __init__(self, order, folder):
        self.order = order
        self.folder = folder
        self.repository = order["repository"]
        self.base, _, self.base_digest = order["base"].partition("@")
        config = {}
        if order.get("config"):
            with open(order["config"]) as file:
                config = json.load(file)
        scopes = ["repository:%s:pull,push" % self.repository]
        if self.base != self.repository:
            scopes.append("repository:%s:pull" % self.base)
        self.session = Session(
            order["registry"], config, self.repository, scopes, order.get("ca"),
            order.get("firstWaitMs", 500) / 1000, order.get("deadlineMs", 1_200_000) / 1000,
        )  # fmt: skip

    # -- reading the base -------------------------------------------------------------------------

    def base_manifest(self, digest, depth=0):
        path = "/v2/%s/manifests/%s" % (self.base, digest)
        body = self.session.call("GET", path, "reading the base image", (200,), {"Accept": ACCEPT}).body
        if digest_of(body, digest) != digest:
            raise PushFailed("refused", "The registry sent another base image than %s." % digest)
        manifest = json.loads(body)
        if "manifests" not in manifest:
            return manifest
        wanted = ARCHITECTURES.get(platform.machine(), platform.machine())
        for each in manifest["manifests"] if depth == 0 else []:
            if (each.get("platform") or {}).get("architecture") == wanted and each["platform"].get("os") == "linux":
                return self.base_manifest(each["digest"], depth + 1)
        raise PushFailed("refused", "The base image has none for linux/%s." % wanted)

    def base_config(self, descriptor):
        doing = "reading the base image's configuration"

        def attempt():
            with self.session.download("/v2/%s/blobs/%s" % (self.base, descriptor["digest"]), doing) as response:
                return self.session.read(response).body

        body = self.session.repeat(doing, attempt)
        if digest_of(body, descriptor["digest"]) != descriptor["digest"]:
            raise PushFailed("refused", "The registry sent another configuration of the base image than its digest stands for.")
        return json.loads(body)

    # -- writing blobs ----------------------------------------------------------------------------

    def begin(self, query=""):
        path = "/v2/%s/blobs/uploads/%s" % (self.repository, query)
        with self.session.open("POST", self.session.origin + path, {}, b"") as response:
            return self.session.check(self.session.read(response), "beginning an upload", (201, 202))

    def finish(self, where, digest, doing, body=b"", length=None):
        url = where + ("&" if "?" in where else "?") + urllib.parse.urlencode({"digest": digest})
        headers = {"Content-Type": "application/octet-stream"}
        with self.session.open("PUT", url, headers, body, length) as response:
            self.session.check(self.session.read(response), doing, (201, 204), UPLOAD_LOST)

    def mount(self, blob):
        """Has the registry take a base layer over into this repository; where it will not, the bytes go through here."""
        digest = blob["digest"]
        doing = "taking over a layer of the base"
        query = "?" + urllib.parse.urlencode({"mount": digest, "from": self.base})

        def attempt():
            begun = self.begin(query)
            if begun.status == 201:
                return
            with self.session.download("/v2/%s/blobs/%s" % (self.base, digest), doing) as response:
                self.finish(self.session.location(begun), digest, doing, pieces(response), blob["size"])

        self.session.repeat(doing, attempt)

    def put_config(self, data):
        def attempt():
            self.finish(self.session.location(self.begin()), digest_of(data), "writing the configuration", data)

        self.session.repeat("writing the configuration", attempt)

    def put_layer(self, layer):
        """Streams the layer as it is packed, in one request as Docker does, for not every registry takes more of them."""
        doing = "pushing the environment"

        def attempt():
            begun = self.begin()
            headers = {"Content-Type": "application/octet-stream"}
            with contextlib.closing(layer.chunks()) as chunks:
                watched = Progress(layer).watch(chunks)
                with self.session.open("PATCH", self.session.location(begun), headers, watched) as response:
                    sent = self.session.check(self.session.read(response), doing, range(200, 300), UPLOAD_LOST)
            # A short-lived token may have run out on the way: no reason to begin anew.
            self.session.logged_in(lambda: self.finish(self.session.location(sent), layer.digest, doing))

        self.session.repeat(doing, attempt)

    # -- the whole --------------------------------------------------------------------------------

    def run(self):
        began = time.monotonic()
        limit = {"most_bytes": self.order["maxBytes"]} if "maxBytes" in self.order else {}
        layer = Layer(self.folder, "srv/env", say, self.order.get("compression"), **limit)
        say("Pushing an environment of %d MB to %s/%s" % (layer.raw_bytes // 1_000_000, self.session.host, self.repository))
        base = self.base_manifest(self.base_digest)
        config = self.base_config(base["config"])
        for blob in base["layers"]:
            self.mount(blob)
        self.put_layer(layer)

        top = {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
        config["rootfs"]["diff_ids"].append(layer.diff_id)
        config.setdefault("history", []).append({"created_by": "liveleaf: the environment at /srv/env"})
        settings = config.setdefault("config", {})
        settings["Labels"] = {**(settings.get("Labels") or {}), **(self.order.get("labels") or {})}
        data = dump(config)
        self.put_config(data)
        layers = [{**blob, "mediaType": OCI_TYPES.get(blob["mediaType"], blob["mediaType"])} for blob in base["layers"]]
        manifest = dump({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest_of(data), "size": len(data)},
            "layers": [*layers, top],
            "annotations": {"org.opencontainers.image.base.digest": self.base_digest},
        })  # fmt: skip
        digest = self.put_manifest(manifest)
        return {
            "ok": True,
            "repository": self.repository,
            "tag": self.order["tag"],
            "digest": digest,
            "size": sum(blob["size"] for blob in [*layers, top]),
            "layer": {**top, "diffId": layer.diff_id},
            "durationMs": round(1000 * (time.monotonic() - began)),
        }

    def put_manifest(self, manifest):
        """Writes the manifest, and believes in it when the registry shows it."""
        digest = digest_of(manifest)
        path = "/v2/%s/manifests/" % self.repository
        doing = "writing the manifest"
        self.session.call("PUT", path + self.order["tag"], doing, (200, 201, 202, 204), {"Content-Type": MANIFEST}, manifest)
        doing = "looking at the new image"

        def look():
            # What was written may take a moment to be shown.
            with self.session.open("HEAD", self.session.origin + path + self.order["tag"], {"Accept": MANIFEST}) as response:
                return self.session.check(self.session.read(response), doing, (200,), (404,))

        shown = self.session.repeat(doing, look)
        if shown.headers.get("Docker-Content-Digest", digest) != digest:
            raise PushFailed("refused", "The registry shows another image under the new name than was written.")
        say("Pushed %s" % digest)
        return digest


def run(folder):
    try:
        return Push(json.loads(os.environ["LIVELEAF_PUSH"]), folder).run()
    except PushFailed as failed:
        reason, message = failed.reason, str(failed)
    except CannotPack as refused:
        reason, message = refused.reason, str(refused)
    except Exception as error:  # Everything must end in a result: the hub cannot see this process's mistakes.
        reason, message = "refused", "The push could not be done: %s: %s." % (type(error).__name__, error)
    say(message)
    return {"ok": False, "code": CODES[reason], "reason": reason, "message": message}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", default="/srv/env")
    result = run(parser.parse_args().folder)
    write_result(result)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
