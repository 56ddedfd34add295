"""The folders of a session, and the variables by which every program finds them."""

import os

from . import settings


def prepare():
    """Makes the folders and sets the variables, for this process and all that it starts. Before Jupyter is imported.

    HOME and TMPDIR are given already.
    """
    jupyter, threads = settings.place("jupyter"), settings.values["limits"]["threads"]
    for folder in (*settings.values["places"].values(), os.environ["TMPDIR"]):
        os.makedirs(folder, 0o700, exist_ok=True)
    # Without the mark Jupyter looks for a configuration of 2015 to move here.
    open(os.path.join(jupyter, "migrated"), "a").close()
    inside = lambda *parts: os.path.join(os.environ["HOME"], *parts)
    os.environ.update(
        JUPYTER_CONFIG_DIR=jupyter,
        # Before every other place, so that our `python3` wins over the one of the server's own environment.
        JUPYTER_PATH=jupyter,
        JUPYTER_PREFER_ENV_PATH="0",
        JUPYTER_DATA_DIR=inside(".local", "share", "jupyter"),
        JUPYTER_RUNTIME_DIR=settings.place("runtime"),
        JUPYTERLAB_SETTINGS_DIR=inside(".jupyterlab", "settings"),
        JUPYTERLAB_WORKSPACES_DIR=inside(".jupyterlab", "workspaces"),
        IPYTHONDIR=inside(".ipython"),
        MPLCONFIGDIR=inside(".config", "matplotlib"),
        OPENBLAS_NUM_THREADS=str(threads),
        OMP_NUM_THREADS=str(threads),
        MKL_NUM_THREADS=str(threads),
        NUMEXPR_MAX_THREADS=str(threads),
    )
