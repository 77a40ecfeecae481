"""Linux: the process between the suite and a candidate, which ends all that the candidate started.

Run as `python -I -S keeper.py CONTROL STATUS LIMIT FOLDER WORDS...`: it runs WORDS with its own stdin, stdout, stderr.
CONTROL is a pipe that nobody writes to but a byte for a good-bye; its end means that the suite wants no more, or is
gone, and then FOLDER, where it is not empty, is deleted too. To STATUS it writes `started`, or `errno N`; `memory`
where the candidate and its children hold more than LIMIT bytes (0: no limit); and `done` when nothing of it runs any
more. It then ends as the candidate did.

Whatever loses its parent becomes the keeper's child, so that neither a new session nor a fork of a fork gets away.
It imports little, for it starts before every candidate.
"""

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress

_DEATH_SIGNAL, _DUMPABLE, _SUBREAPER = 1, 4, 36
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Seconds between two looks at the candidate; all its children are looked for less often, in a fiftieth of the time.
_LOOK = 0.05
_FAMILY, _SHARE = 0.5, 50


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def descendants(of: int) -> list[int]:
    """Return the processes that a process, or one of its children, started and that are left."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, ValueError), open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found, waiting = [], [of]
    while waiting:
        new = children.get(waiting.pop(), [])
        found += new
        waiting += new
    return found


def _resident(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE
    return 0


def _own(pid: int) -> int:
    """Return the memory of a process, what it shares with others by parts: exact, and slow."""
    with suppress(OSError, ValueError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) << 10
    return _resident(pid)


class _Memory:
    """Watches the memory of a process and its descendants."""

    def __init__(self, pid: int, limit: int) -> None:
        self._pid, self._limit = pid, limit
        self._family = [pid]
        self._next = 0.0

    def exceeded(self) -> bool:
        """Return whether they hold more than the limit."""
        if not self._limit:
            return False
        began = time.monotonic()
        if began >= self._next:
            self._family = descendants(os.getpid())
            ended = time.monotonic()
            self._next = ended + max(_FAMILY, _SHARE * (ended - began))
        if sum(map(_resident, self._family)) <= self._limit:
            return False
        return sum(map(_own, self._family)) > self._limit


def _start(words: list[str]) -> tuple[int, int]:
    """Run words in a session of their own; return the process and 0, or an errno where they cannot be run."""
    keeper = os.getpid()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            _prctl(_DEATH_SIGNAL, signal.SIGKILL)
            if os.getppid() != keeper:
                os._exit(1)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.execvp(words[0], words)
        except OSError as error:
            os.write(writing, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(writing)
    said = os.read(reading, 16)
    os.close(reading)
    return pid, int(said or 0)


def _reap(pid: int) -> int | None:
    """Take away who has died; return the status of the candidate where it is among them."""
    status = None
    with suppress(ChildProcessError):
        while (dead := os.waitpid(-1, os.WNOHANG))[0]:
            if dead[0] == pid:
                status = dead[1]
    return status


def _end_all(pid: int) -> int | None:
    """Kill all descendants; return the status of the candidate where it ended by that."""
    status = None
    while left := descendants(os.getpid()):
        # Stopped first: what is forked meanwhile is met in the next round.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for one in left:
                with suppress(OSError):
                    os.kill(one, number)
        found = _reap(pid)
        status = found if found is not None else status
        time.sleep(0.001)
    return status


def _wait(pid: int, control: int, status: int, limit: int) -> tuple[int | None, bool]:
    """Return the candidate's status when it has ended, None where it is to be ended; and whether the suite is gone."""
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    memory = _Memory(pid, limit)
    look = _LOOK if limit else None
    while True:
        if (found := _reap(pid)) is not None:
            return found, False
        if memory.exceeded():
            os.write(status, b"memory ")
            return None, False
        ready, _, _ = select.select([control, wake], [], [], look)
        if wake in ready:
            os.read(wake, 1 << 10)
        if control in ready:
            return None, not os.read(control, 1)


def main() -> None:
    """Run the candidate, watch it, end what it leaves."""
    control, status, limit = map(int, sys.argv[1:4])
    folder, words = sys.argv[4], sys.argv[5:]
    os.set_inheritable(control, False)
    os.set_inheritable(status, False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _prctl(_SUBREAPER, 1)
    pid, problem = _start(words)
    if problem:
        os.write(status, b"errno %d" % problem)
        return
    # The candidate alone holds its pipes: their ends are its.
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    with suppress(OSError):
        os.write(status, b"started ")
    ended, gone = _wait(pid, control, status, limit)
    killed = _end_all(pid)
    if gone and folder:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        os.write(status, b"done")
    ended = killed if ended is None else ended
    if ended is not None and os.WIFSIGNALED(ended):
        _prctl(_DUMPABLE, 0)
        signal.signal(os.WTERMSIG(ended), signal.SIG_DFL) if os.WTERMSIG(ended) != signal.SIGKILL else None
        os.kill(os.getpid(), os.WTERMSIG(ended))
    os._exit(0 if ended is None else os.WEXITSTATUS(ended))


if __name__ == "__main__":
    main()
