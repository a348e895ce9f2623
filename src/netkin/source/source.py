"""What a source of networks must tell a study."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from netkin.comparison import Comparison
from netkin.estimate import Need
from netkin.member import Member

if TYPE_CHECKING:
    from netkin.config.sections import Config
    from netkin.dataset.chosen import ChosenDataset


class Source(Protocol):
    """A source, made from the config and its data sets; without members where nothing is set."""

    @property
    def members(self) -> Sequence[Member]:
        """Its networks."""
        ...

    @property
    def maker(self) -> Callable[..., Any]:
        """The stage function that makes its networks; not asked for where none is made."""
        ...

    @property
    def remarks(self) -> Sequence[str]:
        """What may be a mistake, one sentence each."""
        ...

    @property
    def comparisons(self) -> Sequence[Comparison]:
        """Which of them are compared with each other."""
        ...

    def __init__(self, config: "Config", datasets: "dict[str, ChosenDataset]") -> None: ...

    def folder_of(self, member: Member) -> str:
        """Return the first part of the ids of the bundles that a member may be in.

        It tells replicate and probe, and no other source has the same.
        """
        ...

    def file_of(self, member: Member) -> str | None:
        """Return the file of a network; None where `maker` makes all of a bundle in one file."""
        ...

    def making(self, member: Member) -> dict[str, Any] | None:
        """Return what determines a network that `maker` makes, None where it is there already."""
        ...

    def stands_for(self, member: Member) -> str:
        """Return what stands for the recipe of a network that is not made here.

        Of netkin's own files `netkin.storage.Origin.recipe`, which is the content where no
        workflow made them.
        """
        ...

    def need_of(self, member: Member) -> Need:
        """Return what making a network needs."""
        ...

    def evaluation(self, member: Member) -> dict[str, Any]:
        """Return what must be known of a network to give it rows of its probe."""
        ...
