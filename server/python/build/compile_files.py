"""Compiles to bytecode: `<environment's python> -IB compile_files.py <file with one path a line>`.

The bytecode is unchecked, so that it stays valid when files are copied. Folders are walked but for
`tests`, which nobody imports. Runs on Python 3.8 and later; uses every core.
"""

import os
import py_compile
import sys
import warnings


def sources(path):
    if not os.path.isdir(path):
        yield path
        return
    for at, folders, files in os.walk(path):
        folders[:] = [name for name in folders if name not in ("tests", "__pycache__")]
        for name in files:
            if name.endswith(".py"):
                yield os.path.join(at, name)


def compile_all(paths):
    warnings.simplefilter("ignore")
    for path in paths:
        try:
            py_compile.compile(path, doraise=True, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        except (py_compile.PyCompileError, ValueError, RecursionError, OSError) as error:
            # Templates and files for other versions of Python are none that can be compiled.
            if isinstance(error, OSError) and error.errno in (27, 28, 122):
                raise


def main():
    with open(sys.argv[1]) as names:
        paths = sorted((path for line in names for path in sources(line.rstrip("\n"))), key=os.path.getsize, reverse=True)
    workers = max(1, min(os.cpu_count() or 1, 8, len(paths) // 50))
    children = []
    for worker in range(1, workers):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                compile_all(paths[worker::workers])
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    compile_all(paths[0::workers])
    sys.exit(any(os.waitpid(pid, 0)[1] for pid in children))


main()
