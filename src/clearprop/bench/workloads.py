"""Workloads: the works that are measured, their sizes, and the bars that Clearprop should meet."""

from __future__ import annotations

from dataclasses import dataclass

TRAIN, GRID, PREDICT, COLD_START, ESTIMATOR, SCALING, INSTRUMENTS = WORKS = (
    "train",
    "grid",
    "predict",
    "cold-start",
    "estimator",
    "scaling",
    "instruments",
)

#: The published network and its number of training rows.
LAYER_SIZES = (784, 500, 250, 100, 10)
ROWS = 50_000
QUICK_ROWS = 10_000
PREDICTED_ROWS = 10_000
SINGLE_ROWS = 2_000

#: Timed epochs, after one untimed epoch in which peers compile and caches fill.
EPOCHS = 2
QUICK_EPOCHS = 1

BATCH_SIZES = (16, 64, 256, 1024)
#: Hidden layers, with few enough rows that an epoch of the slowest peer takes seconds.
GRID_ROWS = {(100,): 10_240, (512, 512): 4_096, (2048, 2048): 2_048}

#: The shipped recipe of a cold start; peers train the same network with their own schedules.
RECIPE = "fast"

#: In a bar, a peer's name means the faster of its variants; this one means the fastest of all peers.
BEST = "best peer"


@dataclass(frozen=True, slots=True)
class Bar:
    """The largest allowed ratio of Clearprop's time to a peer's.

    Parameters
    ----------
    against : str
        A peer's name, or ``BEST``.
    at_most : float
        The ratio of medians, Clearprop / peer.
    """

    against: str
    at_most: float


@dataclass(frozen=True, slots=True)
class Workload:
    """One work that every peer does.

    Parameters
    ----------
    name : str
        Short, for files.
    title : str
        Its name in tables and figures.
    kind : str
        ``"train"`` (seconds of an epoch), ``"predict"`` (seconds for all rows), ``"single"`` (seconds for
        one row), ``"cold-start"`` (seconds of a whole process), ``"fit"`` (seconds of an estimator's fit) or
        ``"instruments"`` (seconds of an epoch with the instruments, beside one without).
    layer_sizes : tuple of int
    rows : int
        Rows trained on, or predicted.
    batch_size, optimizer, learning_rate, epochs
        Training settings; ``epochs`` are timed, and one untimed epoch comes before them.
    bars : tuple of Bar
    group : str
        Workloads of one group share a table: one row each.
    at : str
        The row's name in that table.
    data : str
        Data of a fit: ``"digits"``, ``"mnist"``, ``"synthetic"`` or ``"sparse"``; other kinds use MNIST.
    dtype : str
        The type to compute in.
    engine : str
        Clearprop's engine.
    """

    name: str
    title: str
    kind: str
    rows: int
    layer_sizes: tuple[int, ...] = LAYER_SIZES
    batch_size: int = 64
    optimizer: str = "sgd"
    learning_rate: float = 0.01
    epochs: int = EPOCHS
    bars: tuple[Bar, ...] = ()
    group: str = ""
    at: str = ""
    data: str = ""
    dtype: str = "float32"
    engine: str = "numpy"


def workloads(work: str, quick: bool) -> list[Workload]:
    """Return the workloads of one of ``WORKS``; smaller and fewer if ``quick``."""
    if work == TRAIN:
        return _training(quick)
    if work == GRID:
        return _grid(quick)
    if work == PREDICT:
        return _prediction()
    if work == COLD_START:
        return [_cold_start()]
    if work == ESTIMATOR:
        return _fits(quick)
    if work == INSTRUMENTS:
        return _instruments(quick)
    return _scaling(quick)


def _training(quick: bool) -> list[Workload]:
    rows, epochs = (QUICK_ROWS, QUICK_EPOCHS) if quick else (ROWS, EPOCHS)
    return [
        Workload(
            "sgd-64",
            "One epoch, SGD, batch 64",
            "train",
            rows,
            epochs=epochs,
            bars=(Bar("jax", 0.85), Bar("torch", 0.50), Bar("scikit-learn", 0.33), Bar("floor", 1.20)),
        ),
        Workload(
            "adam-128",
            "One epoch, Adam, batch 128",
            "train",
            rows,
            batch_size=128,
            optimizer="adam",
            learning_rate=0.001,
            epochs=epochs,
            bars=(Bar("torch", 0.60),),
        ),
    ]


def _grid(quick: bool) -> list[Workload]:
    return [
        Workload(
            f"grid-{'-'.join(map(str, hidden))}-{batch_size}",
            f"One epoch, SGD, hidden {', '.join(map(str, hidden))}, batch {batch_size}",
            "train",
            rows,
            layer_sizes=(LAYER_SIZES[0], *hidden, LAYER_SIZES[-1]),
            batch_size=batch_size,
            epochs=1,
            bars=(Bar(BEST, 1.0),),
            group="hidden layers and batch size",
            at=f"{', '.join(map(str, hidden))}; batch {batch_size}",
        )
        for hidden, rows in GRID_ROWS.items()
        for batch_size in BATCH_SIZES[:: 2 if quick else 1]
    ]


def _prediction() -> list[Workload]:
    return [
        Workload(
            "predict",
            f"Prediction, {PREDICTED_ROWS:,} rows at once",
            "predict",
            PREDICTED_ROWS,
            bars=(Bar(BEST, 0.9),),
        ),
        Workload(
            "latency",
            f"Prediction, one row at a time (p50 of {SINGLE_ROWS:,} calls)",
            "single",
            SINGLE_ROWS,
            bars=(Bar(BEST, 1.0),),
        ),
    ]


def _cold_start() -> Workload:
    from clearprop.training.recipe_files import load_recipe

    hidden = load_recipe(RECIPE).given().get("hidden", [])
    return Workload(
        "cold-start",
        "Cold start to 98% test accuracy on MNIST, whole process",
        "cold-start",
        60_000,
        layer_sizes=(LAYER_SIZES[0], *hidden, LAYER_SIZES[-1]),
        bars=(Bar("torch", 0.40), Bar("scikit-learn", 0.25)),
    )


def _fits(quick: bool) -> list[Workload]:
    """Return the fits of the estimator, with scikit-learn's defaults except the number of epochs."""
    data = {
        "digits": ("the digits", 1_797, (64, 100, 10), 20 if quick else 50),
        "mnist": ("MNIST", 10_000 if quick else 60_000, (784, 100, 10), 1 if quick else 3),
        "synthetic": (
            "a table of 50 columns",
            20_000 if quick else 100_000,
            (50, 100, 10),
            1 if quick else 5,
        ),
        # as many columns and as few words in a row as text has
        "sparse": (
            "sparse rows",
            1_000 if quick else 5_000,
            (20_000 if quick else 100_000, 100, 10),
            1 if quick else 2,
        ),
    }
    return [
        Workload(
            f"fit-{name}-{dtype}",
            f"MLPClassifier.fit on {title}, {dtype}, {epochs} {'epoch' if epochs == 1 else 'epochs'}",
            "fit",
            rows,
            layer_sizes=sizes,
            batch_size=200,
            optimizer="adam",
            learning_rate=0.001,
            epochs=epochs,
            bars=(Bar("scikit-learn", 1.0),),
            data=name,
            dtype=dtype,
        )
        for name, (title, rows, sizes, epochs) in data.items()
        for dtype in (("float64",) if quick else ("float64", "float32"))
    ]


def _instruments(quick: bool) -> list[Workload]:
    return [
        Workload(
            f"instruments-{engine}",
            f"One epoch with instruments, {title} engine, SGD, batch 64",
            "instruments",
            QUICK_ROWS if quick else ROWS,
            epochs=QUICK_EPOCHS if quick else EPOCHS,
            bars=(Bar("floor", 1.05),),
            engine=engine,
        )
        for engine, title in (("numpy", "NumPy"), ("torch", "PyTorch"))
    ]


def _scaling(quick: bool) -> list[Workload]:
    features, classes = LAYER_SIZES[0], LAYER_SIZES[-1]
    rows = 2_048 if quick else 8_192
    n_rows = (1_000, 3_000, 10_000) if quick else (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
    units = (16, 64, 256, 1024) if quick else (16, 64, 256, 1024, 4096)
    depths = (1, 2, 4, 8) if quick else (1, 2, 4, 8, 16, 32)
    batch_sizes = (4, 16, 64, 256, 1024) if quick else (1, 4, 16, 64, 256, 1024, 4096)
    return [
        *(_point("training rows", n, rows=n) for n in n_rows),
        *(
            _point("units in each of two hidden layers", n, rows=rows, layer_sizes=(features, n, n, classes))
            for n in units
        ),
        *(
            _point("hidden layers of 256 units", n, rows=rows, layer_sizes=(features, *(256,) * n, classes))
            for n in depths
        ),
        *(_point("batch size", n, rows=rows, batch_size=n) for n in batch_sizes),
    ]


def _point(
    axis: str, at: int, *, rows: int, layer_sizes: tuple[int, ...] = LAYER_SIZES, batch_size: int = 64
) -> Workload:
    return Workload(
        f"{axis.replace(' ', '-')}-{at}",
        f"One epoch, SGD, {axis}: {at:,}",
        "train",
        rows,
        layer_sizes=layer_sizes,
        batch_size=batch_size,
        # short epochs are timed several times to average out noise
        epochs=max(1, min(10, 30_000 // rows)),
        group=axis,
        at=f"{at:,}",
    )
