"""What each job of a study needs: memory and time, from the sizes of its members."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from netkin import estimate
from netkin.comparison import CONTROL
from netkin.distance import INPUTS, MEASURES
from netkin.distance.functional import GROUP_MEASURES
from netkin.distance.functional.model import TRAINING_ROWS
from netkin.estimate import Need
from netkin.member import Member
from netkin.vector import VECTORISERS

if TYPE_CHECKING:
    from netkin.study import Study


class Needs:
    """What each job of a study needs at its first attempt.

    Parameters
    ----------
    study : Study
        The study.
    """

    def __init__(self, study: "Study") -> None:
        self._study = study

    def dataset(self, name: str) -> Need:
        """Return what preparing a data set needs."""
        return self._study.datasets[name].need()

    def features(self, name: str) -> Need:
        """Return what the extractor of a data set needs."""
        return self._study.datasets[name].need_of_features()

    def network(self, id: str) -> Need:
        """Return what making a network needs."""
        return self._study.source_of[id].need_of(self._study.members[id])

    def networks(self, dataset: str) -> Need:
        """Return what training all networks of a data set in one job needs."""
        return estimate.in_turn([self.network(m.id) for m in self._study.together[dataset]])

    def imported(self, bundle: str) -> Need:
        """Return what taking the networks of a bundle from their files needs."""
        return estimate.in_turn([self.network(m.id) for m in self._study.bundles[bundle].members])

    def graph(self, id: str) -> Need:
        """Return what exporting a graph needs."""
        return estimate.bundle("graph", [self._study.members[id].size.edges])

    def bundle(self, stage: str, bundle: str) -> Need:
        """Return what a job of a bundle needs: a stage of `netkin.study.BUNDLED`."""
        study = self._study
        members = study.bundles[bundle].members
        edges = [member.size.edges for member in members]
        if stage == "diagram":
            # a network without skip connections is two-coloured by its layers, so ``auto`` takes
            # ``exact``
            stage = study.config.diagram.engine.replace("auto", "exact")
        if stage in ("activation", "prediction"):
            probe = study.datasets[str(members[0].probe)]
            n_rows = probe.test_rows
            if stage == "activation":
                n_rows = min(n_rows, study.config.activation.probe_rows)
                kept = [4 * study.stored_width(member) for member in members]
            else:  # as float64, and what checks and writes them
                kept = [12 * member.size.classes for member in members]
            return estimate.answering(
                stage,
                edges,
                [member.size.units for member in members],
                n_rows=n_rows,
                n_inputs=probe.shape[1],
                kept=kept,
            )
        if stage != "vector":
            return estimate.bundle(stage, edges)
        # of the vectors, each in a job of its own, what the largest needs
        sampled = [self.sampled(vector) for vector in study.needed_vectors()]
        needs = [estimate.bundle(stage, edges, one) for one in (estimate.Sampled(), *sampled)]
        return Need(max(need.megabytes for need in needs), max(need.minutes for need in needs))

    def sampled(self, vector: str) -> estimate.Sampled:
        """Return how large one vector of a network is."""
        found = self._study.vector(vector)
        low, high = found["range"]
        axes, options = VECTORISERS[vector].axes, found["options"]
        # giotto-tda's and scipy's kernels end after four standard deviations, on either side
        step = (high - low) / (found["n_bins"] - 1)
        return estimate.Sampled(
            values=found["n_bins"] ** axes * options.get("n_layers", 1),
            dimensions=self._study.config.diagram.max_dimension + 1,
            kernel=axes * 8 * options.get("sigma", 0) / step,
        )

    def block(self, comparison: str, source: str, replicate: str, block: str) -> Need:
        """Return what a block of the matrices of all measures of a source needs."""
        parts = self._study.parts(comparison, replicate)
        members = self._study.comparisons[comparison].members[replicate]
        chosen = {i for name in block.split("-") for i in parts[name]}
        both = [members[i] for i in sorted(chosen)]
        n, m = (len(parts[name]) for name in block.split("-"))
        pairs = float(n * m) if len(chosen) == n + m else None
        groups = self._study.divided(comparison)[source]
        return estimate.in_turn(
            [self._comparing(both, comparison, group, pairs) for group in groups]
        )

    def matrices(self, comparison: str, n_matrices: int = 1) -> Need:
        """Return what a job needs that has whole matrices in memory, so many at a replicate."""
        found = self._study.comparisons[comparison]
        return estimate.whole_matrices(len(found.cells), n_matrices * len(found.members))

    def all_matrices(self) -> Need:
        """Return what a job needs that has the matrices of all comparisons in memory."""
        study = self._study
        return max(
            (self.matrices(name, len(study.measures_of(name))) for name in study.comparisons),
            key=lambda need: need.megabytes,
        )

    def distances(self, comparison: str, group: str) -> Need:
        """Return what the matrices of a group of measures need, at one replicate."""
        return self._comparing(self._study.comparisons[comparison].first, comparison, group)

    def _comparing(
        self,
        members: Sequence[Member],
        comparison: str,
        group: str,
        n_pairs: float | None = None,
    ) -> Need:
        study = self._study
        measures = study.groups[group]
        needs = MEASURES[measures[0]].needs
        if not INPUTS[needs].rows:
            return estimate.comparing(
                [member.size.edges for member in members],
                len(measures),
                vectors=needs == "vector",
                n_pairs=n_pairs,
                n_at_once=sum(MEASURES[measure].all_pairs is not None for measure in measures),
                by_powers=study.config.distance.p not in (1, 2, math.inf),
                sampled=[
                    self.sampled(vector)
                    for vector in (MEASURES[measure].vector for measure in measures)
                    if vector is not None
                ],
                # the cost that a measure declares: D is the width
                n_matched=_cubes_of_pairs(members)
                * sum("D^3" in MEASURES[measure].cost for measure in measures),
            )
        how = study.calibration(needs)
        rounds = 1 + how.get("permutations", 0) + how.get("resamples", 0)
        n_rows = study.config.activation.probe_rows
        widths = [max(member.size.hidden, default=1) for member in members]
        if needs == "prediction":
            probe = str(study.comparisons[comparison].probe)
            n_rows = study.datasets[probe].test_rows
            widths = [member.size.classes for member in members]
            return estimate.comparing_rows(n_rows, widths, n_measures=len(measures), square=False)
        if needs == "model":
            n_rows += TRAINING_ROWS
        return estimate.comparing_rows(n_rows, widths, n_measures=len(measures) * rounds)

    def neural_persistence(self, comparison: str) -> Need:
        """Return what the table of neural persistence needs, over all replicates."""
        edges = [member.size.edges for _, member in self._study.by_network(comparison)]
        return estimate.reading(edges, kept=0)

    def diagram_figure(self, comparison: str) -> Need:
        """Return what the figure of the diagrams of a comparison needs, an interval an edge."""
        edges = [member.size.edges for member in self._study.comparisons[comparison].first]
        return estimate.reading(edges, kept=16)

    def norms(self) -> Need:
        """Return what the table of norms needs: two norms of all pairs, as is and shuffled."""
        control = self._study.comparisons.get(CONTROL)
        if control is None:
            return estimate.SMALL  # the job says that there is nothing to do
        of_dataset: dict[str, list[int]] = {}
        for cell, member in zip(control.cells, control.first, strict=True):
            of_dataset.setdefault(cell.group, []).append(member.size.edges)
        once = [estimate.comparing(edges, 4, vectors=False) for edges in of_dataset.values()]
        return estimate.in_turn(once * len(control.members))

    def multiplicity(self, comparison: str) -> Need:
        """Return what the measures on groups of networks need, over all replicates."""
        found = self._study.comparisons[comparison]
        n_seeds = len(found.members)
        sizes = Counter(cell.group for cell in found.cells)
        groups = len(sizes) * n_seeds + len(found.cells) * (n_seeds > 1)
        n_classes = max(member.size.classes for member in found.first)
        return estimate.comparing_rows(
            self._study.datasets[str(found.probe)].test_rows,
            [n_classes] * max(*sizes.values(), n_seeds),
            n_measures=len(GROUP_MEASURES) * groups,
            square=False,
        )

    def layers(self, comparison: str, pair: Sequence[str]) -> Need:
        """Return what comparing two networks layer by layer needs."""
        found = self._study.comparisons[comparison]
        widths = [
            max(member.size.hidden, default=1)
            for cell, member in zip(found.cells, found.first, strict=True)
            if cell.name in pair
            for _ in range(len(member.size.hidden) + 1)
        ]
        n_rows = self._study.config.activation.probe_rows
        rounds = 1 + self._study.calibration("activation").get("permutations", 0)
        n_measures = len(self._study.layer_measures()) * rounds
        return estimate.comparing_rows(n_rows, widths, n_measures=n_measures)


def _cubes_of_pairs(members: Sequence[Member]) -> float:
    """Return the sum of the cubes of the widths of all layers over pairs of one shape."""
    shapes = Counter(member.size.units for member in members)
    return sum(n * (n + 1) / 2 * sum(w**3 for w in units[1:-1]) for units, n in shapes.items())
