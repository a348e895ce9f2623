"""Networks that are trained here: a grid of data set x variant x seed."""

from typing import TYPE_CHECKING, Any

from netkin import estimate
from netkin.comparison import CONTROL, UNTRAINED, Cell, Comparison
from netkin.estimate import Need
from netkin.member import Member, Size
from netkin.network.train import train_network
from netkin.source.variants import Variant

if TYPE_CHECKING:
    from netkin.config.sections import Config
    from netkin.dataset.chosen import ChosenDataset


class TrainedGrid:
    """The grid of the config: every variant changes one thing of the base network.

    Attributes
    ----------
    members : list of Member
        ``digits/width_512/seed_0``, and ``digits/untrained/width_512/seed_0`` as the same network
        is before training, where the study asks for these.
    comparisons : list of Comparison
        The networks of each data set, those before training, and where two data sets have control
        networks (group ``input_order``) these together.
    seeds : list of int
        One replicate each.
    """

    maker = staticmethod(train_network)
    remarks: tuple[str, ...] = ()

    def __init__(self, config: "Config", datasets: "dict[str, ChosenDataset]") -> None:
        from netkin.config.sections import all_variants

        self._config = config
        self._datasets = {name: datasets[name] for name in config.study.datasets}
        chosen, seeds = config.study.variants, config.study.seeds
        self.seeds = list(range(seeds)) if isinstance(seeds, int) else seeds
        self._variants = {
            name: {
                variant.name: variant
                for variant in all_variants(config.network, dataset.section.labels)
                if chosen == "all" or variant.name in chosen
            }
            for name, dataset in self._datasets.items()
        }
        self._cells: dict[str, tuple[str, Variant, int, bool]] = {}
        self.members: list[Member] = []
        self.comparisons = [self._compare(name, trained=True) for name in self._datasets]
        if config.study.untrained:
            self.comparisons += [self._compare(name, trained=False) for name in self._datasets]
        self.comparisons += self._control()

    def variants(self, dataset: str) -> list[Variant]:
        """Return the variants of a data set, in the order of the grid."""
        return list(self._variants[dataset].values())

    def _compare(self, dataset: str, *, trained: bool) -> Comparison:
        """Return the networks of a data set as a comparison, made members."""
        variants = self.variants(dataset)
        members = {
            f"seed_{seed}": tuple(self._member(dataset, v, seed, trained) for v in variants)
            for seed in self.seeds
        }
        self.members += [member for found in members.values() for member in found]
        sizes = next(iter(members.values()))
        cells = [
            Cell(v.name, v.index, v.value, v.group, _design(dataset, v, member.size))
            for v, member in zip(variants, sizes, strict=True)
        ]
        return Comparison(
            dataset if trained else f"{dataset}{UNTRAINED}",
            tuple(cells),
            members,
            probe=dataset,
            trained_here=trained,
            null_of=None if trained else dataset,
        )

    def _member(self, dataset: str, variant: Variant, seed: int, trained: bool) -> Member:
        found = self._datasets[dataset]
        hidden = (variant.width,) * variant.hidden_layers
        member = Member(
            id="/".join(
                [dataset, *([] if trained else ["untrained"]), variant.name, f"seed_{seed}"]
            ),
            name=variant.name,
            replicate=f"seed_{seed}",
            size=Size.of_units((found.shape[1], *hidden, variant.n_labels or found.n_classes)),
            probe=dataset,
            group=variant.group,
            annotations={"trained": trained, "seed": seed},
        )
        self._cells[member.id] = dataset, variant, seed, trained
        return member

    def _control(self) -> list[Comparison]:
        """Return the control networks of all data sets as a comparison; none of one alone."""
        trained = [one for one in self.comparisons if one.trained_here]
        places = [
            [i for i, cell in enumerate(one.cells) if cell.group == "input_order"]
            for one in trained
        ]
        if sum(map(bool, places)) < 2:
            return []
        cells = [
            Cell(f"{one.name}_{cell.name}", cell.value, cell.value, one.name, cell.design)
            for one, found in zip(trained, places, strict=True)
            for cell in (one.cells[i] for i in found)
        ]
        members = {
            replicate: tuple(
                one.members[replicate][i]
                for one, found in zip(trained, places, strict=True)
                for i in found
            )
            for replicate in trained[0].members
        }
        return [Comparison(CONTROL, tuple(cells), members)]

    def folder_of(self, member: Member) -> str:
        """Return data set and seed, apart for untrained networks."""
        dataset, *_, seed = member.id.split("/")
        trained = member.annotations["trained"]
        return f"{dataset}/{seed}" if trained else f"{dataset}/{seed}/untrained"

    def file_of(self, member: Member) -> str:
        """Return the file of a network."""
        return f"results/network/{member.id}.h5"

    def making(self, member: Member) -> dict[str, Any]:
        """Return all that determines one network, besides its data.

        An untrained network has the weights with which the trained one of the same variant
        and seed began.
        """
        dataset, variant, seed, trained = self._cells[member.id]
        network, section = self._config.network, self._datasets[dataset].section
        return {
            "dataset": dataset,
            "variant": variant.name,
            "seed": seed,
            "width": variant.width,
            "hidden_layers": variant.hidden_layers,
            "dropout": network.dropout,
            "learning_rate": network.learning_rate,
            "rho": network.rho,
            "epsilon": network.epsilon,
            "batch_size": section.batch_size,
            "epochs": section.epochs if trained else 0,
            "validation_share": network.validation_share,
            "threads": network.threads,
            **self.evaluation(member),
        }

    def stands_for(self, member: Member) -> str:
        """Return nothing: all of these are made here."""
        return ""

    def evaluation(self, member: Member) -> dict[str, Any]:
        """Return what must be known of the training of a network to give it rows."""
        variant = self._cells[member.id][1]
        return {
            "n_labels": variant.n_labels,
            "input_order": self._config.network.input_order if variant.randomisation else None,
            "order_seed": variant.randomisation or 0,
        }

    def need_of(self, member: Member) -> Need:
        """Return what the training of one network needs."""
        dataset, _, _, trained = self._cells[member.id]
        n_rows, n_inputs = self._datasets[dataset].shape
        section = self._datasets[dataset].section
        return estimate.training(
            member.size.parameters,
            n_rows=n_rows,
            n_inputs=n_inputs,
            batch_size=section.batch_size,
            epochs=section.epochs if trained else 0,
        )


def _design(dataset: str, variant: Variant, size: Size) -> str:
    # with width and depth the number of parameters tells the number of labels
    return f"{dataset}, {variant.hidden_layers} x {variant.width}, {size.parameters}"
