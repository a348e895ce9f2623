"""Collect the small results of the run described in config.yaml, and write README.md from them.

    python docs/comparison/collect.py STUDY_FOLDER COMMIT

STUDY_FOLDER has the `results/` of the run in it, COMMIT is the checkout that computed the
distances. No number in README.md is typed by hand: they are read from the tables, the sentences
from the page that the run made.
"""

import html
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent), str(ROOT / "src")]

from pages import git, markdown

from netkin.comparison import OVERALL
from netkin.table.measures_page import FAMILIES, FORMATS
from netkin.table.questions import QUANTITIES

SHOWN = ["design", "groups", "violation_rate", "width", "depth", "labels"]
SHOWN += ["performance_difference", "disagreement", "jensen_shannon", "calibrated", "seconds"]
"""The questions whose answers stand in the README; all are in measures.csv and measures.html."""


def collect(study: Path) -> list[str]:
    """Copy page, tables and figures, and return the data sets."""
    results = study / "results"
    for name in ("tables", "figures"):
        shutil.rmtree(HERE / name, ignore_errors=True)
        (HERE / name).mkdir()
    for name in ("measures", "agreement"):
        table = pd.read_csv(results / "table" / f"{name}.csv")
        # families stand in measures.csv; four digits are more than three seeds tell
        table = table.drop(columns=["family_a", "family_b"], errors="ignore")
        table.to_csv(HERE / "tables" / f"{name}.csv", index=False, float_format="%.4g")
    shutil.copy2(results / "table" / "measures.html", HERE)
    datasets = sorted(path.name for path in (results / "activation").iterdir())
    for name in datasets:
        accuracy = results / "table" / name / "accuracy.csv"
        shutil.copy2(accuracy, HERE / "tables" / f"{name}.accuracy.csv")
    for name in (OVERALL, *datasets):
        for kind in ("readings", "agreement"):
            figure = results / "figure" / name / f"{kind}.png"
            shutil.copy2(figure, HERE / "figures" / f"{name}.{kind}.png")
    return datasets


def sentences(page: str, heading: str) -> str:
    """Return the list below a heading of the page, as Markdown."""
    _, _, rest = page.partition(heading)
    found = re.search(r"<ul>(.*?)</ul>", rest, re.DOTALL)
    if not found:
        raise SystemExit(f"measures.html has no list below '{heading}'")
    return "\n".join(f"- {html.unescape(x)}" for x in re.findall(r"<li>(.*?)</li>", found[1]))


def answers(table: pd.DataFrame, family: str) -> pd.DataFrame:
    """Return what the measures of a family answer, over all data sets: mean, and interval."""
    rows = table[(table["comparison"] == OVERALL) & (table["family"] == family)]
    most = table[table["comparison"] == OVERALL].groupby("quantity")["pairs"].max()
    lines = []
    for measure, found in rows.groupby("measure", sort=False):
        by_quantity = {row["quantity"]: row for row in found.to_dict("records")}
        line = {"measure": f"`{measure}`"}
        for name in SHOWN:
            row = by_quantity.get(name)
            line[QUANTITIES[name].title] = "" if row is None else cell(row, most[name])
        lines.append(line)
    return pd.DataFrame(lines)


def cell(row: dict, most: int) -> str:
    """Return a value: bold where its whole interval lies off chance, * over fewer pairs."""
    form = FORMATS.get(row["quantity"], ".2f")
    text = f"{row['value']:{form}}"
    decided = row["low"] > row["chance"] or row["high"] < row["chance"]
    return (f"**{text}**" if decided else text) + ("\\*" if row["pairs"] < most else "")


def page(datasets: list[str], commit: str) -> str:
    """Return the text of README.md."""
    config = yaml.safe_load((HERE / "config.yaml").read_text())
    table = pd.read_csv(HERE / "tables/measures.csv")
    measures_page = (HERE / "measures.html").read_text(encoding="utf-8")
    base = f"width_{config['network']['width']}"
    accuracy = pd.DataFrame(
        {
            "data set": name,
            "variants": len(found),
            "networks": int(found["seeds"].sum()),
            "base network": found.set_index("variant").loc[base, "mean"],
            "least of all": found["lowest"].min(),
            "largest of all": found["highest"].max(),
        }
        for name in datasets
        for found in [pd.read_csv(HERE / "tables" / f"{name}.accuracy.csv")]
    )
    chance = table[table["comparison"] == OVERALL].groupby("quantity")["chance"].median()
    n_pairs = int(table.loc[table["comparison"] == datasets[0], "all_pairs"].max())
    seeds = config["study"]["seeds"]
    text = f"""# Every measure on the same networks

{table["measure"].nunique()} measures, of the topology of the weights, of the weights themselves,
of activations and of answers, on the same {int(accuracy["networks"].sum())} networks:
{accuracy["variants"].max()} variants on each of {len(datasets)} data sets, {seeds} seeds.
Distances made at commit `{commit}`; written by
[collect.py](collect.py) from the results of the run: no number or finding here is typed by hand.
[measures.html](measures.html) is the page of the run, with all intervals and each data set apart
(download it and open it in a browser); [which_measure.md](../which_measure.md) says how to read
it; all numbers are in [tables](tables).

```yaml
{(HERE / "config.yaml").read_text().strip()}
```

## What this shows

Over all data sets, the mean over them at each seed:

{sentences(measures_page, "<h2>All data sets")}

## What this does not show

{sentences(measures_page, "<h2>What this does not show</h2>")}

![What each measure sees, mean over data sets](figures/{OVERALL}.readings.png)

![How far any two measures agree, mean over data sets](figures/{OVERALL}.agreement.png)

## The numbers

Mean over data sets and seeds. **Bold**: the whole 95 % interval over seeds lies off chance, on
either side. \\*: over fewer pairs than others, not to be compared with them. Chance is
{chance["design"]:.2f} for *one design*, {chance["groups"]:.2f} for *experiment groups*, 0.5 for
the violation rate and 0 for the correlations. The calibrated score is 0 for unrelated rows and 1
for equal networks. Seconds are processor time of a matrix of {n_pairs} pairs, without the null.
"""
    for family, title in FAMILIES.items():
        found = answers(table, family)
        if len(found):
            text += f"\n### {title}\n\n{markdown(found)}\n"
    text += "\n## Each data set\n\nTest accuracy:\n\n" + markdown(accuracy) + "\n"
    for name in datasets:
        text += f"\n![](figures/{name}.readings.png)\n\n![](figures/{name}.agreement.png)\n"
    return text


def main() -> None:
    """Collect and write."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    commit = git("rev-parse", "--verify", f"{sys.argv[2]}^{{commit}}")
    datasets = collect(Path(sys.argv[1]))
    (HERE / "README.md").write_text(page(datasets, commit), encoding="utf-8")


if __name__ == "__main__":
    main()
