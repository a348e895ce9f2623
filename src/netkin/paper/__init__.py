"""What belongs to arXiv 2101.07752 alone: its numbers, its claims, and its norm baselines."""

from typing import TYPE_CHECKING

from netkin.comparison import CONTROL

if TYPE_CHECKING:
    from netkin.member import Member
    from netkin.study import Study


def control_by_dataset(study: "Study") -> list[tuple[str, int, "Member"]]:
    """Return data set, seed and member of each control network.

    Empty where their norms cannot be compared: without pairs of them on several data sets.
    """
    control = study.comparisons.get(CONTROL)
    if control is None:
        return []
    datasets = [cell.group for cell in control.cells]
    if min(map(datasets.count, datasets)) < 2:
        return []
    return [
        (dataset, int(str(member.annotations["seed"])), member)
        for members in control.members.values()
        for dataset, member in zip(datasets, members, strict=True)
    ]
