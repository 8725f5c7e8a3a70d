"""Operations on sets of half-open intervals [start, end), in seconds.

Every function takes any iterable of (start, end) pairs, in any order and overlapping, and returns
a tuple of disjoint intervals in order of time. Empty intervals (start == end) vanish; intervals
that touch are merged. An interval that ends before it starts is a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterable

Interval = tuple[float, float]
Intervals = tuple[Interval, ...]


def union(intervals: Iterable[Interval]) -> Intervals:
    """The time that at least one interval covers.

    >>> union([(3, 4), (0, 1), (1, 2), (0.5, 1.5)])
    ((0, 2), (3, 4))
    """
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if not start <= end:
            raise ValueError(f"interval: need start <= end, got ({start}, {end})")
        if start == end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)


def intersection(first: Iterable[Interval], second: Iterable[Interval]) -> Intervals:
    """The time that both sets cover.

    >>> intersection([(0, 4), (6, 8)], [(3, 7)])
    ((3, 4), (6, 7))
    """
    left, right = union(first), union(second)
    shared: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            shared.append((start, end))
        if left[i][1] <= right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(shared)


def subtract(first: Iterable[Interval], second: Iterable[Interval]) -> Intervals:
    """The time that the first set covers and the second does not.

    >>> subtract([(0, 10)], [(2, 3), (9, 12)])
    ((0, 2), (3, 9))
    """
    holes = union(second)
    left: list[Interval] = []
    j = 0
    for start, end in union(first):
        cursor = start
        while j < len(holes) and holes[j][1] <= cursor:
            j += 1
        k = j
        while k < len(holes) and holes[k][0] < end:
            if cursor < holes[k][0]:
                left.append((cursor, holes[k][0]))
            cursor = max(cursor, holes[k][1])
            k += 1
        if cursor < end:
            left.append((cursor, end))
    return tuple(left)


def gaps(intervals: Iterable[Interval], start: float, end: float) -> Intervals:
    """The time within [start, end) that no interval covers.

    >>> gaps([(1, 2), (4, 9)], 0, 5)
    ((0, 1), (2, 4))
    """
    return subtract([(start, end)], intervals)


def total(intervals: Iterable[Interval]) -> float:
    """Seconds that at least one interval covers; time covered twice counts once.

    >>> total([(0, 2), (1, 3)])
    3.0
    """
    return float(sum(end - start for start, end in union(intervals)))


def overlap(first: Interval, second: Interval) -> float:
    """Seconds that two intervals share.

    >>> overlap((0, 2), (1, 5)), overlap((0, 1), (1, 2))
    (1.0, 0.0)
    """
    return float(max(0.0, min(first[1], second[1]) - max(first[0], second[0])))
