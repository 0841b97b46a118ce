"""Independent parts of a work, each on a core of its own; and what becomes of it where that cannot be."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import clearprop as cp
from clearprop import blas
from clearprop.blas import on_every_core

Parts = list[tuple[int, int]]


@pytest.fixture
def two_threads() -> object:
    """Products on two threads, whatever the machine has: the suite limits them to one."""
    if blas._function("openblas_set_num_threads64_") is None:
        pytest.skip("NumPy is not linked with the OpenBLAS of its wheels here")
    with threadpool_limits(2, user_api="blas"):
        yield


def parts_of(n: int, at_least: int) -> tuple[Parts, set[int], set[int]]:
    """Return the parts, the threads they ran in, and on how many threads products ran meanwhile."""
    parts, threads, counts = [], set(), set()

    def work(start: int, stop: int) -> None:
        parts.append((start, stop))
        threads.add(threading.get_ident())
        count = blas._function("openblas_get_num_threads64_")
        counts.add(count() if count else 1)

    on_every_core(work, n, at_least)
    return sorted(parts), threads, counts


@pytest.mark.usefixtures("two_threads")
def test_each_core_has_a_part_of_its_own_and_products_on_one_thread() -> None:
    parts, threads, counts = parts_of(101, at_least=50)
    assert parts == [(0, 50), (50, 101)]
    assert len(threads) == 2
    assert counts == {1}
    assert blas._function("openblas_get_num_threads64_")() == 2


@pytest.mark.usefixtures("two_threads")
def test_little_work_is_not_shared() -> None:
    assert parts_of(99, at_least=50) == ([(0, 99)], {threading.get_ident()}, {2})
    assert parts_of(0, at_least=50)[0] == [(0, 0)]


@pytest.mark.usefixtures("two_threads")
def test_work_within_shared_work_and_beside_it_is_not_shared_again() -> None:
    seen = []
    on_every_core(lambda start, stop: seen.append(parts_of(200, at_least=1)[0]), 2, at_least=1)
    assert seen == [[(0, 200)], [(0, 200)]]


def test_where_the_blas_is_unknown_all_is_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_function", lambda name: None)
    assert parts_of(1_000, at_least=1)[0] == [(0, 1_000)]


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_in_a_part_comes_out_and_leaves_everything_as_it_was(failing: int) -> None:
    def work(start: int, stop: int) -> None:
        if start == failing:
            raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        on_every_core(work, 2, at_least=1)
    assert parts_of(2, at_least=1)[0] == [(0, 1), (1, 2)]
    assert blas._function("openblas_get_num_threads64_")() == 2


@pytest.mark.usefixtures("two_threads")
def test_a_prediction_is_the_same_on_every_core(rng: np.random.Generator) -> None:
    network = cp.Network((20, 16, 3), "relu")
    parameters = [(rng.normal(size=fans), rng.normal(size=fans[1])) for fans in ((20, 16), (16, 3))]
    model = cp.Model(network, parameters)
    rows = rng.normal(size=(5_001, 20))
    shared = model.logits(rows)
    np.testing.assert_array_equal(shared, model.logits(rows))
    with threadpool_limits(1, user_api="blas"):
        np.testing.assert_allclose(shared, model.logits(rows), rtol=1e-12)
