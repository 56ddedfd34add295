"""A session's Jupyter server: `python serve.py <settings.json>`. Starts the kernel first where it is known already."""

import json
import os
import sys

folder = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [folder, *(path for path in sys.path if path != folder)]

from liveleaf_session import kernelspec, lazy_imports, network_gate, places, prestart, settings  # noqa: E402


def serve(given):
    """Serves until the process is ended."""
    settings.load(given)
    places.prepare()
    kernel = settings.values["kernel"]
    if kernel is not None:
        kernelspec.write(kernel)
    # The kernel boots while the server is still importing; both are needed for a first output.
    network_gate.begin(settings.values["canary"], lambda: kernel is not None and prestart.begin(kernel["path"]))
    lazy_imports.install()

    from jupyter_server.serverapp import main

    main([f"--config={os.path.join(folder, 'jupyter_server_config.py')}"])


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        given = json.load(file)
    serve(given)
