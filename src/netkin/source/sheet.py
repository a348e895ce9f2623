"""Networks of people's own: a sheet with a line for each."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from netkin.comparison import Cell, Comparison
from netkin.distance import INPUTS, MEASURES
from netkin.errors import NetkinError, listed
from netkin.estimate import Need, importing
from netkin.member import Member, Size
from netkin.network.imported import import_networks
from netkin.source.rows import Row, group_of, read_rows, remarks_on

if TYPE_CHECKING:
    from netkin.config.sections import Config
    from netkin.dataset.chosen import ChosenDataset

NETWORKS = "networks"
"""The comparison of all networks of the sheet."""


class Sheet:
    """The networks of the sheet that the config names; none where it names none.

    Attributes
    ----------
    members : list of Member
        ``networks/NETWORK/REPLICATE`` for each line.
    comparisons : list of Comparison
        All networks, replicate by replicate. A network that the sheet does not have at a
        replicate stands there as a member that is not among `members`.
    remarks : list of str
        What may be a mistake of the sheet.
    """

    maker = staticmethod(import_networks)

    def __init__(self, config: "Config", datasets: "dict[str, ChosenDataset]") -> None:
        self.members: list[Member] = []
        self.comparisons: list[Comparison] = []
        self.remarks: list[str] = []
        self._rows: dict[str, Row] = {}
        path, column = config.source.sheet, config.source.group
        if not path:
            return
        rows = read_rows(path, column)
        if NETWORKS in datasets:
            raise NetkinError(
                f"{path}: its networks are compared as '{NETWORKS}', and so is a data set called; "
                "rename that in the config."
            )
        self.remarks = [*remarks_on(path, rows, column), *_left_out(path, config)]
        by_key = {(row.network, row.replicate): _member(row, column) for row in rows}
        for row in rows:
            member = by_key[row.network, row.replicate]
            self.members.append(member)
            self._rows[member.id] = row
        # the first line of each
        first = {row.network: row for row in reversed(rows)}
        names = list(dict.fromkeys(row.network for row in rows))
        self.comparisons.append(
            Comparison(
                NETWORKS,
                tuple(
                    _cell(number, name, first[name], column)
                    for number, name in enumerate(names, start=1)
                ),
                {
                    replicate: tuple(
                        by_key.get((name, replicate)) or _missing(name, replicate) for name in names
                    )
                    for replicate in dict.fromkeys(row.replicate for row in rows)
                },
            )
        )

    def folder_of(self, member: Member) -> str:
        """Return the replicate."""
        return f"{NETWORKS}/{member.replicate}"

    def file_of(self, member: Member) -> None:
        """Return nothing: what is taken from the files of a bundle stands in one file."""

    def files_of(self, member: Member) -> list[str]:
        """Return the file of a network, or those of its folder."""
        row = self._rows[member.id]
        folder = Path(row.file)
        if not folder.is_dir():
            folder = folder.parent
        return [str(folder / name) for name in row.files if (folder / name).is_file()]

    def making(self, member: Member) -> dict[str, Any]:
        """Return what determines what is read of a network."""
        row = self._rows[member.id]
        made_of = {"path": row.path, "wiring": row.wiring, "files": row.files}
        # only where they are there, so that other networks are not made anew
        said = {"input_shape": row.input_shape, "leave_out": row.leave_out}
        made_of |= {key: value for key, value in said.items() if value}
        return made_of

    def described(self) -> list[dict[str, str]]:
        """Return what the sheet says of each network, for a table."""
        return [
            {
                "network": row.network,
                "replicate": row.replicate,
                "path": row.path,
                "group": row.group,
                **row.annotations,
            }
            for row in self._rows.values()
        ]

    def location(self, member: Member) -> str:
        """Return where the file or folder of a network is."""
        return self._rows[member.id].file

    def stands_for(self, member: Member) -> str:
        """Return nothing: all are made here of files of their own."""
        return ""

    def need_of(self, member: Member) -> Need:
        """Return what reading and writing a network needs."""
        return importing(_bytes(self._rows[member.id]))

    def evaluation(self, member: Member) -> dict[str, Any]:
        """Return nothing: no rows are known."""
        return {}


def _left_out(path: str, config: "Config") -> list[str]:
    """Say which of the chosen measures do not compare the networks of the sheet."""
    # without data sets no network can be compared by them, which is an error of the config
    names = [
        chosen
        for chosen in config.distance.measures
        if config.study.datasets
        and any(
            chosen in (name, one.family) and INPUTS[one.needs].rows
            for name, one in MEASURES.items()
        )
    ]
    if not names:
        return []
    return [
        f"{path}: its networks are not compared by {listed(names)}: such a measure compares what "
        "networks make of rows of data, which files of weights alone do not have."
    ]


def _bytes(row: Row) -> int:
    return sum(stamp[0] for stamp in row.files.values() if stamp)


def _member(row: Row, column: str) -> Member:
    n_bytes = _bytes(row)
    return Member(
        id=f"{NETWORKS}/{row.network}/{row.replicate}",
        name=row.network,
        replicate=row.replicate,
        # of float32; what is stored otherwise or beside is not known before the file is read
        size=Size(max(1, n_bytes // 4)),
        group=group_of(row, column),
        annotations=dict(row.annotations),
    )


def _missing(network: str, replicate: str) -> Member:
    return Member(f"{NETWORKS}/{network}/{replicate}", network, replicate, Size(0))


def _cell(number: int, name: str, row: Row, column: str) -> Cell:
    return Cell(name, number, number, group_of(row, column), design=name, label=name)
