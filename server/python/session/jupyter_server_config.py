"""The whole configuration of a session's Jupyter server, on a machine and in a pod. Read by Jupyter."""

from liveleaf_session import settings

c = get_config()  # noqa: F821
listen, features = settings.values["listen"], settings.values["features"]

if "socket" in listen:
    c.ServerApp.sock = listen["socket"]
else:
    c.ServerApp.ip = listen["address"]
    c.ServerApp.port = listen["port"]
    c.ServerApp.port_retries = 0
c.ServerApp.base_url = settings.values["baseUrl"]
c.ServerApp.root_dir = settings.place("content")
c.ServerApp.identity_provider_class = "liveleaf_session.identity.DigestIdentityProvider"
c.ServerApp.open_browser = False
c.ServerApp.use_redirect_file = False
c.ServerApp.allow_root = True
c.ServerApp.allow_remote_access = True
c.ServerApp.quit_button = False
c.ServerApp.terminals_enabled = features["terminals"]
c.ServerApp.log_level = "WARN"
c.ServerApp.jpserver_extensions = {
    "liveleaf_session": True,
    "jupyterlab": False,
    "jupyter_lsp": False,
    "jupyter_server_terminals": features["terminals"],
    "notebook_shim": False,
}
c.ServerApp.kernel_manager_class = "liveleaf_session.managers.SessionKernelManager"
c.ServerApp.session_manager_class = "liveleaf_session.managers.KernelSessionManager"
c.ServerApp.kernel_websocket_connection_class = "liveleaf_session.channels.SessionChannels"
c.KernelManager.transport = "ipc"
c.ConnectionFileMixin.transport = "ipc"
# New ports after a death in the first seconds are for TCP, where they may be taken; connected pages would stay at the old ones.
c.KernelRestarter.random_ports_until_alive = False
c.KernelSpecManager.ensure_native_kernel = False
c.KernelSpecManager.allowed_kernelspecs = {"python3"}
c.FileContentsManager.delete_to_trash = False
# A page bounds what it shows; the default of 1,000 messages a second drops output in the middle of a plot.
c.ZMQChannelsWebsocketConnection.iopub_msg_rate_limit = 100000
c.ZMQChannelsWebsocketConnection.iopub_data_rate_limit = 100000000
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
