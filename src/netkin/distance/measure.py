"""What a measure is: its function, what it reads and what is known of it."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

Family = Literal["topology", "topology_pairwise", "weight", "representational", "functional"]
Invariance = Literal[
    "permutation", "orthogonal", "scaling", "translation", "invertible_linear", "affine"
]
"""Changes of the columns (neurons) of a representation: their order, a rotation, one positive
factor for all, an added row, an invertible linear map, and the last two together."""
Step = Literal[
    "centred columns",
    "unit columns",
    "leading components",
    "partly whitened",
    "unit norm",
    "centred rows",
    "unit rows",
]
"""What is done to a representation: its column means are taken away, each column is divided by
its norm, the components of least variance are left out, the variances of the components are made
more equal, all is divided by the Frobenius norm, the row means are taken away, each row is divided
by its norm."""
Requirement = Literal[
    "labels",
    "probabilities",
    "same classes",
    "gradients",
    "training rows",
    "same shape",
    "dense layers",
]
"""What the items have to bring besides activations, predicted classes or weights: the true labels
of the rows, class probabilities, networks that know the same classes, gradients by the input,
rows of the training part, networks of the same layers, chains of dense layers."""


@dataclass(frozen=True)
class Input:
    """A stage whose files measures compare.

    Attributes
    ----------
    read : callable
        ``(path, **how) -> item``, what a measure is given for a network.
    stage : str
        The stage whose files are read, which is the name of their folder.
    rows : bool
        Whether the items are about rows of one data set, so that across data sets nothing is
        comparable.
    with_dataset : bool
        Whether `read` is also given ``dataset_path``.
    calibrate : callable, optional
        What tells chance from likeness, see `netkin.distance.calibration.calibrate`.
    check : callable, optional
        ``(items) -> None``, logs what makes the values of these items mean little.
    on_device : callable, optional
        ``(device) -> context``, within which they are computed on a GPU if there is one.
    """

    read: Callable[..., Any]
    stage: str
    rows: bool = False
    with_dataset: bool = False
    calibrate: Callable[..., Any] | None = None
    check: Callable[..., None] | None = None
    on_device: Callable[[str], AbstractContextManager[None]] | None = None


@dataclass(frozen=True)
class Measure:
    """An entry of the registry of measures.

    Attributes
    ----------
    function : callable
        ``(a, b, **options) -> float`` on two items of the source `needs`; raises
        `netkin.errors.UndefinedDistance` where the pair has no value.
    needs : str
        What is compared, a key of `netkin.distance.INPUTS`.
    family : str
        Group of measures that rest on the same idea.
    metric : bool
        Whether symmetry, the triangle inequality and d(a, a) = 0 are guaranteed.
    vector : str or None
        The vectoriser whose arrays are compared, None for none.
    citation : str
        Where the measure comes from.
    orientation : {"down", "up"}
        ``down``: the smaller the more alike; ``up``: the larger.
    symmetric : bool
        Whether m(a, b) = m(b, a), so that half of the pairs suffice.
    range : tuple of float
        Least and largest value, infinite where there is no bound.
    invariances : tuple of str
        Changes of either representation that leave the value as it is; for weights and
        outputs empty.
    paired : bool
        Whether it matters which row of one network stands beside which row of the other. Where it
        does not, a permutation of the rows gives the value itself and is no null.
    resampled : bool
        Whether rows drawn with replacement tell how sure a value is. Not where rows next to a row
        count: the copies of a row are next to each other in both networks. Nor where the part of
        a row in its own likeness has been taken out, which copies put back.
    preprocessing : tuple of str
        What is done first to the activations by default, in this order; each step acts on what
        the one before leaves. Centring for the sake of digits only, as before distances, is none.
        Empty for what compares no activations.
    requires : tuple of str
        What it cannot do without by default. Of predictions, labels are listed where they do
        more than choose the rows that all networks know.
    all_pairs : callable, optional
        ``(a, b, **options) -> (values, reasons)`` on two sequences of items, of which `b` may be
        `a` itself: what `function` gives for each pair but for rounding, a float64 array of shape
        (a, b), and for entries that are NaN the `netkin.distance.reasons.Reasons`, None if all
        are defined. Only of a symmetric measure, for which many pairs at once are much faster.
    cost : str
        Leading terms of the steps for one pair, and after ``once`` those for one network, whose
        parts all pairs and measures share; no ``once`` if that is no more than reading it. Of
        n rows, D neurons of a layer (n > D), B rows of a batch, p rows of a sample, d inputs,
        C classes, P parameters, E edges of a graph, h hidden layers, m intervals of a
        diagram (all on a line, as those of networks without skip connections), s samples of a
        vector (of an image, pixels) and t repeats (of samples, or of steps of a search).
    """

    function: Callable[..., float]
    needs: str
    family: Family
    metric: bool = field(metadata={"inert": True})
    vector: str | None = None
    citation: str = field(default="", metadata={"inert": True})
    orientation: Literal["down", "up"] = "down"
    symmetric: bool = True
    range: tuple[float, float] = (0.0, math.inf)
    invariances: tuple[Invariance, ...] = field(default=(), metadata={"inert": True})
    paired: bool = True
    resampled: bool = True
    preprocessing: tuple[Step, ...] = field(default=(), metadata={"inert": True})
    requires: tuple[Requirement, ...] = field(default=(), metadata={"inert": True})
    all_pairs: Callable[..., Any] | None = None
    cost: str = field(default="", metadata={"inert": True})

    @property
    def group(self) -> str:
        """Name of what a job takes together: measures of equal items that share what they make.

        What takes long goes by its module, so that one more does not take all of it again.
        """
        if self.needs == "vector":
            return f"{self.needs}_{self.vector}"
        if self.needs in ("activation", "network"):
            return f"{self.needs}_{self.function.__module__.rpartition('.')[2]}"
        return self.needs
