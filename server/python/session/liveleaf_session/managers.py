"""Jupyter's managers, with what a session needs of them changed."""

import asyncio
import os

from jupyter_client.provisioning import LocalProvisioner
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from jupyter_server.services.sessions.sessionmanager import SessionManager

from . import network_gate, prestart
from .bounded import BoundedBuffer

# What a Thebe page asks for when its author named no path; so both find the same kernel.
DEFAULT_PATH = "thebe.ipynb"
# Clients that were cut off and may return, for each kernel.
ABSENT_CLIENTS = 4
# Messages kept for a client that was cut off: enough for its return, not for a loop that prints for hours.
BUFFERED_MESSAGES = 10_000
BUFFERED_BYTES = 16 << 20


class PrestartedProvisioner(LocalProvisioner):
    """Takes the kernel that runs already, the first time; afterwards starts them as usual."""

    _taken = None

    async def pre_launch(self, **kwargs):
        if not network_gate.is_open():
            await asyncio.to_thread(network_gate.wait)
        self._taken = prestart.take()
        if self._taken is not None:
            self.parent.load_connection_info(self._taken[1])
        return await super().pre_launch(**kwargs)

    async def launch_kernel(self, cmd, **kwargs):
        if self._taken is None:
            return await super().launch_kernel(cmd, **kwargs)
        self.process, self._taken = self._taken[0], None
        self.pid = self.process.pid
        self.pgid = os.getpgid(self.pid)
        return self.connection_info


class SessionKernelManager(AsyncMappingKernelManager):
    """Keeps, within bounds, what absent clients miss, each for itself; and forgets the state of a kernel that died."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # By kernel and by the client's session key, the oldest first.
        self.absent = {}

    async def _finish_kernel_start(self, kernel_id):
        await super()._finish_kernel_start(kernel_id)
        self.add_restart_callback(kernel_id, lambda: self.forget_state(kernel_id))

    def forget_state(self, kernel_id):
        # One that died in a run stays `busy` otherwise, and a socket to a busy kernel opens without waiting for its answer.
        self.get_kernel(kernel_id).execution_state = "starting"

    def start_buffering(self, kernel_id, session_key, channels):
        if not channels:
            return
        clients = self.absent.setdefault(kernel_id, {})
        oldest = list(clients)[: max(0, len(clients) + 1 - ABSENT_CLIENTS)]
        for key in {session_key, *oldest} & clients.keys():
            self.close_streams(clients.pop(key))
        buffer = BoundedBuffer(BUFFERED_MESSAGES, BUFFERED_BYTES)
        for channel, stream in channels.items():
            stream.on_recv(lambda parts, channel=channel: buffer.append((channel, parts)))
        clients[session_key] = {"session_key": session_key, "buffer": buffer, "channels": channels}

    def get_buffer(self, kernel_id, session_key):
        return self.absent.get(kernel_id, {}).pop(session_key, None)

    def stop_buffering(self, kernel_id):
        for client in self.absent.pop(kernel_id, {}).values():
            self.close_streams(client)

    @staticmethod
    def close_streams(client):
        for stream in client["channels"].values():
            if not stream.closed():
                stream.on_recv(None)
                stream.close()


class KernelSessionManager(SessionManager):
    """Makes one kernel for a path, however many ask at once, and knows every spelling of the default path."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.lock = asyncio.Lock()

    @staticmethod
    def spelled(path):
        return (path or "").lstrip("/") or DEFAULT_PATH

    async def session_exists(self, path):
        return await super().session_exists(self.spelled(path))

    async def get_session(self, **kwargs):
        if "path" in kwargs:
            kwargs["path"] = self.spelled(kwargs["path"])
        return await super().get_session(**kwargs)

    async def create_session(self, path=None, name=None, type=None, kernel_name=None, kernel_id=None):
        path = self.spelled(path)
        async with self.lock:
            if kernel_id is None and await super().session_exists(path):
                return await super().get_session(path=path)
            return await super().create_session(path, name, type, kernel_name, kernel_id)
