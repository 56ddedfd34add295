"""A queue with bounds."""

from collections import deque


class BoundedBuffer(deque):
    """Of (anything, parts of a message); drops the oldest where there are too many, or their parts too long."""

    def __init__(self, max_messages, max_bytes):
        super().__init__()
        self.max_messages, self.max_bytes, self.held = max_messages, max_bytes, 0

    def append(self, item):
        super().append(item)
        self.held += sum(len(part) for part in item[1])
        while len(self) > self.max_messages or (self.held > self.max_bytes and len(self) > 1):
            self.held -= sum(len(part) for part in self.popleft()[1])
