"""Fetches one commit of a repository into `/build/source`, bounded in protocol, time, size and number of files.

Takes `LIVELEAF_SOURCE`, JSON: `url` and `commit`, and optionally `into`, `maxBytes` (default 1 GiB), `maxFiles`
(200,000), `maxPathBytes` (4,096) and `timeoutSeconds` (300). Git is told as much as the hub tells its own: nothing of
any configuration counts, no program is started for the repository's sake, and only https and http are spoken. What
failed stands in the termination message as `{"ok": false, "code", "reason", "message"}`, with a code of the hub's list.
"""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from urllib.parse import urlsplit

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from result_file import write_result  # noqa: E402

GIB = 1024**3
REF = "refs/liveleaf/content"
ATTRIBUTES = "* -export-ignore -export-subst -text -ident -filter -working-tree-encoding\n"
# What git may take over to reach the network as the pod's other programs do.
CARRIED = (
    "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
)  # fmt: skip
SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.askPass": "",
    "core.pager": "cat",
    "credential.helper": "",
    "safe.bareRepository": "explicit",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "fetch.writeCommitGraph": "false",
    "transfer.bundleURI": "false",
    "transfer.credentialsInUrl": "die",
    "transfer.unpackLimit": "1",
    "transfer.fsckObjects": "true",
    "fetch.fsck.zeroPaddedFilemode": "ignore",
    "fetch.fsck.missingSpaceBeforeDate": "ignore",
    "fetch.fsck.badTimezone": "ignore",
    "fetch.fsck.missingEmail": "ignore",
    "fetch.fsck.missingNameBeforeEmail": "ignore",
    "protocol.file.allow": "never",
    "protocol.ext.allow": "never",
    "protocol.version": "2",
    # A repository that moved: curl follows to https and http alone, and the pod's network policy holds for every hop.
    "http.followRedirects": "initial",
    "http.lowSpeedLimit": "1024",
    "http.lowSpeedTime": "30",
    "http.sslVerify": "true",
    "core.bigFileThreshold": "1m",
    "core.packedGitWindowSize": "16m",
    "core.packedGitLimit": "256m",
    "pack.threads": "1",
    "tar.umask": "0022",
}
# What git prints and what it means, the first that matches.
FAILURES = (
    (r"No space left on device|Disk quota exceeded", "disk_full"),
    (r"File too large|Out of memory", "clone_limit"),
    (r"not our ref|couldn't find remote ref|unadvertised object", "ref_not_found"),
    (r"could not read Username|Authentication failed|returned error: 40[0134]|repository '.*' not found|dumb http", "repo_not_found"),
    (r"returned error: 429", "host_limited"),
    (r"transport '.*' not allowed|fsck error|error in object|object corrupt", "policy"),
)  # fmt: skip


class Refused(Exception):
    """Ends the fetch with a code of the hub's list and a sentence for the log."""

    def __init__(self, code, sentence):
        super().__init__(sentence)
        self.code = code


class GitFailed(Exception):
    """Git ended in failure; holds what it printed."""


class Git:
    """Calls git in one bare repository, each call and all of them together bounded."""

    def __init__(self, folder, max_bytes, deadline, searched="/usr/local/bin:/usr/bin:/bin"):
        self.folder = folder
        self.max_bytes = max_bytes
        self.deadline = deadline
        self.searched = searched

    def environment(self, protocols):
        settings = list(SETTINGS.items())
        return {
            **{name: os.environ[name] for name in CARRIED if os.environ.get(name)},
            "PATH": self.searched,
            "HOME": "/dev/null",
            "XDG_CONFIG_HOME": "/dev/null",
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": protocols,
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_DIR": self.folder,
            "GIT_CONFIG_COUNT": str(len(settings)),
            **{"GIT_CONFIG_KEY_%d" % at: key for at, (key, _) in enumerate(settings)},
            **{"GIT_CONFIG_VALUE_%d" % at: value for at, (_, value) in enumerate(settings)},
        }

    def limit(self):
        # Git inherits the alarm's default action and dies with its group when this process ends it.
        for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, self.max_bytes), (resource.RLIMIT_AS, 2 * GIB), (resource.RLIMIT_CPU, 600)):
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, hard))

    def start(self, words, protocols="none", stdout=subprocess.PIPE):
        return subprocess.Popen(
            ["git", *words], cwd=self.folder, env=self.environment(protocols), preexec_fn=self.limit,
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def run(self, *words, protocols="none"):
        child = self.start(words, protocols)
        try:
            out, err = child.communicate(timeout=max(0.1, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            raise Refused("clone_limit", "Fetching took longer than this hub allows.")
        if child.returncode:
            raise GitFailed(err.decode("utf-8", "replace") or "git %s ended with %d" % (words[0], child.returncode))
        return out


def check_source(source):
    """The source's address and commit, checked again: they end up among git's arguments."""
    url, commit = str(source["url"]), str(source["commit"])
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc or re.search(r"[\x00-\x20\x7f]", url):
        raise Refused("policy", "The repository's address is none that this hub fetches from.")
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
        raise Refused("ref_not_found", "The commit is no whole commit id.")
    return url, commit


def fetch(git, url, commit):
    """Fetches the commit alone where the host hands it out, else by way of its refs."""

    def from_host(options, *refspecs):
        git.run(
            "fetch", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", *options, "--", url, *refspecs,
            protocols="https" if url.startswith("https:") else "http:https",
        )  # fmt: skip

    def has():
        try:
            git.run("cat-file", "-e", "--", commit)
            return True
        except GitFailed:
            return False

    try:
        from_host(["--depth=1"], "%s:%s" % (commit, REF))
    except GitFailed as failed:
        if "unadvertised object" not in str(failed):
            raise
        every = ["+refs/heads/*:refs/tips/heads/*", "+refs/tags/*:refs/tips/tags/*"]
        from_host(["--depth=1"], *every)
        if not has():
            from_host(["--unshallow"], *every)
        if not has():
            raise Refused("ref_not_found", "The repository has no such commit.")
        os.makedirs(os.path.join(git.folder, "refs", "liveleaf"), exist_ok=True)
        with open(os.path.join(git.folder, REF), "w") as file:
            file.write(commit + "\n")
    if git.run("cat-file", "-t", REF).strip() != b"commit":
        raise Refused("ref_not_found", "The id is that of no commit.")


def check_tree(git, limits):
    """Counts the commit's files before one of them is written, giving up at the first that is too much."""
    child = git.start(["ls-tree", "-r", "-l", "-z", "--full-tree", REF])
    files = size = 0
    rest = b""
    try:
        while True:
            chunk = child.stdout.read1(65536)
            entries = (rest + chunk).split(b"\0")
            rest = entries.pop()
            for entry in entries:
                head, path = entry.split(b"\t", 1)
                length = head.split()[3]
                files += 1
                size += 0 if length == b"-" else int(length)
                parts = path.lower().split(b"/")
                if len(path) > limits["maxPathBytes"]:
                    raise Refused("clone_limit", "The repository has a path longer than %d bytes." % limits["maxPathBytes"])
                if any(part in (b"", b".", b"..", b".git") for part in parts):
                    raise Refused("policy", "The repository holds a path that no folder can safely hold.")
            if files > limits["maxFiles"]:
                raise Refused("clone_limit", "The repository has more than %d files." % limits["maxFiles"])
            if size > limits["maxBytes"]:
                raise Refused("clone_limit", "The repository's files are larger than %d bytes." % limits["maxBytes"])
            if len(rest) > limits["maxPathBytes"] + 256 or time.monotonic() > git.deadline:
                raise Refused("clone_limit", "The repository's tree is larger than this hub reads.")
            if not chunk:
                break
        if child.wait():
            raise GitFailed(child.stderr.read().decode("utf-8", "replace"))
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return files, size


def unpack(git, target):
    """Writes the commit's files. A link that leaves the repository is left out, and nothing is written through one."""
    os.makedirs(target, 0o755)
    root = os.path.realpath(target)
    child = git.start(["archive", "--format=tar", REF])
    try:
        with tarfile.open(fileobj=child.stdout, mode="r|") as tar:
            for member in tar:
                path = os.path.join(root, member.name)
                parent = os.path.realpath(os.path.dirname(path.rstrip("/")))
                if parent != root and not parent.startswith(root + os.sep):
                    raise Refused("policy", "The repository's archive holds a path that leaves its own folder.")
                if member.issym():
                    leads = os.path.realpath(os.path.join(parent, member.linkname))
                    if leads != root and not leads.startswith(root + os.sep):
                        print("Left out: %s, a link that leaves the repository." % member.name)
                        continue
                elif not (member.isdir() or member.isfile()):
                    continue
                tar.extract(member, root, set_attrs=member.isfile(), numeric_owner=True)
                if time.monotonic() > git.deadline:
                    raise Refused("clone_limit", "Fetching took longer than this hub allows.")
        if child.wait():
            raise GitFailed(child.stderr.read().decode("utf-8", "replace"))
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def main():
    source = json.loads(os.environ["LIVELEAF_SOURCE"])
    limits = {"maxBytes": GIB, "maxFiles": 200_000, "maxPathBytes": 4096, "timeoutSeconds": 300, **source}
    into = source.get("into", "/build/source")
    bare = into + ".git"
    url, commit = check_source(source)
    print("Fetching %s at %s." % (url, commit), flush=True)
    for folder in (bare, into):
        shutil.rmtree(folder, ignore_errors=True)
    # A folder of this user's own: git refuses one that belongs to another.
    os.makedirs(bare, 0o700)
    git = Git(bare, limits["maxBytes"], time.monotonic() + limits["timeoutSeconds"])
    git.run("init", "--quiet", "--bare", "--template=", "--object-format=%s" % ("sha256" if len(commit) == 64 else "sha1"), ".")
    os.makedirs(os.path.join(bare, "info"), exist_ok=True)
    with open(os.path.join(bare, "info", "attributes"), "w") as file:
        file.write(ATTRIBUTES)
    try:
        fetch(git, url, commit)
    except GitFailed:
        packs = os.path.join(bare, "objects", "pack")
        sizes = [os.path.getsize(os.path.join(packs, name)) for name in (os.listdir(packs) if os.path.isdir(packs) else [])]
        # index-pack is killed at the limit on file size, and says nothing.
        if any(size >= limits["maxBytes"] for size in sizes):
            raise Refused("clone_limit", "The repository takes more than %d bytes." % limits["maxBytes"])
        raise
    files, size = check_tree(git, limits)
    unpack(git, into)
    shutil.rmtree(bare, ignore_errors=True)
    print("%d files, %d bytes." % (files, size), flush=True)


def run():
    """Runs to an exit status, leaving in the termination message why it failed."""
    try:
        main()
        return 0
    except Refused as refused:
        code, message = refused.code, str(refused)
    except GitFailed as failed:
        message = str(failed).strip()
        code = next((code for pattern, code in FAILURES if re.search(pattern, message, re.I)), "host_down")
    except OSError as error:
        code, message = ("disk_full" if error.errno in (27, 28, 122) else "host_down"), str(error)
    print(message, flush=True)
    write_result({"ok": False, "code": code, "reason": "fetch", "message": message[-1000:]})
    return 1


if __name__ == "__main__":
    sys.exit(run())
