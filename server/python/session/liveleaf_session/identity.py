"""Who may use this server: whoever presents the upstream token, of which it knows the digest alone."""

import hashlib
import hmac
import re

from jupyter_server.auth.identity import IdentityProvider, User

from . import settings

HEADER = re.compile(r"(?:token|bearer) +(\S+)", re.IGNORECASE)
READER = User("reader", "Reader", "Reader", "R")


class DigestIdentityProvider(IdentityProvider):
    """Takes the token from the header `Authorization`; not from addresses, cookies or forms."""

    # Jupyter writes it into pages and files.
    token = ""
    login_available = False
    logout_available = False

    def get_user(self, handler):
        presented = HEADER.fullmatch(handler.request.headers.get("Authorization", ""))
        if presented is None:
            return None
        digest = hashlib.sha256(presented[1].encode()).hexdigest()
        if not hmac.compare_digest(digest.encode(), settings.values["tokenSha256"].encode()):
            return None
        # No browser sends this header by itself, so neither forms nor pages of other origins can.
        handler._token_authenticated = True
        return READER
