"""Lines of the log on their way out: whoever logs never waits for whoever reads.

A full pipe, a stopped terminal and a full disk hold up the one thread that writes. What does not
fit into its queue meanwhile is dropped, counted, and told in the next line that gets out.
"""

import os
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Thread
from time import monotonic, sleep

KEPT = 10_000  # lines
LAST_WORDS_S = 2.0
TOLD = '{"event": "log.dropped", "level": "warning", "lines": %d}\n'


class Lines:
    """What is written to a descriptor, line by line, by a thread that starts with the first."""

    def __init__(self, descriptor: int, kept: int = KEPT) -> None:
        self.dropped = 0
        self._descriptor, self._kept = descriptor, kept
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # threads and their locks stay behind

    def _begin(self) -> None:
        self._waiting: Queue[str] = Queue(self._kept)
        self._thread: Thread | None = None
        self._told = self.dropped

    def write(self, text: str) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._work, name="log", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(text)
        except Full:
            self.dropped += 1

    def flush(self) -> None:
        """Nothing to do: whoever calls this after each line must not wait either."""

    def close(self, patience_s: float = LAST_WORDS_S) -> None:
        """Let what is waiting get out, if somebody takes it."""
        end = monotonic() + patience_s
        while self._waiting.unfinished_tasks and monotonic() < end:
            sleep(0.01)

    def _work(self) -> None:
        while True:
            lines = [self._waiting.get()]
            with suppress(Empty):
                while len(lines) < 100:
                    lines.append(self._waiting.get_nowait())
            if self.dropped > self._told:
                self._told, missing = self.dropped, self.dropped - self._told
                lines.append(
                    f'{{"event": "log.dropped", "level": "warning", "lines": {missing}}}\n'
                )
            try:
                _put(self._descriptor, "".join(lines).encode(errors="backslashreplace"))
            except OSError:
                self.dropped += len(lines)
            for _ in lines:
                with suppress(ValueError):  # the line about dropped ones never waited
                    self._waiting.task_done()


def _put(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
