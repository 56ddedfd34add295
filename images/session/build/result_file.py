"""What a step leaves for the hub: JSON in the container's termination message, which holds 4 KiB."""

import json
import os

MOST_BYTES = 4096
RESULT = os.environ.get("LIVELEAF_RESULT", "/dev/termination-log")


def write_result(fields):
    """Writes it; of a long list `output` the beginning and the end are kept, as much of them as there is room for."""
    data = encode(fields)
    output = fields.get("output")
    if len(data) > MOST_BYTES and output:
        data = encode({**fields, "output": fit(output, MOST_BYTES - len(encode({**fields, "output": []})))})
    if len(data) > MOST_BYTES:
        data = encode({key: value[:500] if isinstance(value, str) else value for key, value in fields.items() if key != "output"})
    with open(RESULT, "wb") as file:
        file.write(data[:MOST_BYTES])


def encode(fields):
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def fit(lines, room):
    """The first lines in a third of the room and the last ones in the rest: what failed is named first, and why last."""
    cost = [len(encode([line])) for line in lines]
    head = []
    spent = 0
    while len(head) < len(lines) and spent + cost[len(head)] <= room // 3:
        spent += cost[len(head)]
        head.append(lines[len(head)])
    tail = []
    while len(head) + len(tail) < len(lines) and spent + cost[len(lines) - 1 - len(tail)] <= room - 8:
        spent += cost[len(lines) - 1 - len(tail)]
        tail.insert(0, lines[len(lines) - 1 - len(tail)])
    return head + (["…"] if len(head) + len(tail) < len(lines) else []) + tail
