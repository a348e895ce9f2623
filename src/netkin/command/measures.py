"""``netkin measures``: which measures there are."""

from typing import Annotated

import typer

from netkin.command.shared import JsonOption, examples, note, put_json, put_table
from netkin.errors import NetkinError, allowed, shown

EXAMPLES = ("netkin measures", "netkin measures --family weight", "netkin measures --json")


SHORT = "List the measures, and how long they take."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("measures", short_help=SHORT, epilog=examples(EXAMPLES))(list_measures)


def list_measures(
    family: Annotated[str, typer.Option(metavar="NAME", help="Those of one family only.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the measures: which way is up, what they need, and how long they take.

    'down': smaller is more alike; 'up': larger is more alike. Seconds are those of a pair of base
    networks (784-512-512-10, which is 670,000 weights, with 1,000 rows) on one core. --json has
    options and citations too.
    """
    from netkin.catalogue import listed_measures

    rows = listed_measures()
    families = dict.fromkeys(row["family"] for row in rows)
    if family and family not in families:
        raise NetkinError(f"--family: found {shown(family)}. {allowed(family, families)}")
    rows = [row for row in rows if family in ("", row["family"])]
    if as_json:
        put_json(rows)
        return
    put_table(
        [
            {
                "measure": row["measure"],
                "family": row["family"],
                "way": row["orientation"],
                "seconds": row["seconds"],
                "needs": row["needs"] + (f"; {row['requires']}" if row["requires"] else ""),
            }
            for row in rows
        ]
    )
    note("`netkin compare` takes those that need weights or tensors; the workflow takes all.")
