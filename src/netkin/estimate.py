"""How much memory and time a job needs, from the size of its networks, before anything runs.

The constants are measured: docs/cluster.md says on what. A request is generous where too little
would kill a job, and doubles with every attempt.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from netkin.activation.evaluation import VALUES_AT_ONCE
from netkin.dataset.features import CHANNELS, HEAD, image_shape
from netkin.distance.representational.representation import KEPT_ROWS

START_MB = 600
"""Python, the imports of a stage without torch, and the two Snakemakes around a cluster's job."""
TORCH_MB = 4_000
"""The same with torch and what CUDA takes of the host's memory."""
START_MINUTES = 10
"""Start-up on a busy file system, and what else does not grow with the networks."""
FLOPS = 2.5e10
"""Floating-point operations a second that a slow core does in training."""
STEP_SECONDS = 0.003
"""What a step of training costs, however small the network."""
BYTES = {
    "graph": 100,
    "exact": 100,
    "flagser": 800,
    "vector": 120,
    # the rows come besides, see `answering`
    "activation": 40,
    "prediction": 40,
}
"""Bytes of memory an edge takes while its stage runs, twice what was measured."""
SECONDS = {
    "graph": 1e-5,
    "exact": 1e-5,
    "flagser": 1.2e-4,
    "vector": 1e-5,
    "activation": 2e-5,
    "prediction": 1e-4,
    "pair": 3e-6,
}
"""Seconds an edge takes in its stage, or in one comparison, five times what was measured."""
VALUE_BYTES = 250
"""Bytes of memory a number of a vector takes while it is made, twice what was measured."""
VALUE_SECONDS = 5e-6
"""Seconds it takes to make, five times what was measured; an image's wider kernels take more."""
STEP_OF_KERNEL_SECONDS = 4e-9
"""Seconds that each step of the kernel of an image takes besides, for each number."""
COMPARED_SECONDS = 1e-7
"""Seconds that comparing two numbers of two vectors takes, where a power of each is taken or the
sampling is the pair's own."""
SUBTRACTED_SECONDS = 2e-9
"""Seconds that it takes in a product of matrices, or by differences compiled, five times what was
measured."""
MATCHING_SECONDS = 1e-7
"""Seconds that matching the hidden units of two networks of one shape takes, for each layer and
the cube of its width: five times the most that was measured from 256 units on, on random networks;
how many steps the search takes differs."""
PAIR_SECONDS = 0.2
"""Seconds that a measure takes on two networks of `PAIR_WIDTH` units and `PAIR_ROWS` rows, twice
what the slowest one took; assumed to grow as the cube of the units and the square of the rows."""
PAIR_WIDTH, PAIR_ROWS = 512, 1000
MADE_ANEW = 20
"""How many times as long it takes where matrices of rows by rows are too large to be kept, so that
they are made anew for each pair."""
TEST_SHARE = 0.2
"""Share of rows that are kept for testing, at most, where no option of the loader says it."""
MARGIN = 3
"""A request is three to five times what was measured."""
START_SECONDS = 5
"""What start-up takes on an idle machine."""
STORED_BYTES = {"network": 4.0, "graph": 6.3, "diagram": 1.2}
"""Bytes of a file on disk for each edge, measured on 152 trained networks of four data sets."""
FILE_BYTES = 20_000
"""What a file takes besides, attributes and HDF5's own tables."""


@dataclass(frozen=True)
class Need:
    """What one job asks for at its first attempt.

    Attributes
    ----------
    megabytes : float
        Memory, in units of 10**6 bytes.
    minutes : float
        Wall-clock time on one core.
    """

    megabytes: float
    minutes: float

    def mem_mb(self, attempt: int) -> int:
        """Return the memory of an attempt, counted from 1; each has twice that of the last."""
        return math.ceil(self.megabytes) << (attempt - 1)

    def runtime(self, attempt: int) -> int:
        """Return the minutes of an attempt, counted from 1; each has twice those of the last."""
        return math.ceil(self.minutes) << (attempt - 1)


@dataclass(frozen=True)
class Sampled:
    """How large the vector of a network is.

    Attributes
    ----------
    values : int
        Numbers of one homology dimension: layers times points, or pixels.
    dimensions : int
        Homology dimensions.
    kernel : float
        Steps of the kernel that smooths an image, over both axes; 0 for other vectors.
    """

    values: int = 0
    dimensions: int = 0
    kernel: float = 0.0

    @property
    def stored(self) -> int:
        """Bytes of all numbers."""
        return 8 * self.values * self.dimensions

    @property
    def seconds(self) -> float:
        """Seconds in which the numbers are made, besides what the intervals take."""
        each = VALUE_SECONDS + STEP_OF_KERNEL_SECONDS * self.kernel
        return each * self.values * self.dimensions


NOTHING_SAMPLED = Sampled()
SMALL = Need(1000, 5)
"""What a table or figure asks for that is made of small files."""


def likely_minutes(asked: float) -> float:
    """Return how long a job will likely run that asks for so many minutes, rounded up."""
    return START_SECONDS / 60 + max(0.0, asked - 0.5 - START_MINUTES) / MARGIN


def preparing(n_rows: int, n_inputs: int) -> Need:
    """Return what loading and storing a data set needs.

    Parameters
    ----------
    n_rows, n_inputs : int
        Shape of the training and test rows together; float32 in memory, several copies
        while they are split and compressed.
    """
    n_bytes = 4 * n_rows * n_inputs
    return Need(1_500 + 5e-6 * n_bytes, 2 * START_MINUTES + n_bytes / 2e6 / 60)


def training(
    n_parameters: int,
    *,
    n_operations: int | None = None,
    n_rows: int,
    n_inputs: int,
    batch_size: int,
    epochs: int,
) -> Need:
    """Return what the training of a network needs, on a CPU; a GPU is faster.

    Parameters
    ----------
    n_parameters : int
        Weights and biases; each is kept with its gradient, its average and a copy.
    n_operations : int, optional
        Multiplications to take one row through the network, that many as there are
        parameters by default. A step is forward, backward and the gradients: three times
        as many multiplications, and as many additions.
    n_rows, n_inputs : int
        Shape of the data set, of which a variant may hold three copies.
    batch_size, epochs : int
        Rows a step, and passes over all rows.
    """
    operations = 6.0 * (n_operations or n_parameters) * n_rows * epochs
    seconds = operations / FLOPS + STEP_SECONDS * epochs * math.ceil(n_rows / batch_size)
    megabytes = TORCH_MB + 1e-6 * (12 * n_rows * n_inputs + 32 * n_parameters)
    return Need(megabytes, START_MINUTES + seconds / 60)


def importing(n_bytes: int) -> Need:
    """Return what taking a network out of a file of somebody's own needs.

    Parameters
    ----------
    n_bytes : int
        Size of the file, or of all files of the folder. A library may hold it twice, and what it
        has compressed as it was.
    """
    return Need(TORCH_MB + 6e-6 * n_bytes, START_MINUTES + n_bytes / 2e7 / 60)


def in_turn(needs: Sequence[Need]) -> Need:
    """Return what a job needs that does what several did, one after the other.

    Parameters
    ----------
    needs : sequence of Need
        What each needs in a job of its own; start-up is paid once.
    """
    return Need(
        max(need.megabytes for need in needs),
        START_MINUTES + sum(need.minutes - START_MINUTES for need in needs),
    )


def convolutions(n_inputs: int) -> tuple[int, int]:
    """Return how many features an extractor makes of an image, and by how many multiplications.

    Parameters
    ----------
    n_inputs : int
        Values of an image, as `netkin.dataset.features.image_shape` takes them.

    Raises
    ------
    NetkinError
        When rows of so many values are no images.
    """
    n_in, side, _ = image_shape(n_inputs, "extractor")
    operations = 0
    for n_out in CHANNELS:
        operations += 9 * side**2 * n_out * (n_in + n_out)
        n_in, side = n_out, side // 2
    n_features = n_in * side**2
    return n_features, operations + sum(a * b for a, b in pairwise([n_features, *HEAD]))


def bundle(stage: str, n_edges: Sequence[int], sampled: Sampled = NOTHING_SAMPLED) -> Need:
    """Return what a job of several networks needs, one after the other.

    Parameters
    ----------
    stage : str
        A key of `BYTES`: the stage, or for diagrams the engine.
    n_edges : sequence of int
        Edges of the graph of each network.
    sampled : Sampled, optional
        For vectors, how large one is.
    """
    n_bytes = BYTES[stage] * max(n_edges) + VALUE_BYTES * sampled.values + 2 * sampled.stored
    seconds = SECONDS[stage] * sum(n_edges) + len(n_edges) * sampled.seconds
    return Need(START_MB + 1e-6 * n_bytes, START_MINUTES + seconds / 60)


def answering(
    stage: str,
    n_edges: Sequence[int],
    units: Sequence[Sequence[int]],
    *,
    n_rows: int,
    n_inputs: int,
    kept: Sequence[int],
) -> Need:
    """Return what a job needs that gives the same rows to several networks, one after the other.

    Parameters
    ----------
    stage : str
        ``activation`` or ``prediction``.
    n_edges : sequence of int
        Edges of the graph of each network.
    units : sequence of sequence of int
        Units of each layer of each network, the inputs first; empty where they are not known.
    n_rows, n_inputs : int
        Shape of the rows, which are in memory as float32 all the while.
    kept : sequence of int
        Bytes for each row that are kept of each network until they are written.
    """
    need = bundle(stage, n_edges)
    of_network = 0
    for widths, n_bytes in zip(units, kept, strict=True):
        # the outputs of all layers, as float64, of the block before too
        block = min(n_rows, max(1, VALUES_AT_ONCE // max(widths, default=n_inputs)))
        of_network = max(of_network, 2 * 8 * block * sum(widths) + n_bytes * n_rows)
    # twice what is held
    megabytes = need.megabytes + 2e-6 * (4 * n_rows * n_inputs + of_network)
    return Need(megabytes, need.minutes)


def comparing(
    n_edges: Sequence[int],
    n_measures: int = 1,
    *,
    vectors: bool,
    by_powers: bool = False,
    n_pairs: float | None = None,
    n_at_once: int = 0,
    n_matched: float = 0,
    sampled: Sequence[Sampled] = (),
) -> Need:
    """Return what matrices of distances need.

    Parameters
    ----------
    n_edges : sequence of int
        Edges of the graph of each network.
    n_measures : int
        How many matrices.
    vectors : bool
        Whether vectors are compared, whose size does not depend on the network, or graphs
        and diagrams. All are kept in memory.
    by_powers : bool
        Whether vectors are compared by an exponent that takes a power of each number.
    n_pairs : float, optional
        Pairs that are compared, by default each network with itself and all others once.
    n_at_once : int
        How many of the measures compare all pairs at once.
    n_matched : float
        Sum of the cubes of the widths of all layers whose units are matched, over all pairs of
        networks of one shape and all measures.
    sampled : sequence of Sampled
        The vector that is compared, or those that measures of diagrams make of each pair anew.
    """
    if n_pairs is None:
        n_pairs = len(n_edges) * (len(n_edges) + 1) / 2
    each = COMPARED_SECONDS if by_powers or not vectors else SUBTRACTED_SECONDS
    comparisons = n_pairs * each * sum(one.values * one.dimensions for one in sampled)
    if vectors:
        # as they are read, and those of a dimension side by side
        n_bytes = (2 * len(n_edges) + 4) * sum(one.stored for one in sampled)
        return Need(2 * START_MB + 1e-6 * n_bytes, START_MINUTES + comparisons / 60)
    made = comparisons + 2 * n_pairs * sum(one.seconds for one in sampled)
    making = VALUE_BYTES * max((one.values for one in sampled), default=0)
    edges_of_pairs = n_pairs * sum(n_edges) / len(n_edges)
    of_an_edge = SECONDS["pair"] * (n_measures - n_at_once) + SUBTRACTED_SECONDS * n_at_once
    return Need(
        2 * START_MB + 1e-6 * (32 * sum(n_edges) + 120 * max(n_edges) + making),
        START_MINUTES
        + (
            of_an_edge * edges_of_pairs
            # they are read, and put side by side
            + SECONDS["graph"] * sum(n_edges)
            + MATCHING_SECONDS * n_matched
            + made
        )
        / 60,
    )


def whole_matrices(n_networks: int, n_matrices: int = 1) -> Need:
    """Return what a job needs that has matrices of all pairs in memory.

    Parameters
    ----------
    n_networks : int
        Rows of a matrix.
    n_matrices : int
        Matrices that are held together, as of several replicates or measures; twelve more are made
        of them.
    """
    megabytes = START_MB + 8e-6 * (12 + 3 * n_matrices) * n_networks**2
    minutes = SMALL.minutes + 2e-6 * n_matrices * n_networks**2 / 60
    return Need(max(SMALL.megabytes, megabytes), minutes)


def reading(n_edges: Sequence[int], *, kept: int) -> Need:
    """Return what a table or figure needs that reads networks or diagrams one by one.

    Parameters
    ----------
    n_edges : sequence of int
        Edges of the graph of each network.
    kept : int
        Bytes of each edge that stay in memory until all have been read.
    """
    megabytes = SMALL.megabytes + 1e-6 * (kept * sum(n_edges) + BYTES["vector"] * max(n_edges))
    return Need(megabytes, SMALL.minutes + SECONDS["vector"] * sum(n_edges) / 60)


def comparing_rows(
    n_rows: int, widths: Sequence[int], *, n_measures: int, square: bool = True
) -> Need:
    """Return what matrices of measures need that compare what networks make of rows.

    Parameters
    ----------
    n_rows : int
        Rows.
    widths : sequence of int
        Values that each network has for a row.
    n_measures : int
        How many matrices, each permutation or resample counted as one.
    square : bool
        Whether matrices of rows by rows are kept.
    """
    # up to ten matrices of a network's values and, of few rows, six of rows by rows are kept
    kept = 6 * n_rows**2 * len(widths) if square and n_rows <= KEPT_ROWS else 0
    megabytes = 1e-6 * 8 * (10 * n_rows * sum(widths) + kept)
    pairs = len(widths) * (len(widths) + 1) / 2
    seconds = PAIR_SECONDS * n_measures * pairs
    if square:
        seconds *= max(1, n_rows / PAIR_ROWS) ** 2 * max(1, max(widths) / PAIR_WIDTH) ** 3
        seconds *= MADE_ANEW if n_rows > KEPT_ROWS else 1
    return Need(2 * START_MB + megabytes, START_MINUTES + seconds / 60)
