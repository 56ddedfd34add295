"""The variables that a build's programs see: as those on the hub's own machine (`server/builders/build-environment.ts`,
and a test holds the two together), made from nothing but what the pod says of the network and the package indexes.
"""

import os

CARRIED = (
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO", "NIX_SSL_CERT_FILE",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "UV_SYSTEM_CERTS", "UV_NATIVE_TLS", "UV_HTTP_TIMEOUT",
)  # fmt: skip

# By the name that uv reads, the names that are looked at, the first that is set.
INDEXES = {
    "UV_DEFAULT_INDEX": ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"),
    "UV_INDEX": ("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"),
    "UV_INSECURE_HOST": ("UV_INSECURE_HOST", "PIP_TRUSTED_HOST"),
    "UV_FIND_LINKS": ("UV_FIND_LINKS",),
}


def build_variables(folder, cache, marker, pod):
    """All variables of a build; `pod` are the pod's own."""
    carried = {name: pod[name] for name in CARRIED if pod.get(name)}
    indexes = {}
    for name, sources in INDEXES.items():
        value = next((pod[source] for source in sources if pod.get(source)), "")
        words = value if name in ("UV_DEFAULT_INDEX", "UV_FIND_LINKS") else " ".join(value.split())
        if words:
            indexes[name] = words
    home = os.path.join(folder, "home")
    return {
        **carried,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": os.path.join(folder, "tmp"),
        "XDG_CONFIG_HOME": os.path.join(home, ".config"),
        "XDG_CACHE_HOME": os.path.join(home, ".cache"),
        "LANG": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "LIVELEAF_BUILD": marker,
        "UV_CACHE_DIR": cache,
        "UV_NO_CONFIG": "1",
        "UV_NO_PROGRESS": "1",
        "UV_NO_ENV_FILE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_PROJECT_ENVIRONMENT": os.path.join(folder, "env"),
        "UV_KEYRING_PROVIDER": "disabled",
        **indexes,
    }
