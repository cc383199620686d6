"""Runs the embedded server until its last client has left, however that ended.

Run as a script by ``embedded``, with little of the standard library, so that it is small: it stays
for as long as the server does. Its arguments are two open files, the user and group to be, and the
server's command line. Each client holds a shared lock on the first file; the kernel takes it away
even from one that was killed. Whoever can lock it alone knows that there is nobody left. The second
is locked already, and the server's processes inherit it: it is free when the last of them has gone.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time

_EVERY = 0.25
"""Seconds between two looks for clients."""


def main() -> None:
    """Start the server, and return to the caller at once; stay in the background."""
    clients, running, user, group = map(int, sys.argv[1:5])
    if os.fork():
        os._exit(0)
    os.setsid()
    as_user = {"user": user, "group": group, "extra_groups": []} if os.geteuid() == 0 else {}
    # Settings of the user's own for PostgreSQL's clients are not for this server.
    with subprocess.Popen(sys.argv[5:], pass_fds=[running], env={}, **as_user) as server:  # type: ignore[call-overload]
        os.close(running)
        while server.poll() is None:
            try:
                fcntl.flock(clients, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(_EVERY)
            else:
                # Nobody new comes in before this process has ended and given the lock back.
                server.send_signal(signal.SIGINT)
                server.wait()


if __name__ == "__main__":
    main()
