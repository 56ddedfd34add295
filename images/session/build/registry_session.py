"""Speaks HTTP with one registry: logs in as it asks, tries again what failed in passing, and ends in a `PushFailed`."""

import contextlib
import email.utils
import http.client
import json
import random
import re
import ssl
import time
import urllib.parse

from registry_login import Login, LoginRefused, find_credentials, parse_challenges

TRIES = 5
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5
TIMEOUT_SECONDS = 60
MOST_WAIT_SECONDS = 30
READ_BYTES = 1 << 20
MOST_ANSWER_BYTES = 4 * 1024 * 1024
FULL = re.compile(rb'no space left|"Err":\s*(?:28|122)\b|quota exceeded', re.I)


class PushFailed(Exception):
    """Why the image is not in the registry: `denied`, `full`, `unreachable` or `refused`, and a sentence."""

    def __init__(self, reason, sentence):
        super().__init__(sentence)
        self.reason = reason


class Passing(Exception):
    """What may go better the next time."""

    def __init__(self, why, wait=None):
        super().__init__(why)
        self.wait = wait


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def said(self):
        """What the registry says of the matter, in brackets."""
        try:
            error = json.loads(self.body)["errors"][0]
            return " (%s: %s)" % (str(error["code"])[:60], str(error.get("message", ""))[:160])
        except (ValueError, KeyError, IndexError, TypeError):
            return ""


class Session:
    """Calls to one registry. `scopes` are what the whole push may do, so that one token serves for all of it."""

    def __init__(self, origin, config, repository, scopes, ca=None, first_wait=0.5, deadline_seconds=1200):
        parts = urllib.parse.urlsplit(origin)
        self.origin = "%s://%s" % (parts.scheme, parts.netloc)
        self.host = parts.netloc
        self.first_wait = first_wait
        self.until = time.monotonic() + deadline_seconds
        self.tls = ssl.create_default_context()
        if ca:
            self.tls.load_verify_locations(ca)
        self.login = Login(self.origin, find_credentials(config, self.host, repository), scopes, self.ask_anyone)

    # -- one request ------------------------------------------------------------------------------

    def connect(self, url):
        parts = urllib.parse.urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        more = {"context": self.tls} if parts.scheme == "https" else {}
        return kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS, **more)

    @contextlib.contextmanager
    def open(self, method, url, headers, body=None, length=None):
        """Sends a request and gives the answer to read. `body` is bytes, or an iterable of them, chunked where `length` is unknown."""
        parts = urllib.parse.urlsplit(url)
        connection = self.connect(url)
        try:
            connection.putrequest(method, parts.path + ("?" + parts.query if parts.query else ""), skip_accept_encoding=True)
            if self.login.header and "%s://%s" % (parts.scheme, parts.netloc) == self.origin:
                headers = {"Authorization": self.login.header, **headers}
            if isinstance(body, bytes):
                length = len(body)
                body = [body] if body else []
            if length is not None:
                headers = {**headers, "Content-Length": str(length)}
            elif body is not None:
                headers = {**headers, "Transfer-Encoding": "chunked"}
            for name, value in {"User-Agent": "liveleaf", **headers}.items():
                connection.putheader(name, value)
            connection.endheaders()
            broken = self.send(connection, body, length is None)
            try:
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise broken or error
            yield response
        finally:
            connection.close()

    def send(self, connection, body, chunked):
        """Sends the body. A registry that has heard enough answers and hangs up: the answer counts, if it can be read."""
        if body is None:
            return None
        try:
            for chunk in body:
                if time.monotonic() > self.until:
                    raise PushFailed("unreachable", "Pushing to %s took longer than it may." % self.host)
                connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk) if chunked else chunk)
            if chunked:
                connection.send(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError) as error:
            return error
        return None

    @staticmethod
    def read(response):
        body = b""
        for piece in pieces(response):
            body += piece
            if len(body) > MOST_ANSWER_BYTES:
                raise PushFailed("refused", "The registry sent more than %d bytes where less was due." % MOST_ANSWER_BYTES)
        return Answer(response.status, response.headers, body)

    def ask_anyone(self, method, url, headers, body):
        """A request to a token server."""
        parts = urllib.parse.urlsplit(url)
        connection = self.connect(url)
        try:
            connection.request(method, parts.path + "?" + parts.query, body=body, headers={"User-Agent": "liveleaf", **headers})
            answer = self.read(connection.getresponse())
        finally:
            connection.close()
        if answer.status in TRANSIENT:
            raise Passing("the token server answered %d" % answer.status)
        return answer.status, answer.body

    # -- many tries -------------------------------------------------------------------------------

    def repeat(self, doing, attempt):
        """Does something until it succeeds, is refused, or has failed too often; `doing` completes “while …”."""
        logins = 0
        tried = 0
        while True:
            try:
                try:
                    return attempt()
                except Unauthorized as refusal:
                    logins += 1
                    if logins > 2:
                        raise LoginRefused("It refuses the login.")
                    self.login.answer(refusal.challenges)
                    continue
            except LoginRefused as refused:
                raise PushFailed("denied", "The registry %s lets nobody in while %s: %s" % (self.host, doing, refused))
            except ssl.SSLCertVerificationError as error:
                raise PushFailed("unreachable", "The certificate of %s is not trusted: %s." % (self.host, error.verify_message))
            except (OSError, http.client.HTTPException) as error:
                why = Passing(str(error) or type(error).__name__)
            except Passing as passing:
                why = passing
            tried += 1
            wait = max(why.wait or 0, self.first_wait * 2 ** (tried - 1) * (0.5 + random.random() / 2))
            if tried == TRIES or wait > MOST_WAIT_SECONDS or time.monotonic() + wait > self.until:
                raise PushFailed("unreachable", "The registry %s failed while %s: %s." % (self.host, doing, why))
            print("The registry failed while %s (%s); trying again." % (doing, why), flush=True)
            time.sleep(wait)

    def logged_in(self, attempt):
        """Does something once, and once more where only the login had run out meanwhile."""
        try:
            return attempt()
        except Unauthorized as refusal:
            self.login.answer(refusal.challenges)
            return attempt()

    def check(self, answer, doing, fine, again=()):
        """Returns an answer with a status that is fine; raises what any other means. Those in `again` may pass."""
        if answer.status in fine:
            return answer
        if answer.status == 401:
            raise Unauthorized(parse_challenges(answer.headers.get_all("WWW-Authenticate") or []))
        if answer.status in (413, 507) or FULL.search(answer.body):
            raise PushFailed("full", "The registry %s has no room while %s (%d)." % (self.host, doing, answer.status))
        if answer.status in TRANSIENT or answer.status in again or b"DIGEST_INVALID" in answer.body:
            raise Passing("status %d%s" % (answer.status, answer.said()), retry_after(answer))
        reason = "denied" if answer.status == 403 else "refused"
        raise PushFailed(reason, "The registry %s answered %d%s while %s." % (self.host, answer.status, answer.said(), doing))

    def call(self, method, path, doing, fine, headers=None, body=None):
        """One small request, tried again as often as is sensible."""

        def attempt():
            with self.open(method, urllib.parse.urljoin(self.origin, path), headers or {}, body) as response:
                return self.check(self.read(response), doing, fine)

        return self.repeat(doing, attempt)

    @contextlib.contextmanager
    def download(self, path, doing):
        """The response of a GET to read from, its redirects followed without our login."""
        url = urllib.parse.urljoin(self.origin, path)
        for _ in range(MOST_REDIRECTS + 1):
            with self.open("GET", url, {}) as response:
                if response.status not in REDIRECTS:
                    if response.status != 200:
                        self.check(self.read(response), doing, ())
                    yield response
                    return
                there = urllib.parse.urljoin(url, response.headers.get("Location", ""))
            if not there.startswith("https:") and not self.origin.startswith("http:"):
                break
            url = there
        raise PushFailed("refused", "The registry %s redirects to where nobody follows while %s." % (self.host, doing))

    def location(self, answer):
        """Where an upload goes on; a registry behind a TLS proxy may give its own address as plain http."""
        url = urllib.parse.urljoin(self.origin, answer.headers.get("Location", ""))
        if self.origin.startswith("https:") and url.startswith("http:"):
            url = "https:" + url[5:]
        return url


class Unauthorized(Exception):
    def __init__(self, challenges):
        super().__init__("not logged in")
        self.challenges = challenges


def pieces(response):
    """An answer's body, piece by piece, to its end: one that is cut off fails."""
    while True:
        piece = response.read(READ_BYTES)
        if not piece:
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
            return
        yield piece


def retry_after(answer):
    """Seconds that the answer asks to wait."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return int(value)
    try:
        return email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    except (TypeError, ValueError):
        return None
