"""What the Python programs share: how they talk to the matrix, and the shape of ordinary work."""

import asyncio
import inspect
import os
import sys
import threading
import traceback

CLIENTS = int(os.environ["CLIENTS"])
ROUNDS = int(os.environ["ROUNDS"])
BIG = 10 * 1024 * 1024
ROWS = 10_000
DIFFERENT = 250


class Absent(Exception):
    """The driver has no such thing."""


def same(got, expected):
    """Fails unless they are equal; long values are shown short."""
    if got != expected:
        raise AssertionError(f"expected {str(expected)[:80]!r}, got {str(got)[:80]!r}")


def raises(kind, work):
    """The error of that kind that `work` must raise."""
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


async def raises_async(kind, awaitable):
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def hold(label):
    """Lets the matrix look at the console while our connections are open."""
    print(f"hold {label}", flush=True)
    sys.stdin.readline()


def token(client, number=0):
    """A value that no other client sends."""
    return f"client {client} value {number}"


def big(client):
    unit = f"{client:08d}"
    return unit * (BIG // len(unit))


def in_threads(work):
    """One call of `work(client)` in a thread for each client; the first error is raised."""
    errors = []

    def guarded(client):
        try:
            work(client)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


async def in_tasks(work):
    """The same in asyncio's tasks."""
    await asyncio.gather(*(work(client) for client in range(CLIENTS)))


def main(features, version):
    """Runs the feature that the last argument names."""
    print(f"version {version}", flush=True)
    name = sys.argv[-1]
    work = features.get(name)
    try:
        if work is None:
            raise Absent(f"no {name}")
        if isinstance(work, str):
            raise Absent(work)
        if inspect.iscoroutinefunction(work):
            asyncio.run(work())
        else:
            work()
        print("pass", flush=True)
    except Absent as why:
        print(f"n/a {why}", flush=True)
    except Exception as error:
        traceback.print_exc()
        print(f"fail {type(error).__name__}: {' '.join(str(error).split())}", flush=True)
    # Threads that hang must not keep us.
    sys.stderr.flush()
    os._exit(0)
