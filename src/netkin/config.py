"""The study a config file describes: checked as a whole, then asked by the workflow."""

import inspect
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netkin import estimate
from netkin.config_file import Source, plain_copy
from netkin.dataset import CLASSES, FILES, SHAPES
from netkin.dataset.prepare import digests_of_files
from netkin.dataset.source import user_folder
from netkin.diagram import ENGINES
from netkin.distance import MEASURES, SOURCES
from netkin.distance.functional import GROUP_MEASURES
from netkin.distance.functional.model import TRAINING_ROWS
from netkin.errors import NetkinError
from netkin.estimate import Need
from netkin.grid import Cell, Variant
from netkin.schema import (
    EXTRA_FIGURE_OPTIONS,
    UNTRAINED,
    Config,
    DatasetSection,
    all_variants,
    check,
    dataset_section,
)
from netkin.table.questions import CONTROL
from netkin.vector import VECTORISERS


class Study:
    """A checked study: which networks there are and what each job is given.

    Networks have the name of their data set in their paths; the untrained ones, a null, have
    a name of their own, and what is asked for a data set may be asked for that name too.

    Parameters
    ----------
    config : mapping
        The content of the config file or files, merged.
    source : str or sequence of Source
        Name of the file for messages, or each of the files and the command line, later ones
        before earlier ones.

    Raises
    ------
    NetkinError
        All errors of the config at once, each with its key, what was found and what
        is allowed, below the name of the file that sets it.
    """

    def __init__(
        self, config: Mapping[str, Any], source: str | Sequence[Source] = "config/config.yaml"
    ) -> None:
        name = source if isinstance(source, str) else " extended by ".join(s.name for s in source)
        config = plain_copy(config, name)
        sources = [Source(source, config)] if isinstance(source, str) else source
        errors = check(config, sources)
        if errors:
            raise NetkinError("\n".join(errors))
        self.config = Config.model_validate(config)
        # what every rule asks for again and again
        self._sections = {
            name: dataset_section(name, entry) for name, entry in self.config.dataset.items()
        }
        section = self.config.study
        self.datasets: list[str] = section.datasets
        self.untrained: list[str] = [
            f"{dataset}{UNTRAINED}" for dataset in self.datasets if section.untrained
        ]
        seeds = section.seeds
        self.seeds: list[int] = list(range(seeds)) if isinstance(seeds, int) else seeds
        # a family stands for all of its measures
        self.measures: list[str] = list(
            dict.fromkeys(
                name
                for chosen in self.config.distance.measures
                for name, measure in MEASURES.items()
                if chosen in (name, measure.family)
            )
        )
        self.vectors: list[str] = list(VECTORISERS)
        self._variants = {
            dataset: {
                v.name: v
                for v in all_variants(self.config.network, self.dataset(dataset).labels)
                if section.variants == "all" or v.name in section.variants
            }
            for dataset in self.datasets
        }

    @property
    def networks(self) -> list[str]:
        """The names under which networks stand: the data sets, then the untrained ones."""
        return self.datasets + self.untrained

    @property
    def comparisons(self) -> list[str]:
        """The sets of networks that are compared: each name, and the control networks of all.

        The control needs two data sets with the group ``input_order``.
        """
        groups = [{v.group for v in self.variants(dataset)} for dataset in self.datasets]
        control = sum("input_order" in found for found in groups) > 1
        return self.networks + [CONTROL] * control

    @property
    def has_norm_tables(self) -> bool:
        """Whether the norms of control networks can be compared: pairs on several data sets."""
        counts = [
            sum(v.group == "input_order" for v in self.variants(dataset))
            for dataset in self.datasets
        ]
        return CONTROL in self.comparisons and min(n for n in counts if n) > 1

    def compared(self, comparison: str) -> list[Cell]:
        """Return the networks of a comparison, in the order of its matrices."""
        if comparison != CONTROL:
            return [
                Cell(comparison, v.name, v.index, v.value, v.group, v.name)
                for v in self.variants(comparison)
            ]
        return [
            Cell(dataset, v.name, v.value, v.value, dataset, f"{dataset}_{v.name}")
            for dataset in self.datasets
            for v in self.variants(dataset)
            if v.group == "input_order"
        ]

    def measures_of(self, comparison: str) -> list[str]:
        """Return the chosen measures that can compare the networks of a comparison at all.

        Across data sets there are no rows to compare answers to.
        """
        return [
            measure
            for measure in self.measures
            if comparison in self.comparisons_by(MEASURES[measure].needs)
        ]

    def comparisons_by(self, source: str) -> list[str]:
        """Return the comparisons that a source of measures knows: none across data sets by rows."""
        return self.networks if SOURCES[source].rows else self.comparisons

    def layer_pairs(self, dataset: str) -> list[tuple[str, str]]:
        """Return the pairs of variants of a data set that are compared layer by layer."""
        here = self._variants[self.dataset_of(dataset)]
        return [(a, b) for a, b in self.config.distance.layers if a in here and b in here]

    def layer_measures(self) -> list[str]:
        """Return the chosen measures that can compare layers."""
        return [measure for measure in self.measures if MEASURES[measure].needs == "activation"]

    def measure_groups(self) -> list[tuple[str, str, list[str]]]:
        """Return (id of the group, source, measures) of what a job takes together."""
        found: dict[str, list[str]] = {}
        for measure in self.measures:
            found.setdefault(MEASURES[measure].group, []).append(measure)
        return [(group, MEASURES[m[0]].needs, m) for group, m in found.items()]

    def dataset_of(self, name: str) -> str:
        """Return the data set of networks that stand under this name."""
        return name.removesuffix(UNTRAINED) if name in self.untrained else name

    def dataset(self, dataset: str) -> DatasetSection:
        """Return the checked section of one data set."""
        return self._sections[self.dataset_of(dataset)]

    def dataset_options(self, dataset: str) -> dict[str, Any]:
        """Return the options of a data set's loader."""
        return self.dataset(dataset).model_dump(exclude=set(DatasetSection.model_fields))

    def dataset_files(self, dataset: str) -> list[str]:
        """Return the files of a data set that no checksum fixes, as far as all are there."""
        files_of = FILES.get(self.dataset(dataset).kind)
        if files_of is None:
            return []
        try:
            folder = user_folder(self.config.data_folder)
            return [str(path) for path in files_of(folder, **self.dataset_options(dataset))]
        except NetkinError:
            return []  # the job says so, in one sentence and with a log

    def dataset_digests(self, dataset: str) -> dict[str, str]:
        """Return the digests of these files by name; {} if one cannot be read."""
        try:
            folder = user_folder(self.config.data_folder)
            options = self.dataset_options(dataset)
            return digests_of_files(self.dataset(dataset).kind, folder, options)
        except (NetkinError, OSError):
            return {}  # the job says so

    def extraction(self, dataset: str) -> dict[str, Any]:
        """Return all that determines the features of a data set that has an extractor."""
        section = self.dataset(dataset).extractor
        assert section is not None
        network = self.config.network
        return {
            "dataset": dataset,
            "epochs": section.epochs,
            "batch_size": section.batch_size,
            "dropout": network.dropout,
            "learning_rate": network.learning_rate,
            "rho": network.rho,
            "epsilon": network.epsilon,
            "validation_share": network.validation_share,
        }

    def variants(self, dataset: str) -> list[Variant]:
        """Return the variants to run on a data set, in the order of the grid."""
        return list(self._variants[self.dataset_of(dataset)].values())

    def bundles(self, size: int | None = None) -> list[tuple[str, str, list[str]]]:
        """Return (data set, id of the bundle, variants) for the jobs of several networks.

        `size` is the most networks of a bundle, the config's `networks_per_job` by default.
        """
        size = size or self.config.networks_per_job
        found = []
        for dataset in self.networks:
            names = [variant.name for variant in self.variants(dataset)]
            for number, start in enumerate(range(0, len(names), size), start=1):
                found.append((dataset, f"{dataset}_{number}", names[start : start + size]))
        return found

    def variant(self, dataset: str, name: str) -> Variant:
        """Return a variant by its name."""
        return self._variants[self.dataset_of(dataset)][name]

    def training(self, dataset: str, variant: str, seed: int) -> dict[str, Any]:
        """Return all that determines one network, besides its data.

        An untrained network has the weights with which the trained one of the same variant
        and seed began.
        """
        network = self.config.network
        cell = self.variant(dataset, variant)
        section = self.dataset(dataset)
        return {
            "dataset": self.dataset_of(dataset),
            "variant": variant,
            "seed": seed,
            "width": cell.width,
            "hidden_layers": cell.hidden_layers,
            "n_labels": cell.n_labels,
            "input_order": network.input_order if cell.randomisation else None,
            "order_seed": cell.randomisation or 0,
            "dropout": network.dropout,
            "learning_rate": network.learning_rate,
            "rho": network.rho,
            "epsilon": network.epsilon,
            "batch_size": section.batch_size,
            "epochs": 0 if dataset in self.untrained else section.epochs,
            "validation_share": network.validation_share,
        }

    def trained_with(self, dataset: str, variant: str) -> dict[str, Any]:
        """Return what must be known of the training of a network to give it rows."""
        found = self.training(dataset, variant, self.seeds[0])
        return {key: found[key] for key in ("input_order", "order_seed", "n_labels")}

    def engines(self) -> list[Callable[..., Any]]:
        """Return the engines that may compute a diagram."""
        chosen = self.config.diagram.engine
        return list(ENGINES.values()) if chosen == "auto" else [ENGINES[chosen]]

    def policy(self) -> dict[str, Any]:
        """Return how raw intervals are read when they are vectorised."""
        return self.config.diagram.model_dump(include={"reduced", "eta", "infinity_value", "order"})

    def vector(self, vector: str) -> dict[str, Any]:
        """Return the parameters of one vector: range, bins and its own options."""
        options = getattr(self.config.vector, vector).model_dump()
        return {
            "range": self.config.vector.range,  # type: ignore[attr-defined] # a model made at run time
            "n_bins": options.pop("n_bins", 2),  # without samples, the fewest there can be
            "options": options,
        }

    def measure_options(self, measure: str) -> dict[str, Any]:
        """Return the parameters of one measure."""
        entry = MEASURES[measure]
        own = getattr(self.config.distance.options, measure, None)
        if own is not None:
            chosen: dict[str, Any] = own.model_dump()
            return chosen
        parameters = inspect.signature(entry.function).parameters
        options: dict[str, Any] = {}
        if "p" in parameters:
            options["p"] = self.config.distance.p
        if entry.vector is not None and entry.needs != "vector":
            vector = self.vector(entry.vector)  # its range is fitted on each pair
            options |= {"n_bins": vector["n_bins"], **vector["options"]}
        return options

    def reading(self, source: str) -> dict[str, Any]:
        """Return how the files of a source are read."""
        if source == "diagram":
            return self.policy()
        if SOURCES[source].with_dataset:
            return {"probe_rows": self.config.activation.probe_rows}
        return {}

    def calibration(self, source: str) -> dict[str, Any]:
        """Return what is found out about the values of the measures of a source, {} for nothing."""
        return self.config.distance.calibration.model_dump() if SOURCES[source].calibrate else {}

    def needed_vectors(self) -> list[str]:
        """Return the vectors that the chosen measures read."""
        chosen = [MEASURES[measure] for measure in self.measures]
        return [
            v for v in VECTORISERS if any(m.needs == "vector" and m.vector == v for m in chosen)
        ]

    def needed_stages(self) -> set[str]:
        """Return the stages that the chosen measures need, from dataset to distance."""
        stages = {"dataset", "distance"}
        for measure in self.measures:
            stage: str | None = SOURCES[MEASURES[measure].needs].stage
            while stage is not None:
                stages.add(stage)
                stage = SOURCES[stage].after if stage in SOURCES else None
        return stages

    def figure(self, figure: str) -> dict[str, Any]:
        """Return the options by which one kind of figure is drawn."""
        extra = set(EXTRA_FIGURE_OPTIONS.get(figure, {}))
        options: dict[str, Any] = getattr(self.config.figure, figure).model_dump(exclude=extra)
        return options

    def overview_measures(self, comparison: str) -> list[str]:
        """Return the measures of a comparison of the family that the overview shows."""
        family = self.config.figure.overview.family  # type: ignore[attr-defined] # a model made at run time
        return [
            measure
            for measure in self.measures_of(comparison)
            if MEASURES[measure].family == family
        ]

    def shape(self, dataset: str) -> tuple[int, int]:
        """Return rows and features that the networks of a data set see, known beforehand."""
        section = self.dataset(dataset)
        n_rows, n_inputs = SHAPES[section.kind](**self.dataset_options(dataset))
        if section.extractor is None:
            return n_rows, n_inputs
        try:
            return n_rows, estimate.convolutions(n_inputs)[0]
        except NetkinError:
            return n_rows, n_inputs  # the job says that these are no images, with a log

    def n_classes(self, dataset: str, variant: str) -> int:
        """Return how many classes a network knows."""
        classes = CLASSES[self.dataset(dataset).kind]
        if isinstance(classes, str):
            classes = len(getattr(self.dataset(dataset), classes))
        return self.variant(dataset, variant).n_labels or classes

    def n_parameters(self, dataset: str, variant: str) -> int:
        """Return how many weights and biases a network has."""
        cell = self.variant(dataset, variant)
        return estimate.count_parameters(
            self.shape(dataset)[1],
            self.n_classes(dataset, variant),
            width=cell.width,
            hidden_layers=cell.hidden_layers,
        )

    def need_of_dataset(self, dataset: str) -> Need:
        """Return what preparing a data set needs."""
        kind = self.dataset(dataset).kind
        return estimate.preparing(*SHAPES[kind](**self.dataset_options(dataset)))

    def need_of_features(self, dataset: str) -> Need:
        """Return what the extractor of a data set needs."""
        section = self.dataset(dataset)
        assert section.extractor is not None
        n_rows, n_inputs = SHAPES[section.kind](**self.dataset_options(dataset))
        try:
            n_features, n_operations = estimate.convolutions(n_inputs)
        except NetkinError:
            n_features, n_operations = 1, 1  # the job says that these are no images
        return estimate.training(
            0,
            n_operations=n_operations,
            n_rows=n_rows,
            n_inputs=n_inputs + n_features,
            batch_size=section.extractor.batch_size,
            epochs=section.extractor.epochs,
        )

    def need_of_training(self, dataset: str, variant: str) -> Need:
        """Return what the training of one network needs."""
        n_rows, n_inputs = self.shape(dataset)
        section = self.dataset(dataset)
        return estimate.training(
            self.n_parameters(dataset, variant),
            n_rows=n_rows,
            n_inputs=n_inputs,
            batch_size=section.batch_size,
            epochs=0 if dataset in self.untrained else section.epochs,
        )

    def need_of_trainings(self, dataset: str, variants: Sequence[str]) -> Need:
        """Return what a job needs that trains several networks."""
        return estimate.in_turn([self.need_of_training(dataset, name) for name in variants])

    def need_of_bundle(self, stage: str, dataset: str, variants: Sequence[str]) -> Need:
        """Return what a job of several networks needs: ``graph``, ``diagram`` or ``vector``."""
        if stage == "diagram":
            # the graph of a network is two-coloured by its layers, so ``auto`` takes ``exact``
            stage = self.config.diagram.engine.replace("auto", "exact")
        n_edges = [self.n_parameters(dataset, name) for name in variants]
        if stage != "vector":
            return estimate.bundle(stage, n_edges)
        # of the vectors, each in a job of its own, what the largest needs
        sampled = [self.sampled(vector) for vector in self.needed_vectors()]
        needs = [estimate.bundle(stage, n_edges, one) for one in (estimate.Sampled(), *sampled)]
        return Need(max(need.megabytes for need in needs), max(need.minutes for need in needs))

    def sampled(self, vector: str) -> estimate.Sampled:
        """Return how large one vector of a network is."""
        found = self.vector(vector)
        low, high = found["range"]
        axes, options = VECTORISERS[vector].axes, found["options"]
        # giotto-tda's and scipy's kernels end after four standard deviations, on either side
        step = (high - low) / (found["n_bins"] - 1)
        return estimate.Sampled(
            values=found["n_bins"] ** axes * options.get("n_layers", 1),
            dimensions=self.config.diagram.max_dimension + 1,
            kernel=axes * 8 * options.get("sigma", 0) / step,
        )

    def need_of_distances(self, comparison: str, measures: Sequence[str]) -> Need:
        """Return what the matrices of measures of one group need, at one seed."""
        cells = self.compared(comparison)
        source = MEASURES[measures[0]].needs
        n_edges = [self.n_parameters(cell.dataset, cell.variant) for cell in cells]
        if not SOURCES[source].rows:
            return estimate.comparing(
                n_edges,
                len(measures),
                vectors=source == "vector",
                sampled=[
                    self.sampled(vector)
                    for vector in (MEASURES[measure].vector for measure in measures)
                    if vector is not None
                ],
                # the cost that a measure declares: D is the width
                n_matched=self._cubes_of_pairs(cells)
                * sum("D^3" in MEASURES[measure].cost for measure in measures),
            )
        how = self.calibration(source)
        rounds = 1 + how.get("permutations", 0) + how.get("resamples", 0)
        n_rows = self.config.activation.probe_rows
        widths = [self.variant(comparison, cell.variant).width for cell in cells]
        if source == "prediction":
            n_rows = math.ceil(estimate.TEST_SHARE * self.shape(comparison)[0])
            widths = [self.n_classes(comparison, cell.variant) for cell in cells]
            return estimate.comparing_rows(n_rows, widths, n_measures=len(measures), square=False)
        if source == "model":
            n_rows += TRAINING_ROWS
        return estimate.comparing_rows(n_rows, widths, n_measures=len(measures) * rounds)

    def _cubes_of_pairs(self, cells: Sequence[Cell]) -> float:
        """Return the sum of the cubes of the widths of all layers over pairs of one shape."""
        shapes: Counter[tuple[int, int, int, int]] = Counter()
        for cell in cells:
            variant = self.variant(cell.dataset, cell.variant)
            n_classes = self.n_classes(cell.dataset, cell.variant)
            n_inputs = self.shape(cell.dataset)[1]
            shapes[n_inputs, n_classes, variant.hidden_layers, variant.width] += 1
        return sum(n * (n + 1) / 2 * layers * width**3 for (*_, layers, width), n in shapes.items())

    def need_of_neural_persistence(self, dataset: str) -> Need:
        """Return what the table of neural persistence needs, over all seeds."""
        n_edges = [self.n_parameters(dataset, v.name) for v in self.variants(dataset)]
        return estimate.reading(n_edges * len(self.seeds), kept=0)

    def need_of_diagram_figure(self, comparison: str) -> Need:
        """Return what the figure of the diagrams of a comparison needs, an interval an edge."""
        cells = self.compared(comparison)
        n_edges = [self.n_parameters(cell.dataset, cell.variant) for cell in cells]
        return estimate.reading(n_edges, kept=16)

    def need_of_norms(self) -> Need:
        """Return what the table of norms needs: two norms of all pairs, as is and shuffled."""
        of_dataset: dict[str, list[int]] = {}
        for cell in self.compared(CONTROL):
            n_edges = self.n_parameters(cell.dataset, cell.variant)
            of_dataset.setdefault(cell.dataset, []).append(n_edges)
        once = [estimate.comparing(edges, 4, vectors=False) for edges in of_dataset.values()]
        return estimate.in_turn(once * len(self.seeds))

    def need_of_multiplicity(self, dataset: str) -> Need:
        """Return what the measures on groups of networks of a data set need, over all seeds."""
        variants = self.variants(dataset)
        sizes = Counter(variant.group for variant in variants)
        groups = len(sizes) * len(self.seeds) + len(variants) * (len(self.seeds) > 1)
        n_classes = max(self.n_classes(dataset, variant.name) for variant in variants)
        return estimate.comparing_rows(
            math.ceil(estimate.TEST_SHARE * self.shape(dataset)[0]),
            [n_classes] * max(*sizes.values(), len(self.seeds)),
            n_measures=len(GROUP_MEASURES) * groups,
            square=False,
        )

    def need_of_layers(self, dataset: str, pair: tuple[str, str]) -> Need:
        """Return what comparing two networks layer by layer needs."""
        widths = [
            self.variant(dataset, name).width
            for name in pair
            for _ in range(self.variant(dataset, name).hidden_layers + 1)
        ]
        n_rows = self.config.activation.probe_rows
        rounds = 1 + self.calibration("activation").get("permutations", 0)
        n_measures = len(self.layer_measures()) * rounds
        return estimate.comparing_rows(n_rows, widths, n_measures=n_measures)
