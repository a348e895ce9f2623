"""A data set as the config chooses it: what is known of it before it is read."""

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

from netkin import estimate
from netkin.dataset import CLASSES, FILES, SHAPES, TEST_ROWS
from netkin.dataset.prepare import digests_of_files
from netkin.dataset.source import user_folder
from netkin.errors import NetkinError
from netkin.estimate import Need

if TYPE_CHECKING:
    from netkin.config.sections import DatasetSection, NetworkSection


class ChosenDataset:
    """One data set of a study; its rows are what members may be given.

    Parameters
    ----------
    name : str
        Its id in the config.
    section : DatasetSection
        Its section, checked.
    data_folder : str
        Of the config.
    network : NetworkSection
        How networks are trained, which holds for an extractor too.
    """

    def __init__(
        self, name: str, section: "DatasetSection", data_folder: str, network: "NetworkSection"
    ) -> None:
        self.name = name
        self.section = section
        self._data_folder = data_folder
        self._network = network
        self.options: dict[str, Any] = section.model_dump(exclude=set(_common_fields(section)))

    @property
    def prepared(self) -> str:
        """Name of the file that the loader gives: features take the place of images."""
        return f"{self.name}.images" if self.section.extractor else self.name

    def files(self) -> list[str]:
        """Return the files that no checksum fixes, as far as all are there."""
        files_of = FILES.get(self.section.kind)
        if files_of is None:
            return []
        try:
            return [str(path) for path in files_of(user_folder(self._data_folder), **self.options)]
        except NetkinError:
            return []  # the job says so, in one sentence and with a log

    def digests(self) -> dict[str, str]:
        """Return the digests of these files by name; {} if one cannot be read."""
        try:
            folder = user_folder(self._data_folder)
            return digests_of_files(self.section.kind, folder, self.options)
        except (NetkinError, OSError):
            return {}  # the job says so

    def extraction(self) -> dict[str, Any]:
        """Return all that determines the features of a data set that has an extractor."""
        section = self.section.extractor
        assert section is not None
        return {
            "dataset": self.name,
            "epochs": section.epochs,
            "batch_size": section.batch_size,
            "dropout": self._network.dropout,
            "learning_rate": self._network.learning_rate,
            "rho": self._network.rho,
            "epsilon": self._network.epsilon,
            "validation_share": self._network.validation_share,
            "threads": self._network.threads,
        }

    @cached_property
    def shape_of_images(self) -> tuple[int, int]:
        """Rows and features of what the loader gives."""
        return SHAPES[self.section.kind](**self.options)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Rows and features that networks see."""
        n_rows, n_inputs = self.shape_of_images
        if self.section.extractor is None:
            return n_rows, n_inputs
        try:
            return n_rows, estimate.convolutions(n_inputs)[0]
        except NetkinError:
            return n_rows, n_inputs  # the job says that these are no images, with a log

    @property
    def test_rows(self) -> int:
        """Rows that are kept for testing, at most."""
        if self.section.kind in TEST_ROWS:
            return TEST_ROWS[self.section.kind]
        share: float = self.options.get("test_share", estimate.TEST_SHARE)
        return math.ceil(share * self.shape[0])

    @cached_property
    def n_classes(self) -> int:
        """How many classes there are."""
        classes = CLASSES[self.section.kind]
        return len(getattr(self.section, classes)) if isinstance(classes, str) else classes

    def need(self) -> Need:
        """Return what preparing it needs."""
        return estimate.preparing(*self.shape_of_images)

    def need_of_features(self) -> Need:
        """Return what its extractor needs."""
        section = self.section.extractor
        assert section is not None
        n_rows, n_inputs = self.shape_of_images
        try:
            n_features, n_operations = estimate.convolutions(n_inputs)
        except NetkinError:
            n_features, n_operations = 1, 1  # the job says that these are no images
        return estimate.training(
            0,
            n_operations=n_operations,
            n_rows=n_rows,
            n_inputs=n_inputs + n_features,
            batch_size=section.batch_size,
            epochs=section.epochs,
        )


def _common_fields(section: "DatasetSection") -> list[str]:
    from netkin.config.sections import DatasetSection

    return list(DatasetSection.model_fields)
