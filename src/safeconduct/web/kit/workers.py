"""Several serving processes on one port: fork, watch, replace, stop together.

The parent serves nothing. Each worker listens on the port by itself (`SO_REUSEPORT`), so the
kernel deals out connections and a worker that dies takes only its own with it.
"""

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable
from time import monotonic

log = logging.getLogger("safeconduct.workers")

WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
PR_SET_PDEATHSIG = 1
TOO_SOON = 5.0  # seconds; a worker that ends earlier never really started
MAX_FAILED_STARTS = 3

Mask = set[int | signal.Signals]


def supervise(work: Callable[[int], int], count: int) -> int:
    """Run `work(number)` in `count` processes until SIGTERM or SIGINT; the exit status of all.

    A worker that dies is replaced. When workers keep dying at their start, all are stopped: the
    reason is the same for each of them, and a loop of restarts would hide it.
    """
    old = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        return _watch(work, count, old)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def _watch(work: Callable[[int], int], count: int, mask: Mask) -> int:
    workers = {_fork(work, number, mask): (number, monotonic()) for number in range(count)}
    failed_starts, status, stopping = 0, 0, False
    while workers:
        received = signal.sigwait(WATCHED)
        if received != signal.SIGCHLD:
            stopping = True
            _tell(list(workers), signal.SIGTERM)
        for pid, code in _ended(list(workers)):
            number, since = workers.pop(pid)
            status = status or code
            if stopping:
                continue
            failed_starts = failed_starts + 1 if monotonic() - since < TOO_SOON else 0
            log.error("worker %d (process %d) ended with status %d", number, pid, code)
            if failed_starts >= MAX_FAILED_STARTS:
                stopping = True
                _tell(list(workers), signal.SIGTERM)
            else:
                status = 0
                workers[_fork(work, number, mask)] = (number, monotonic())
    return status


def _fork(work: Callable[[int], int], number: int, mask: Mask) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _die_with(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _pin(number)
        status = work(number)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        log.exception("worker %d failed", number)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        logging.shutdown()
        os._exit(status)


def _die_with(parent: int) -> None:
    """A worker without its parent would hold the port for ever; Linux can end it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _pin(number: int) -> None:
    """One core for each worker, as far as there are cores."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def _ended(pids: list[int]) -> list[tuple[int, int]]:
    found = ((pid, os.waitpid(pid, os.WNOHANG)) for pid in pids)
    return [(pid, os.waitstatus_to_exitcode(status)) for pid, (gone, status) in found if gone]


def _tell(pids: list[int], what: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, what)
