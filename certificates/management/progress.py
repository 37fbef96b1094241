"""How far a long command is, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from django.core.management.base import OutputWrapper

WIDTH = 40
LINES = 10  # at most so many where there is no terminal


class ProgressBar:
    """`tell(done, total)` as often as you like, then `end()`."""

    def __init__(self, stream: OutputWrapper) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._told = 0

    def tell(self, done: int, total: int) -> None:
        """Show that `done` of `total` are done."""
        tenths = LINES * done // total
        if self._terminal:
            bar = "█" * (WIDTH * done // total)
            self._write(f"\r{bar:░<{WIDTH}} {done:,} of {total:,}")
        elif tenths > self._told:
            self._write(f"{done:,} of {total:,}\n")
        self._told = tenths

    def end(self) -> None:
        """Leave the bar's line."""
        if self._terminal and self._told:
            self._write("\n")

    def _write(self, text: str) -> None:
        self._stream.write(text, str, ending="")  # plain: stderr's own colour is for errors
        self._stream.flush()
