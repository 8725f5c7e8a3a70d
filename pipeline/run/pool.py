"""Worker processes: a crash, a hang or a lack of memory costs one call."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from pipeline.config import Config
from pipeline.run.plan import Plan
from pipeline.run.work import Item, failure, process
from pipeline.types import CallResult


def results(
    items: tuple[Item, ...],
    load: Callable[[str], CallResult | None],
    how: tuple[Plan, dict[str, float], int],
) -> Iterator[tuple[Item, CallResult | None]]:
    """Results as they finish; (item, None) once when the user interrupts."""
    from pebble import ProcessPool

    plan, lengths, jobs = how
    if not items:
        return
    queue = iter(items)
    running: dict[Future[CallResult], tuple[Item, float]] = {}
    context = multiprocessing.get_context("spawn")
    pool = ProcessPool(
        max_workers=min(jobs, len(items)), context=context, initializer=_ignore_interrupt
    )
    with _interruptible() as interrupted, pool:
        try:
            while True:
                while len(running) < 2 * jobs and not interrupted:
                    item = next(queue, None)
                    if item is None:
                        break
                    timeout = _timeout(lengths[item.call.call_id], plan.config)
                    item = replace(item, stored=load(item.call.call_id))
                    future: Future[CallResult] = pool.schedule(
                        process, args=(item, plan), timeout=timeout
                    )
                    running[future] = (item, time.monotonic())
                if not running:
                    return
                finished, _ = futures.wait(
                    running, timeout=0.5, return_when=futures.FIRST_COMPLETED
                )
                for ended in finished:
                    item, since = running.pop(ended)
                    yield item, _outcome(ended, item, plan, time.monotonic() - since)
                if interrupted:
                    yield next(iter(running.values()), (items[0], 0.0))[0], None
                    return
        finally:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()


def _outcome(future: Future[CallResult], item: Item, plan: Plan, seconds: float) -> CallResult:
    from pebble import ProcessExpired

    try:
        return future.result()
    except futures.TimeoutError:
        return failure(item, plan, "timed_out", f"after {seconds:.0f} s", seconds)
    except ProcessExpired as error:
        return failure(item, plan, "worker_died", f"exit code {error.exitcode}", seconds)
    except (futures.CancelledError, MemoryError) as error:
        return failure(item, plan, "worker_died", type(error).__name__, seconds)
    except Exception as error:
        return failure(item, plan, "worker_died", type(error).__name__, seconds)


def _timeout(length: float, config: Config) -> float:
    return config.run.timeout_minimum + config.run.timeout_per_second * length


def _ignore_interrupt() -> None:
    """Ctrl-C reaches the whole process group; the parent decides what happens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Flag:
    def __init__(self) -> None:
        self.up = False

    def __bool__(self) -> bool:
        return self.up


@contextmanager
def _interruptible() -> Iterator[_Flag]:
    """A flag that SIGINT or SIGTERM raises, once; a second SIGINT stops at once."""
    flag = _Flag()

    def raise_flag(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if flag.up:
            raise KeyboardInterrupt
        flag.up = True

    try:
        old = {
            number: signal.signal(number, raise_flag) for number in (signal.SIGINT, signal.SIGTERM)
        }
    except ValueError:  # not the main thread: the caller's handlers stay
        yield flag
        return
    try:
        yield flag
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
