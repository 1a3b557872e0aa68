# SPDX-License-Identifier: LGPL-2.1-or-later
"""A serial port of the emulated machine whose other end is a thread here: a server that the emulator connects to."""

import socket
import threading

LISTEN = "127.0.0.1"


class SerialLine:
    """serve gets the connection, once, in a thread of its own; it ends with the stream."""

    def __init__(self, serve):
        self._stream = None
        self._listener = socket.create_server((LISTEN, 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, args=(serve,), daemon=True)
        self._thread.start()

    def _run(self, serve):
        try:
            self._stream, _ = self._listener.accept()
            self._stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            serve(self._stream)
        except OSError:
            pass                # the emulator was stopped

    def close(self):
        """May be called again."""
        for stream in (self._stream, self._listener):
            if stream:
                try:
                    stream.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                stream.close()
        self._thread.join(60)
