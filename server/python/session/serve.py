"""A session's Jupyter server: `python serve.py <settings.json>`. Starts the kernel first where it is known already."""

import json
import os
import sys

folder = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [folder, *(path for path in sys.path if path != folder)]

from liveleaf_session import lazy_imports, prestart, settings  # noqa: E402

with open(sys.argv[1]) as file:
    settings.load(json.load(file))
# The kernel boots while the server is still importing; both are needed for a first output.
prestart.begin()
lazy_imports.install()

from jupyter_server.serverapp import main  # noqa: E402

sys.argv = ["jupyter_server"]
main()
