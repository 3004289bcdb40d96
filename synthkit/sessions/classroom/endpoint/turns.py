"""Fair turns: so many requests at once, and among those who wait each student in turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Turns of students at a server that takes so many requests at once.

    A student who waits with many requests gets as many turns as one who waits with a few.

    Parameters
    ----------
    at_once : how many have a turn at the same time.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def waiting(self) -> dict[str, int]:
        """Student -> the number of requests that wait."""
        return {who: len(queue) for who, queue in self._waiting.items()}

    @asynccontextmanager
    async def turn(self, who: str) -> AsyncIterator[None]:
        """Wait for a turn, and give it to the next student at the end."""
        await self._take(who)
        try:
            yield
        finally:
            self._give()

    async def _take(self, who: str) -> None:
        if self._free:
            self._free -= 1
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # it was given, and is not used
                self._give()
            raise

    def _give(self) -> None:
        while self._waiting:
            who = next(iter(self._waiting))
            queue = self._waiting.pop(who)
            mine = queue.popleft()
            if queue:
                self._waiting[who] = queue  # after all others who wait
            if not mine.done():
                mine.set_result(None)
                return
        self._free += 1
