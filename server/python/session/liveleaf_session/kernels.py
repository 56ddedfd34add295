"""`POST liveleaf/kernel`: starts the kernel of a launch, or makes a warm one its own. Twice is once."""

import asyncio
import os
import time

from jupyter_server.base.handlers import APIHandler
from tornado import web

from . import kernelspec, settings
from .managers import DEFAULT_PATH

WARM_TIMEOUT_S = 60


class LaunchKernel:
    """Which kernel session the hub has started, for which generation of which environment."""

    def __init__(self, serverapp):
        self.sessions = serverapp.session_manager
        self.kernels = serverapp.kernel_manager
        self.lock = asyncio.Lock()
        self.cwd = settings.place("content")
        self.session_id = None
        self.environment = None
        self.path = None

    async def ensure(self, path, environment, variables, kernel):
        path = path.lstrip("/") or DEFAULT_PATH
        async with self.lock:
            # Kernels that are started later, and this one after a restart, are of this launch too.
            kernelspec.write({**(kernel or settings.values["kernel"]), "variables": variables})
            current = await self.current()
            if current is not None and self.environment != environment:
                await self.sessions.delete_session(self.session_id)
                current = None
            self.cwd = settings.folder_of(path)
            os.makedirs(self.cwd, exist_ok=True)
            if current is None:
                current = await self.sessions.create_session(
                    path=path, name=os.path.basename(path), type="notebook", kernel_name=kernelspec.NAME
                )
                self.session_id, self.environment, self.path = current["id"], environment, path
            elif self.path is None or path != self.path or variables:
                await self.sessions.update_session(self.session_id, path=path, name=os.path.basename(path))
                self.path = path
                await self.settle(current["kernel"]["id"], variables)
                current = await self.sessions.get_session(session_id=self.session_id)
            return current["kernel"]["id"]

    async def current(self):
        if self.session_id is None:
            return None
        try:
            return await self.sessions.get_session(session_id=self.session_id)
        except web.HTTPError:
            return None

    async def settle(self, kernel_id, variables):
        """A warm kernel started without knowing for what: tell it, without leaving anything in its namespace."""
        # The next start of the same kernel must know it too.
        arguments = self.kernels.get_kernel(kernel_id)._launch_args
        arguments["cwd"] = self.cwd
        arguments["env"] = {**arguments.get("env", os.environ), **variables}
        code = f"__import__('os').environ.update({variables!r}); __import__('os').chdir({self.cwd!r})"
        await self.talk(kernel_id, code)

    async def warm(self, kernel_id):
        await self.talk(kernel_id, "")

    async def talk(self, kernel_id, code):
        """Runs code silently; returns once it has, which is also when the kernel is up."""
        client = self.kernels.get_kernel(kernel_id).client()
        # The reply is enough: listening to more costs the launch a fifth of a second.
        client.start_channels(shell=True, iopub=False, stdin=False, hb=False, control=False)
        try:
            sent = client.execute(code, silent=True, store_history=False)
            deadline = time.monotonic() + WARM_TIMEOUT_S
            while True:
                reply = await client.get_shell_msg(timeout=max(0.1, deadline - time.monotonic()))
                if reply["parent_header"].get("msg_id") == sent:
                    return
        finally:
            client.stop_channels()


class KernelHandler(APIHandler):
    """Body: path, environment, variables, warm (wait until it answers), kernel (where the server was started without)."""

    @web.authenticated
    async def post(self):
        body = self.get_json_body()
        launch = self.settings["liveleaf_kernel"]
        kernel_id = await launch.ensure(
            body["path"], body["environment"], body["variables"], body.get("kernel")
        )
        if body["warm"]:
            await launch.warm(kernel_id)
        self.finish({"id": kernel_id, "name": kernelspec.NAME})
