"""Puts off an import that costs three quarters of the server's start and is hardly ever needed."""

import importlib.util
import sys
import types

# jsonschema imports it to check the format `iri`; it builds the parser of a whole grammar when it is imported.
NAME = "rfc3987_syntax"


def install():
    if NAME in sys.modules or importlib.util.find_spec(NAME) is None:
        return
    stand_in = types.ModuleType(NAME)

    def is_valid_syntax(rule, value):
        if sys.modules.get(NAME) is stand_in:
            del sys.modules[NAME]
        return importlib.import_module(NAME).is_valid_syntax(rule, value)

    stand_in.is_valid_syntax = is_valid_syntax
    sys.modules[NAME] = stand_in
