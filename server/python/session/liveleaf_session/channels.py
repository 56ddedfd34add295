"""One client's socket to a kernel, with what a session needs of Jupyter's changed."""

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.websocket import WebSocketClosedError
from traitlets import Any

from . import settings
from .bounded import BoundedBuffer

# What was written to a socket may have got lost on the way; so much of it can be sent again.
SENT_MESSAGES = 5_000
SENT_BYTES = 4 << 20


class Sent:
    """What was written to one client, counted, the newest of it kept."""

    def __init__(self):
        self.count = 0
        self.kept = BoundedBuffer(SENT_MESSAGES, SENT_BYTES)

    def append(self, data, binary):
        self.count += 1
        self.kept.append((binary, [data]))

    def after(self, received):
        """What followed the first `received` messages, and is still there; the client counts on from it."""
        missing = max(0, min(self.count - received, len(self.kept)))
        self.count = received + missing
        return list(self.kept)[len(self.kept) - missing :]


class SessionChannels(ZMQChannelsWebsocketConnection):
    """Loses nothing of what a client misses while it is cut off, and lets nothing sent to a dead kernel reach the next."""

    has_left = False
    sent = Any()
    # What the client missed, until it has been replayed.
    missed = ()

    def create_stream(self):
        super().create_stream()
        for stream in self.channels.values():
            # A closed stream that still delivers takes its name, and with it all answers, from the one that follows.
            stream.socket.linger = 0

    async def _register_session(self):
        stale = self._open_sessions.get(f"{self.kernel_id}:{self.session.session}")
        await super()._register_session()
        # Its end is noticed late where the network went away; what it holds belongs to this one now.
        if stale is not None and stale.connection is not None:
            stale.connection.disconnect()

    def connect(self):
        # One answer is several small frames; over TCP each would wait 40 ms for the one before it.
        self.websocket_handler.set_nodelay(True)
        client = self.multi_kernel_manager.absent.get(self.kernel_id, {}).get(self.session_key)
        received = self.websocket_handler.get_argument(settings.values["received"], "")
        if client is not None and received.isdigit():
            self.sent = client["sent"]
            for binary, (data,) in self.sent.after(int(received)):
                self.websocket_handler.write_message(data, binary)
        else:
            self.sent = Sent()
            # What it missed is gone, but it counts on from what it has.
            self.sent.count = int(received) if received.isdigit() else 0
        if client is not None:
            self.missed = client["buffer"]
        connected = super().connect()
        if connected is not None:
            connected.add_done_callback(self.replayed)
        return connected

    def replayed(self, _):
        if not self.has_left:
            self.missed = ()

    @property
    def write_message(self):
        return self.write_counted

    def write_counted(self, data, binary=False):
        self.sent.append(data, binary)
        try:
            self.websocket_handler.write_message(data, binary)
        except WebSocketClosedError:
            pass  # It is kept for the client's return.

    def disconnect(self):
        if self.has_left:
            return
        self.has_left = True
        channels, self.channels = self.channels, {}
        manager = self.multi_kernel_manager
        if self.kernel_id in manager and channels:
            manager.start_buffering(self.kernel_id, self.session_key, channels)
            client = manager.absent[self.kernel_id][self.session_key]
            client["sent"] = self.sent
            for message in self.missed:
                client["buffer"].append(message)
        else:
            for stream in channels.values():
                stream.close()
        super().disconnect()

    def on_kernel_restarted(self):
        super().on_kernel_restarted()
        if "shell" not in self.channels:
            return
        self.channels["shell"].close(linger=0)
        shell = self.kernel_manager.connect_shell(identity=self.session.bsession)
        shell.channel = "shell"
        shell.socket.linger = 0
        shell.on_recv_stream(self.handle_outgoing_message)
        self.channels["shell"] = shell
