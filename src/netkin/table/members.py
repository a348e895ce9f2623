"""The table of networks of people's own: what was understood of each."""

import json
from collections.abc import Mapping, Sequence

from netkin.errors import NetkinError, listed
from netkin.network.imported import read_understood
from netkin.storage import whole_file
from netkin.table.read import read_table
from netkin.table.write import write_table


def tabulate_members(
    *,
    network_paths: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    csv_path: str,
    html_path: str,
    title: str,
) -> None:
    """Tabulate what was understood of each network, and why anything was not.

    Parameters
    ----------
    network_paths : sequence of str
        Where `netkin.network.imported.import_networks` put each: ``FILE::ID``.
    rows : sequence of mapping
        Of each, ``network``, ``replicate``, ``path``, and what else the sheet says of it.
    csv_path, html_path, title : str
        Where the table goes, and its title.
    """
    import pandas as pd

    found = []
    for path, row in zip(network_paths, rows, strict=True):
        known = read_understood(path)
        own = {
            "format": known.format,
            "layers": "-".join(map(str, known.units)),
            "graph": known.graph,
            "parameters": known.parameters,
            "read": "yes" if known.is_read else "no",
            "reason": known.reason,
            "left_out": _in_words(known.left_out),
        }
        # an annotation may be called like one of these
        said = {f"{key} (sheet)" if key in own else key: value for key, value in row.items()}
        found.append({**said, **own})
    write_table(
        pd.DataFrame(found),
        csv_path=csv_path,
        html_path=html_path,
        title=title,
        note="What was understood of each file: the units of a chain of dense layers, or the graph "
        "of another architecture. The reason says why a network could not be read, or why its "
        "wiring is not known: then its tensors alone are compared. Left out is what a file holds "
        "besides parameters.",
        decimals={},
    )


def _in_words(left_out: str) -> str:
    """Return what is left out, and why, as text: names that have one reason stand together."""
    try:
        reasons: dict[str, str] = json.loads(left_out or "{}")
    except json.JSONDecodeError:  # cut off, since it was very long
        return left_out
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return "; ".join(f"{listed(those)}: {reason}" for reason, those in names.items())


def check_members(*, table_path: str, checked_path: str) -> None:
    """Check that each network of the sheet could be read, after all has been made of the others.

    Parameters
    ----------
    table_path : str
        What `tabulate_members` wrote.
    checked_path : str
        An empty file, written where all is well.

    Raises
    ------
    NetkinError
        Some could not; it names each with its reason.
    """
    table = read_table(table_path, text=("network", "replicate", "path", "read"), numbers=())
    unread = table[table["read"] == "no"]
    if len(unread):
        # a replicate that all have says nothing
        several = table["replicate"].nunique() > 1
        reasons = [
            f"{row['network']}{' at ' + row['replicate'] if several else ''} ({row['path']}): "
            f"{row['reason']}"
            for row in unread.to_dict("records")
        ]
        raise NetkinError(
            f"{table_path}: {len(unread)} of {len(table)} networks could not be read, and all "
            f"that is theirs is undefined; the others are done. {listed(reasons)}."
        )
    with whole_file(checked_path) as temporary:
        temporary.touch()
