"""Logs in at a registry: which credentials a Docker config.json has for it, and the header that its challenge asks for.

As the hub does (`server/registry/docker-config.ts`, `registry-auth.ts`): basic, and bearer tokens of the token server
that the registry names. Credentials go to those two and nowhere else.
"""

import base64
import json
import re
import urllib.parse

DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
MAX_TOKEN_BYTES = 256 * 1024
CHALLENGE = re.compile(r'([A-Za-z]+)((?:\s*,?\s*[A-Za-z_]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s,"]+))*)\s*,?\s*')
PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


class LoginRefused(Exception):
    """The registry or its token server does not believe us; holds a sentence."""


def canonical(host):
    host = host.lower()
    return DOCKER_HUB[0] if host in DOCKER_HUB else host


def find_credentials(config, host, repository):
    """The entry for the repository's very folder, else for the whole host; {} where there is none."""
    found = []
    for key, entry in (config.get("auths") or {}).items():
        at, _, path = re.sub(r"^[a-z]+://", "", key, flags=re.I).partition("/")
        path = re.sub(r"^v[12](/|$)|/+$", "", path)
        if canonical(at) == canonical(host) and (not path or (repository + "/").startswith(path + "/")):
            found.append((len(path), entry if isinstance(entry, dict) else {}))
    for _, entry in sorted(found, key=lambda each: each[0], reverse=True):
        decoded = base64.b64decode(entry.get("auth") or "").decode("utf-8", "replace").rstrip("\0")
        name, colon, password = decoded.partition(":")
        if not colon:
            name, password = entry.get("username"), entry.get("password")
        if entry.get("registrytoken") or entry.get("identitytoken") or (name is not None and password is not None):
            return {"name": name, "password": password, "identity": entry.get("identitytoken"), "access": entry.get("registrytoken")}
    return {}


def parse_challenges(values):
    """`{scheme: {parameter: value}}` of WWW-Authenticate headers."""
    challenges = {}
    for value in values:
        for scheme, parameters in CHALLENGE.findall(value):
            challenges[scheme.lower()] = {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in PARAMETER.findall(parameters)
            }
    return challenges


class Login:
    """The Authorization header for one push. `ask(method, url, headers, body)` returns (status, bytes)."""

    def __init__(self, origin, credentials, scopes, ask):
        self.origin = origin
        self.credentials = credentials
        self.scopes = scopes
        self.ask = ask
        self.header = None

    def answer(self, challenges):
        """Renews the header as a 401 asks for. Raises LoginRefused where there is nothing better than what was refused."""
        refused = self.header
        who = self.credentials
        if who.get("access"):
            self.header = "Bearer " + who["access"]
        elif "bearer" in challenges:
            self.header = "Bearer " + self.token(challenges["bearer"])
            return
        elif "basic" in challenges and who.get("name") is not None:
            self.header = self.basic()
        if self.header == refused:
            raise LoginRefused("It refuses the login." if who else "It asks for a login, and there is none for it.")

    def basic(self):
        pair = "%s:%s" % (self.credentials["name"], self.credentials["password"])
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def token(self, challenge):
        realm = urllib.parse.urlsplit(challenge.get("realm", ""))
        if realm.scheme not in ("http", "https") or (realm.scheme == "http" and self.origin.startswith("https:")):
            raise LoginRefused("It names no token server that a login can be sent to.")
        fields = [("service", challenge["service"])] if "service" in challenge else []
        if self.credentials.get("identity"):
            fields += [("scope", " ".join(self.scopes)), ("grant_type", "refresh_token"), ("client_id", "liveleaf")]
            body = urllib.parse.urlencode(fields + [("refresh_token", self.credentials["identity"])]).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            status, data = self.ask("POST", realm.geturl(), headers, body)
        else:
            fields += [("scope", scope) for scope in self.scopes]
            query = "&".join(filter(None, [realm.query, urllib.parse.urlencode(fields)]))
            named = self.credentials.get("name") is not None
            status, data = self.ask("GET", realm._replace(query=query).geturl(), {"Authorization": self.basic()} if named else {}, None)
        if status in (401, 403):
            raise LoginRefused("Its token server refuses the login (%d)." % status)
        try:
            answer = json.loads(data) if status == 200 else {}
            token = answer.get("token") or answer.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not token:
            raise LoginRefused("Its token server answered %d without a token." % status)
        return token
