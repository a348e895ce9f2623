"""Collect the small results of the run described in config.yaml, and write README.md from them.

    python docs/reproduction/collect.py STUDY_FOLDER

STUDY_FOLDER is where this very checkout ran, with `results/` in it. No number in README.md is
typed by hand: they are read from the tables, and the text stands below.
"""

import shutil
import sys
from pathlib import Path

import h5py
import pandas as pd
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

from pages import git, markdown

MEASURES = ["landscape", "silhouette", "heat"]
MAKERS = ["Snakefile", "config", "src", "workflow", "docs/reproduction/config.yaml"]
"""What makes the results: the page names the last commit that changed any of it."""
TABLES = ["accuracy", "groups", "neural_persistence", "untrained"]


def collect(study: Path) -> list[str]:
    """Copy tables and figures, write the matrices as text, and return the comparisons."""
    results = study / "results"
    for name in ("tables", "matrices", "figures"):
        shutil.rmtree(HERE / name, ignore_errors=True)
        (HERE / name).mkdir()
    comparisons = sorted(path.name for path in (results / "distance").iterdir())
    floors = []
    for name in ("costs", "measures", "agreement"):
        shutil.copy2(results / "table" / f"{name}.csv", HERE / "tables")
    for name in ("reproduction", "claims", "norms", "norm_ratios"):
        shutil.copy2(results / "paper" / f"{name}.csv", HERE / "tables")
    for comparison in comparisons:
        # of networks before training only the table that sets them beside the trained ones
        if comparison.endswith("_untrained"):
            continue
        for name in TABLES:
            table = results / "table" / comparison / f"{name}.csv"
            if table.exists():
                shutil.copy2(table, HERE / "tables" / f"{comparison}.{name}.csv")
        for name in ("overview", "diagrams", "training", "readings", "agreement"):
            figure = results / "figure" / comparison / f"{name}.png"
            if figure.exists():
                shutil.copy2(figure, HERE / "figures" / f"{comparison}.{name}.png")
        for summary in sorted((results / "distance" / comparison).glob("*.h5")):
            with h5py.File(summary) as file:
                rho = file.attrs["repeatability"]
                floors.append({"comparison": comparison, "measure": summary.stem, "rho": rho})
                names = list(file["networks"].asstr()[:])
                for statistic in ("mean", "standard_deviation"):
                    frame = pd.DataFrame(file[statistic][:], index=names, columns=names)
                    name = f"{comparison}.{summary.stem}.{statistic}.csv"
                    frame.to_csv(HERE / "matrices" / name, float_format="%.6g")
    floor = pd.DataFrame(floors)
    floor.to_csv(HERE / "tables" / "repeatability.csv", index=False, float_format="%.4g")
    return [name for name in comparisons if not name.endswith("_untrained")]


def training_costs(study: Path) -> pd.DataFrame:
    """Return the CPU time of training by data set, and what five seeds of it take."""
    rows = []
    for folder in sorted((study / "results" / "benchmark" / "train_network").iterdir()):
        # those before training are one folder deeper
        jobs = pd.concat(pd.read_csv(path, sep="\t") for path in folder.glob("*/*.tsv"))
        minutes = jobs["cpu_time"].sum() / 60
        rows.append(
            {
                "data set": folder.name,
                "networks": len(jobs),
                "CPU minutes": minutes,
                "longest, CPU minutes": jobs["cpu_time"].max() / 60,
                "peak MiB": jobs["max_rss"].max(),
                "five seeds, core hours": minutes / len(jobs) * 95 / 60,
            }
        )
    return pd.DataFrame(rows)


def floor_of(comparison: str) -> str:
    """Return how far one seed lies from the mean of the others, measure by measure."""
    found = pd.read_csv(HERE / "tables" / "repeatability.csv").query("comparison == @comparison")
    published = pd.read_csv(ROOT / "resources" / "published" / "repeatability.csv")
    published = published.query("data_set == @comparison").set_index("measure")["rho"]
    table = pd.DataFrame(
        {
            "measure": found["measure"],
            "one seed to the mean of the others": found["rho"],
            # of the published run, whose sampling was fitted to each pair
            "published": [
                published.get(name.removesuffix("_pairwise"), float("nan"))
                for name in found["measure"]
            ],
        }
    )
    return markdown(table, 3)


def null_section(untrained: list[pd.DataFrame]) -> str:
    """Return the section about networks before training, empty where there are none."""
    if not untrained:
        return ""
    table = pd.concat(untrained)
    table = table[["data_set", *(name for name in table.columns if name != "data_set")]]
    return f"""## Before and after training

Correlation: Spearman's, of the distances of trained networks with those of the same networks
before training. Near 1, a measure sees the architecture rather than the training.

{markdown(table, 3)}

"""


def page(study: Path, comparisons: list[str]) -> str:
    """Return the text of README.md."""
    sys.path.insert(0, str(ROOT / "src"))
    from netkin.paper.claims import overall

    tables = HERE / "tables"
    config = yaml.safe_load((HERE / "config.yaml").read_text())
    claims = pd.read_csv(tables / "claims.csv", keep_default_na=False, na_values=[""])
    beside = pd.read_csv(tables / "reproduction.csv")
    groups = beside[beside["quantity"] == "distance within group"]
    is_control = groups["group"] == "input_order"
    control = groups[is_control]
    others = groups[~is_control & (groups["statistic"] == "mean")]
    table_2 = beside[beside["quantity"] == "normalised difference of norms"]
    norms = pd.read_csv(tables / "norms.csv")
    ratios = pd.read_csv(tables / "norm_ratios.csv")
    columns = ["data_set", "group", "measure", "statistic", "ours", "published", "difference"]
    datasets = [name for name in comparisons if (tables / f"{name}.accuracy.csv").exists()]
    accuracy = pd.DataFrame(
        {
            "data set": name,
            "networks": int(table["seeds"].sum()),
            "seeds": int(table["seeds"].max()),
            "base network (width_512)": table.set_index("variant").loc["width_512", "mean"],
            "least of all": table["lowest"].min(),
            "largest of all": table["highest"].max(),
        }
        for name in datasets
        for table in [pd.read_csv(tables / f"{name}.accuracy.csv")]
    )
    untrained = [
        pd.read_csv(tables / f"{name}.untrained.csv").assign(data_set=name)
        for name in datasets
        if (tables / f"{name}.untrained.csv").exists()
    ]
    costs = pd.read_csv(tables / "costs.csv")
    paper = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
    seeds = (paper["study"] | config.get("study", {}))["seeds"]
    text = f"""# The paper, run

What `config/paper.yaml` with [config.yaml](config.yaml) gave, at commit
`{git("log", "-1", "--format=%H", "--", *MAKERS)}`, with {seeds} seeds.
Written by [collect.py](collect.py) from the tables of the run; no number here is typed by hand.
All tables are in [tables](tables), all matrices (mean and standard deviation over seeds) in
[matrices](matrices).

```yaml
{(HERE / "config.yaml").read_text().strip()}
```

## Verdicts

A case is one data set (and one experiment group). A claim holds in a case when the whole 95 %
interval over seeds (Student's t) is on its side, and undecided when the interval reaches to both.
Each case is in [claims.csv](tables/claims.csv).

{markdown(pd.DataFrame(overall(claims.to_dict("records"))))}

## The networks

Test accuracy:

{markdown(accuracy)}

## Table 3: control networks

Distances within the group of randomised input orders, in the matrix averaged over seeds and
divided by its largest entry.

{markdown(control[columns])}

## The other groups

{markdown(others[columns])}

## Table 2: norms, in both readings

{markdown(norms)}

Beside the published numbers, which are of all five data sets together:

{markdown(table_2[["measure", "statistic", "ours", "published", "difference"]])}

Norm of the difference of two control networks, over the same after the hidden units of one were
shuffled, which changes no function:

{markdown(ratios)}

{null_section(untrained)}## Control networks of all data sets

![](figures/control.overview.png)

{floor_of("control")}

## Distance matrices

Below each: Spearman's correlation, over all pairs of networks, of the matrix of one seed with the
mean of the others, the mean over seeds; no single run can be expected to agree better with a mean.
"""
    for name in comparisons:
        if name != "control":
            text += f"\n![](figures/{name}.overview.png)\n\n{floor_of(name)}\n"
    text += """
## Which measure sees what

How well each measure finds networks of one design and of one group, what its distances follow, and
which measures put the networks in the same order; [which_measure.md](../which_measure.md) says how
to read it. All numbers: [measures.csv](tables/measures.csv), [agreement.csv](tables/agreement.csv).
"""
    for name in datasets:
        text += f"\n![](figures/{name}.readings.png)\n\n![](figures/{name}.agreement.png)\n"
    text += "\n## Diagrams and learning curves\n"
    for name in datasets:
        text += f"\n![](figures/{name}.diagrams.png)\n\n![](figures/{name}.training.png)\n"
    return (
        text
        + f"""
## What it cost

On 2 cores without a GPU, two jobs at a time, beside other work on the same machine:

{markdown(costs, 1)}

Training by data set, at the sizes above, CPU time of one thread a job. The last column is the
paper's grid of 95 networks a data set at this size: on a cluster its jobs run side by side, so that
the longest of them and the number of cores decide. No GPU could be had, so none was timed.

{markdown(training_costs(study), 1)}
"""
    )


def main() -> None:
    """Collect and write."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    if git("status", "--porcelain", "--", *MAKERS):
        raise SystemExit("Commit first: the page names the commit that made the results.")
    study = Path(sys.argv[1])
    comparisons = collect(study)
    (HERE / "README.md").write_text(page(study, comparisons), encoding="utf-8")


if __name__ == "__main__":
    main()
