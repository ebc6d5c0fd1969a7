"""Work in several processes, through joblib: on this machine, or on a Ray cluster."""

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from joblib import Parallel, cpu_count, delayed, parallel_config
from joblib.parallel import get_active_backend

ROUND = 4

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@contextmanager
def parallel(
    function: Callable[[ItemT], ResultT], items: Iterable[ItemT], jobs: int, ordered: bool = True
) -> Iterator[Iterator[ResultT]]:
    """The results of `function` for each of the `items`, computed ahead of their use.

    Args:
        function: a function at the top level of a module, or a `partial` of one.
        items: may be endless; those beyond the last result that is used are given up.
        jobs: number of processes, on this machine at most one per core; 1 computes in this process.
        ordered: whether results come in the order of `items`, or as they are done.
    """
    if type(get_active_backend()[0]).__name__ == "RayBackend":
        yield _in_rounds(function, items, jobs)
        return
    order = "generator" if ordered else "generator_unordered"
    workers = Parallel(n_jobs=min(jobs, cpu_count()), return_as=order)
    results = workers(delayed(function)(item) for item in items)
    try:
        yield results
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib says that results are not used
            results.close()


def _in_rounds(function: Callable[[ItemT], ResultT], items: Iterable[ItemT], jobs: int) -> Iterator[ResultT]:
    """The results in order, of `ROUND` items per process at a time: Ray's back end has no generators."""
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, ROUND * jobs)):
        yield from Parallel(n_jobs=jobs)(delayed(function)(item) for item in batch)


def on_ray() -> AbstractContextManager[Any]:
    """Let `parallel` run on the Ray cluster that this machine belongs to, or on a local one without any.

    Every machine needs this package and the files that the work names, at the same paths.
    """
    from ray.util.joblib import register_ray

    register_ray()
    context: AbstractContextManager[Any] = parallel_config(backend="ray")
    return context
