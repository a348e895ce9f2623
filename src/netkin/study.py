"""The study a config file describes: checked as a whole, then asked by the workflow."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

from netkin.bundle import MOST_MEMBERS, Bundle, bundles_of, parts_of
from netkin.comparison import OVERALL, PATH_PART, Comparison
from netkin.config.check import check, no_networks
from netkin.config.file import Source as ConfigSource
from netkin.config.file import plain_copy
from netkin.config.sections import EXTRA_FIGURE_OPTIONS, Config, dataset_section
from netkin.dataset.chosen import ChosenDataset
from netkin.diagram import ENGINES
from netkin.distance import INPUTS, MEASURES
from netkin.errors import NetkinError, allowed, shown
from netkin.member import Member
from netkin.need import Needs
from netkin.source import SOURCES
from netkin.source.source import Source
from netkin.storage import address
from netkin.structure import MOST_PARTS, folder_among, is_id
from netkin.vector import VECTORISERS

RESULTS = "results"
BUNDLED = ("diagram", "vector", "activation", "prediction")
"""Stages whose results of several networks stand in one file."""
AFTER = {
    "network": "dataset",
    "graph": "network",
    "diagram": "network",
    "vector": "diagram",
    "activation": "network",
    "prediction": "network",
}
"""Stage -> the stage it is made from."""


class Study:
    """A checked study: which networks there are and what each job is given.

    Parameters
    ----------
    config : mapping
        The content of the config file or files, merged.
    source : str or sequence of netkin.config.file.Source
        Name of the file for messages, or each of the files and the command line, later ones
        before earlier ones.

    Attributes
    ----------
    config : netkin.config.sections.Config
        The config, checked.
    datasets : dict of str to ChosenDataset
        Those that members know.
    members : dict of str to Member
        Every network by its id.
    bundles : dict of str to Bundle
        By id; every member is in one.
    comparisons : dict of str to Comparison
        By name.
    measures : list of str
        Keys of `netkin.distance.MEASURES`, in the registry's order within a family.
    need : Needs
        What each job needs.

    Raises
    ------
    NetkinError
        All errors of the config at once, each with its key, what was found and what
        is allowed, below the name of the file that sets it.
    """

    def __init__(
        self, config: Mapping[str, Any], source: str | Sequence[ConfigSource] = "config/config.yaml"
    ) -> None:
        name = source if isinstance(source, str) else " extended by ".join(s.name for s in source)
        config = plain_copy(config, name)
        sources = [ConfigSource(source, config)] if isinstance(source, str) else source
        errors = check(config, sources)
        if errors:
            raise NetkinError("\n".join(errors))
        self.config = Config.model_validate(config)
        known = {
            name: ChosenDataset(
                name,
                dataset_section(name, entry),
                self.config.data_folder,
                self.config.network,
            )
            for name, entry in self.config.dataset.items()
        }
        self.sources: dict[str, Source] = {
            name: kind(self.config, known) for name, kind in SOURCES.items()
        }
        self.members: dict[str, Member] = {}
        self.source_of: dict[str, Source] = {}
        self.comparisons: dict[str, Comparison] = {}
        for one in self.sources.values():
            for member in one.members:
                if not is_id(member.id):
                    raise NetkinError(
                        f"{name}: the id of a network is {shown(member.id)}; allowed are up to "
                        f"{MOST_PARTS} parts of letters, digits, '_', '.', '+' and '-', divided "
                        "by '/'."
                    )
                if member.id in self.members:
                    raise NetkinError(f"{name}: two networks have the id {shown(member.id)}.")
                self.members[member.id] = member
                self.source_of[member.id] = one
            for comparison in one.comparisons:
                self._check_comparison(name, comparison)
                self.comparisons[comparison.name] = comparison
        if nested := folder_among(self.members):
            raise NetkinError(
                f"{name}: a network has the id {shown(nested[0])} and another {shown(nested[1])}; "
                "an id cannot be the folder of another one."
            )
        if not self.members:
            raise NetkinError("\n".join(no_networks(config, sources)))
        probes = dict.fromkeys(member.probe for member in self.members.values())
        for probe in probes:
            if probe is not None and probe not in known:
                raise NetkinError(
                    f"{name}: a network's probe is {shown(probe)}. {allowed(probe, known)}"
                )
        self.datasets = {name: known[name] for name in probes if name is not None}
        # a family stands for all of its measures
        self.measures: list[str] = list(
            dict.fromkeys(
                name
                for chosen in self.config.distance.measures
                for name, measure in MEASURES.items()
                if chosen in (name, measure.family)
            )
        )
        self.need = Needs(self)

    def _check_comparison(self, config: str, comparison: Comparison) -> None:
        """Raise NetkinError for a comparison that cannot be a folder, is there, or is empty."""
        what = f"{config}: a comparison is called {shown(comparison.name)}"
        if not PATH_PART.fullmatch(comparison.name) or comparison.name == OVERALL:
            raise NetkinError(
                f"{what}; allowed are lower-case letters, digits and underscores, but not "
                f"{OVERALL}."
            )
        if comparison.name in self.comparisons:
            raise NetkinError(f"{what}, and another one is.")
        if not comparison.cells:
            raise NetkinError(f"{what}, but there are no networks in it.")

    # --- members, in bundles and comparisons

    @cached_property
    def bundles(self) -> dict[str, Bundle]:
        """The bundles of all members, within source, probe and replicate."""
        folders: dict[str, list[Member]] = {}
        for source in self.sources.values():
            for member in source.members:
                folders.setdefault(source.folder_of(member), []).append(member)
        return {
            bundle.id: bundle
            for folder, members in folders.items()
            for bundle in bundles_of(folder, members)
        }

    @cached_property
    def _bundle_of(self) -> dict[str, str]:
        return {m.id: bundle.id for bundle in self.bundles.values() for m in bundle.members}

    @cached_property
    def networks(self) -> dict[str, Member]:
        """File of a network -> its member, of those that have a file of their own."""
        return {
            file: member
            for member in self.members.values()
            if (file := self.source_of[member.id].file_of(member)) is not None
        }

    @cached_property
    def imported(self) -> list[str]:
        """The bundles whose networks one job makes, in one file."""
        return [
            id
            for id, bundle in self.bundles.items()
            if self.source_of[bundle.members[0].id].file_of(bundle.members[0]) is None
        ]

    @cached_property
    def replicates(self) -> list[str]:
        """The replicates of all comparisons, such as ``seed_0``."""
        return list(dict.fromkeys(r for one in self.comparisons.values() for r in one.members))

    @cached_property
    def trained(self) -> list[Comparison]:
        """The comparisons of networks whose files say how training went."""
        return [one for one in self.comparisons.values() if one.trained_here]

    def made_by(self, function: str) -> list[str]:
        """Return the ids of the members that a stage function makes, by its name."""
        return [
            id
            for id, member in self.members.items()
            if (source := self.source_of[id]).making(member) is not None
            and source.maker.__name__ == function
        ]

    @property
    def remarks(self) -> list[str]:
        """What may be a mistake, of all sources."""
        return [text for source in self.sources.values() for text in source.remarks]

    @property
    def nulls(self) -> dict[str, str]:
        """Comparison of untrained networks -> that of the same after training."""
        return {one.name: one.null_of for one in self.comparisons.values() if one.null_of}

    # --- files

    def bundles_for(self, stage: str) -> list[str]:
        """Return the bundles that a stage can be done for: some need rows of a probe."""
        on_rows = stage in ("activation", "prediction")
        return [
            id
            for id, bundle in self.bundles.items()
            if not on_rows or all(member.probe is not None for member in bundle.members)
        ]

    def path(self, stage: str, *parts: str) -> str:
        """Return a file of results by its stage and the parts of its name."""
        return "/".join((RESULTS, stage, *parts)) + ".h5"

    def file_of(self, stage: str, member: Member, vector: str | None = None) -> str:
        """Return where the result of a stage for a member is: a file, or ``FILE::ID``.

        Of a member that no source has it is "".
        """
        if member.id not in self.members:
            return ""
        if stage == "network":
            own = self.source_of[member.id].file_of(member)
            if own is not None:
                return own
        if stage == "graph":
            return self.path("graph", member.id)
        folder = (stage, vector) if vector else (stage,)
        return address(self.path(*folder, self._bundle_of[member.id]), member.id)

    @cached_property
    def together(self) -> dict[str, list[Member]]:
        """Data set -> networks that one job trains, where the config says so."""
        found: dict[str, list[Member]] = {}
        if self.config.network.together:
            for member in self.members.values():
                if member.probe is not None and self.source_of[member.id].making(member):
                    found.setdefault(member.probe, []).append(member)
        return found

    def together_folder(self, id: str) -> str:
        """Return where a network stands that one job trains with others, until it is taken."""
        return f"{RESULTS}/network/{self.members[id].probe}.together"

    def trainings(self, dataset: str) -> list[dict[str, Any]]:
        """Return the arguments by which the networks of one job are trained."""
        made = [self.source_of[one.id].making(one) for one in self.together[dataset]]
        return [making for making in made if making is not None]

    def networks_of(self, bundle: str) -> list[str]:
        """Return where the networks of a bundle are: a file, or ``FILE::ID``, of each."""
        return [self.file_of("network", member) for member in self.bundles[bundle].members]

    def dataset_of(self, bundle: str) -> str:
        """Return the prepared data set that the members of a bundle know."""
        return self.path("dataset", str(self.bundles[bundle].members[0].probe))

    def compared(self, group: str, comparison: str, replicate: str) -> list[str]:
        """Return what the measures of a group compare: a file or ``FILE::ID`` of each network."""
        key = group, comparison, replicate
        if key not in self._compared:
            entry = MEASURES[self.groups[group][0]]
            stage = INPUTS[entry.needs].stage
            vector = entry.vector if stage == "vector" else None
            members = self.comparisons[comparison].members[replicate]
            self._compared[key] = [self.file_of(stage, member, vector) for member in members]
        return self._compared[key]

    @cached_property
    def _compared(self) -> dict[tuple[str, str, str], list[str]]:
        return {}

    def probe_of(self, group: str, comparison: str) -> str | None:
        """Return the data set file that a group of measures reads besides, if it does."""
        probe = self.comparisons[comparison].probe
        if not INPUTS[MEASURES[self.groups[group][0]].needs].with_dataset or probe is None:
            return None
        return self.path("dataset", probe)

    def distance_file(self, group: str, comparison: str, replicate: str) -> str:
        """Return the file of the matrices of a group of measures."""
        return self.path("distance", comparison, group, replicate)

    def is_divided(self, group: str, comparison: str) -> bool:
        """Tell whether the matrices of a group of measures are computed in blocks.

        Those of many networks, by symmetric measures without a null.
        """
        measures = [MEASURES[name] for name in self.groups[group]]
        return len(self.comparisons[comparison].cells) > MOST_MEMBERS and all(
            measure.symmetric
            and INPUTS[measure.needs].calibrate is None
            # whatever reads the rows of a data set does so once for all pairs
            and not INPUTS[measure.needs].rows
            for measure in measures
        )

    def source_of_group(self, group: str) -> str:
        """Return what the blocks of a group of measures are called.

        All vectors are read and compared by one job, since each takes it less than its start.
        """
        needs = self.needs_of_group(group)
        return needs if needs == "vector" else group

    def needs_of_group(self, group: str) -> str:
        """Return what the measures of a group compare, a key of `netkin.distance.INPUTS`."""
        return MEASURES[self.groups[group][0]].needs

    def divided(self, comparison: str) -> dict[str, list[str]]:
        """Return what blocks are called -> the groups of measures that they hold, sorted."""
        found: dict[str, list[str]] = {}
        for group in sorted(self.groups_of(comparison)):
            if self.is_divided(group, comparison):
                found.setdefault(self.source_of_group(group), []).append(group)
        return found

    def parts(self, comparison: str, replicate: str) -> dict[str, list[int]]:
        """Return the parts of a comparison's matrices, see `netkin.bundle.parts_of`."""
        key = comparison, replicate
        if key not in self._parts:
            members = self.comparisons[comparison].members[replicate]
            self._parts[key] = parts_of([member.id for member in members])
        return self._parts[key]

    @cached_property
    def _parts(self) -> dict[tuple[str, str], dict[str, list[int]]]:
        return {}

    def blocks(self, source: str, comparison: str, replicate: str) -> list[str]:
        """Return the files of the blocks of all measures of a source."""
        return [
            self.path("distance", comparison, source, replicate, f"{a}-{b}")
            for a, b in combinations_with_replacement(self.parts(comparison, replicate), 2)
        ]

    def block_names(self) -> list[str]:
        """Return what blocks are called, of all comparisons."""
        return list(
            dict.fromkeys(
                f"{a}-{b}"
                for name, comparison in self.comparisons.items()
                if self.divided(name)
                for replicate in comparison.members
                for a, b in combinations_with_replacement(self.parts(name, replicate), 2)
            )
        )

    def block(self, source: str, comparison: str, replicate: str, block: str) -> dict[str, Any]:
        """Return the networks of rows and columns of a block, as `compute_block` takes them."""
        cells = self.comparisons[comparison].cells
        parts = self.parts(comparison, replicate)
        rows, columns = (parts[name] for name in block.split("-"))
        paths = {
            group: self.compared(group, comparison, replicate)
            for group in self.divided(comparison)[source]
        }
        return {
            "groups": [
                {
                    "measures": sorted(self.groups[group]),
                    "input_paths": [found[i] for i in rows],
                    "other_paths": [found[i] for i in columns],
                }
                for group, found in paths.items()
            ],
            "networks": [cells[i].name for i in rows],
            "others": [cells[i].name for i in columns],
        }

    def distances(self, measure: str, comparison: str) -> list[str]:
        """Return where the matrices of a measure are, replicate by replicate."""
        group = MEASURES[measure].group
        return [
            address(self.distance_file(group, comparison, replicate), measure)
            for replicate in self.comparisons[comparison].members
        ]

    def all_distances(self, comparison: str) -> list[str]:
        """Return the matrices of all measures of a comparison, at all replicates."""
        return [
            path
            for measure in self.measures_of(comparison)
            for path in self.distances(measure, comparison)
        ]

    def summary(self, measure: str, comparison: str) -> str:
        """Return the file of a measure's summary over replicates."""
        return self.path("distance", comparison, measure)

    def summaries(self, comparison: str) -> list[str]:
        """Return the summary of each measure of a comparison."""
        return [self.summary(measure, comparison) for measure in self.measures_of(comparison)]

    def results(self) -> list[str]:
        """Return every netkin file of the study, from data set to distance."""
        needed = self.needed_stages()
        found = [self.path("dataset", name) for name in self.prepared]
        found += [
            file
            for file, member in self.networks.items()
            if self.source_of[member.id].making(member) is not None
        ]
        found += [self.path("network", bundle) for bundle in self.imported]
        if self.config.graph.export:
            found += [self.file_of("graph", member) for member in self.members.values()]
        folders: list[str] = [stage for stage in BUNDLED if stage in needed and stage != "vector"]
        folders += [f"vector/{vector}" for vector in self.needed_vectors()]
        found += [
            self.path(folder, bundle) for folder in folders for bundle in self.bundles_for(folder)
        ]
        for name in self.comparisons:
            for replicate in self.comparisons[name].members:
                for source in self.divided(name):
                    found += self.blocks(source, name, replicate)
                found += [
                    self.distance_file(group, name, replicate) for group in self.groups_of(name)
                ]
            found += self.summaries(name)
            found += [
                self.path("distance", name, "layers", a, b, replicate)
                for a, b in self.layer_pairs(name)
                for replicate in self.comparisons[name].members
            ]
        return found

    @cached_property
    def prepared(self) -> dict[str, str]:
        """What a data set file is called -> its data set; two where features replace images."""
        return {
            name: dataset.name
            for dataset in self.datasets.values()
            for name in dict.fromkeys((dataset.prepared, dataset.name))
        }

    # --- measures

    def measures_of(self, comparison: str) -> list[str]:
        """Return the chosen measures that can compare the networks of a comparison at all.

        Without a common probe there are no rows to compare answers to.
        """
        probe = self.comparisons[comparison].probe
        return [
            measure
            for measure in self.measures
            if probe is not None or not INPUTS[MEASURES[measure].needs].rows
        ]

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """Group of measures that a job takes together -> the chosen measures."""
        found: dict[str, list[str]] = {}
        for measure in self.measures:
            found.setdefault(MEASURES[measure].group, []).append(measure)
        return found

    def groups_of(self, comparison: str) -> list[str]:
        """Return the groups whose measures can compare the networks of a comparison."""
        return list(dict.fromkeys(MEASURES[m].group for m in self.measures_of(comparison)))

    def layer_pairs(self, comparison: str) -> list[tuple[str, str]]:
        """Return the pairs of networks of a comparison that are compared layer by layer."""
        if not self.comparisons[comparison].trained_here:
            return []
        here = {cell.name for cell in self.comparisons[comparison].cells}
        return [(a, b) for a, b in self.config.distance.layers if a in here and b in here]

    def layer_files(self, comparison: str, pair: Sequence[str], replicate: str) -> list[str]:
        """Return the activations of two networks of a comparison."""
        found = self.comparisons[comparison]
        by_name = {
            cell.name: member
            for cell, member in zip(found.cells, found.members[replicate], strict=True)
        }
        return [self.file_of("activation", by_name[name]) for name in pair]

    def layer_measures(self) -> list[str]:
        """Return the chosen measures that can compare layers."""
        return [measure for measure in self.measures if MEASURES[measure].needs == "activation"]

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

    def reading(self, needs: str) -> dict[str, Any]:
        """Return how the files of a key of `netkin.distance.INPUTS` are read."""
        if needs == "diagram":
            return self.policy()
        if needs == "graph":
            return self.graph()
        if INPUTS[needs].with_dataset:
            return {"probe_rows": self.config.activation.probe_rows}
        return {}

    def calibration(self, needs: str) -> dict[str, Any]:
        """Return what is found out about values of measures of an input, {} for nothing."""
        return self.config.distance.calibration.model_dump() if INPUTS[needs].calibrate else {}

    # --- options of stages

    def graph(self) -> dict[str, Any]:
        """Return how weights become edges."""
        return self.config.graph.model_dump(exclude={"export"})

    def diagram(self) -> dict[str, Any]:
        """Return how diagrams are computed."""
        return self.config.diagram.model_dump(include={"engine", "max_dimension"})

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

    def evaluation(self, bundle: str) -> list[dict[str, Any]]:
        """Return what must be known of each member of a bundle to give it rows."""
        return [
            self.source_of[member.id].evaluation(member) for member in self.bundles[bundle].members
        ]

    def stored_width(self, member: Member) -> int:
        """Return how many activations of a row are stored of a network."""
        size = member.size
        last = self.config.activation.layers == "last_hidden"
        return sum(size.hidden[-1:] if last else size.units[1:])

    def needed_vectors(self) -> list[str]:
        """Return the vectors that the chosen measures read."""
        chosen = [MEASURES[measure] for measure in self.measures]
        return [
            v for v in VECTORISERS if any(m.needs == "vector" and m.vector == v for m in chosen)
        ]

    def needed_stages(self) -> set[str]:
        """Return the stages that the chosen measures need, from data set to distance."""
        stages = {"distance"}
        wanted = ["graph"] if self.config.graph.export else []
        for stage in [
            *wanted,
            *(INPUTS[MEASURES[measure].needs].stage for measure in self.measures),
        ]:
            while stage:
                stages.add(stage)
                stage = AFTER.get(stage, "")
        return stages

    # --- figures

    def figure(self, figure: str) -> dict[str, Any]:
        """Return the options by which one kind of figure is drawn."""
        extra = set(EXTRA_FIGURE_OPTIONS.get(figure, {}))
        options: dict[str, Any] = getattr(self.config.figure, figure).model_dump(exclude=extra)
        return options

    def overview_measures(self, comparison: str) -> list[str]:
        """Return the measures of a comparison of the family that the overview shows."""
        family = self.config.figure.overview.family  # type: ignore[attr-defined] # a model made at run time
        return [m for m in self.measures_of(comparison) if MEASURES[m].family == family]

    def grid(self, comparison: str) -> list[dict[str, Any]]:
        """Return name, index, group, value and label of the networks of a comparison, in order."""
        return [
            {key: getattr(cell, key) for key in ("name", "index", "group", "value", "label")}
            for cell in self.comparisons[comparison].cells
        ]

    def grid_with_designs(self, comparison: str) -> list[dict[str, Any]]:
        """Return the grid of a comparison, with what of a network is not left to chance."""
        cells = self.comparisons[comparison].cells
        return [
            row | {"design": cell.design}
            for row, cell in zip(self.grid(comparison), cells, strict=True)
        ]

    def by_network(self, comparison: str) -> list[tuple[str, Member]]:
        """Return name and member of every network of a comparison, at all replicates of each."""
        found = self.comparisons[comparison]
        return [
            (cell.name, found.members[replicate][i])
            for i, cell in enumerate(found.cells)
            for replicate in found.members
            if found.members[replicate][i].id in self.members
        ]
