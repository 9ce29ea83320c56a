"""Is gunicorn's threaded worker but for how it stops: who has connected is answered, who comes later goes elsewhere."""

from __future__ import annotations

from gunicorn.sock import BaseSocket
from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no type hints
    """Stops listening when it is told to stop, after taking in all who have connected by then.

    gunicorn's own listens, and takes nobody in, until the last request has ended: a proxy that connects meanwhile
    waits for an answer that never comes, where it could have asked another instance.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        """Do as gunicorn's, and close the listeners once the worker is told to stop."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                self._take_in_all(listener)
                listener.close()

    def _take_in_all(self, listener: BaseSocket) -> None:
        known = -1
        while known < self.nr_conns:
            known = self.nr_conns
            self.accept(listener)
