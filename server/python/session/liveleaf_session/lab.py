"""JupyterLab, loaded when somebody first asks for it: most sessions never do, and it costs each 0.7 s to start."""

import asyncio
import importlib

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

NAME = "jupyterlab"


class LazyLab:
    def __init__(self, serverapp):
        self.serverapp = serverapp
        self.loading = None
        self.loaded = False

    async def load(self):
        if self.loading is None:
            self.loading = asyncio.ensure_future(self._load())
        await asyncio.shield(self.loading)

    async def _load(self):
        # Importing is most of it, and kernels go on meanwhile.
        await asyncio.to_thread(importlib.import_module, "jupyterlab.labapp")
        manager = self.serverapp.extension_manager
        manager.add_extension(NAME, enabled=True)
        manager.link_extension(NAME)
        manager.load_extension(NAME)
        rules = self.serverapp.web_app.default_router.rules
        # What was added last stands before the catch-all; ours were first, and have done their work.
        for rule in [rule for rule in rules if getattr(rule, "liveleaf_lazy", False)]:
            rules.remove(rule)
        self.loaded = True


class LazyLabHandler(JupyterHandler):
    @web.authenticated
    async def get(self):
        lazy = self.settings["liveleaf_lab"]
        await lazy.load()
        # The same address again, now answered by JupyterLab; relative to the host, so right behind any proxy.
        self.redirect(self.request.uri, status=307)


class ClassicHandler(JupyterHandler):
    """Addresses of the classic interface, as old badges have them."""

    @web.authenticated
    def get(self, path):
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(url_path_join(self.base_url, "lab/tree", path) + query)


def register(serverapp):
    app, base = serverapp.web_app, serverapp.base_url
    app.settings["liveleaf_lab"] = LazyLab(serverapp)
    before = list(app.default_router.rules)
    app.add_handlers(".*$", [(url_path_join(base, r"(?:lab|doc)(?:/.*)?"), LazyLabHandler)])
    for rule in app.default_router.rules:
        if rule not in before:
            rule.liveleaf_lazy = True
    classic = r"(?:tree|notebooks|edit)/?(.*)"
    app.add_handlers(".*$", [(url_path_join(base, classic), ClassicHandler)])
