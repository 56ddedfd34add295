"""The hub's hand inside a session's Jupyter server."""


def _jupyter_server_extension_points():
    return [{"module": "liveleaf_session"}]


def _load_jupyter_server_extension(serverapp):
    from importlib.metadata import EntryPoint

    from jupyter_client.provisioning import KernelProvisionerFactory
    from jupyter_server.utils import url_path_join

    from . import lab, settings
    from .content import ContentHandler
    from .kernels import KernelHandler, LaunchKernel

    # No entry point can be registered without being installed, so the factory's table is written.
    provisioners = KernelProvisionerFactory.instance(parent=serverapp).provisioners
    group = KernelProvisionerFactory.GROUP_NAME
    provisioners["local-provisioner"] = EntryPoint(
        "local-provisioner", "liveleaf_session.managers:PrestartedProvisioner", group
    )
    serverapp.web_app.settings["liveleaf_kernel"] = LaunchKernel(serverapp)
    base = serverapp.base_url
    serverapp.web_app.add_handlers(
        ".*$",
        [
            (url_path_join(base, "liveleaf/content"), ContentHandler),
            (url_path_join(base, "liveleaf/kernel"), KernelHandler),
        ],
    )
    if settings.values["features"]["lab"]:
        lab.register(serverapp)
