import doctest
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import timeline
from pipeline.timeline import gaps, intersection, overlap, subtract, total, union

# Whole numbers: every point of time is then a cell [n, n + 1), and sets of cells are the oracle.
points = st.integers(0, 30)
intervals = st.lists(st.tuples(points, points).map(lambda pair: (min(pair), max(pair))), max_size=8)


def cells(spans):
    return {cell for start, end in spans for cell in range(int(start), int(end))}


def is_canonical(spans):
    return all(start < end for start, end in spans) and all(
        one[1] < two[0] for one, two in pairwise(spans)
    )


@given(intervals, intervals)
def test_operations_agree_with_sets_of_cells(first, second):
    assert cells(union(first)) == cells(first)
    assert cells(intersection(first, second)) == cells(first) & cells(second)
    assert cells(subtract(first, second)) == cells(first) - cells(second)
    assert total(first) == len(cells(first))


@given(intervals, intervals)
def test_results_are_disjoint_ordered_and_merged(first, second):
    for result in (union(first), intersection(first, second), subtract(first, second)):
        assert is_canonical(result)


@given(intervals, intervals)
def test_parts_add_up_to_the_whole(first, second):
    shared, rest = intersection(first, second), subtract(first, second)
    assert total(shared) + total(rest) == total(first)
    assert union(shared + rest) == union(first)


@given(intervals, points, points)
def test_gaps_and_covered_time_fill_the_window(spans, one, two):
    start, end = min(one, two), max(one, two)
    free = gaps(spans, start, end)
    assert total(free) + total(intersection(spans, [(start, end)])) == end - start
    assert not intersection(free, spans)


@given(st.tuples(points, points), st.tuples(points, points))
def test_overlap_is_the_length_of_the_intersection(one, two):
    first, second = tuple(sorted(one)), tuple(sorted(two))
    assert overlap(first, second) == total(intersection([first], [second]))


def test_touching_intervals_merge_and_do_not_overlap():
    assert union([(0.0, 1.0), (1.0, 2.0)]) == ((0.0, 2.0),)
    assert overlap((0.0, 1.0), (1.0, 2.0)) == 0
    assert gaps([(0.0, 1.0), (1.0, 2.0)], 0.0, 2.0) == ()


def test_reversed_interval_is_named_in_the_error():
    with pytest.raises(ValueError, match=r"got \(2, 1\)"):
        union([(2, 1)])


def test_doctests():
    assert doctest.testmod(timeline).failed == 0
