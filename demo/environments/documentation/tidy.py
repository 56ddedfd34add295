"""Says durations and sizes the way a person would."""

import re

import humanize

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")


def duration(text: str) -> str:
    """A short duration such as ``1h 30m`` in words."""
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        raise ValueError(f"{text!r} is no duration; write one like '2d 4h' with the units {', '.join(_UNITS)}")
    seconds = sum(float(amount) * _UNITS[unit] for amount, unit in parts)
    return humanize.precisedelta(seconds)


def size(count: int, binary: bool = False) -> str:
    """A number of bytes in words."""
    return humanize.naturalsize(count, binary=binary)
