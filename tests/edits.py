"""Edits of a finished run of `tests.conftest.TINY`, and which jobs each may rerun."""

DISTANCES = {"compute_distances": 3, "summarise_distances": 3}
FIGURES = {"plot_distance_matrix": 3, "plot_deviation_matrix": 3, "plot_overview": 1}
SUMMARIES = {"tabulate_groups": 1, "tabulate_costs": 1}
MEASURES = {"tabulate_measures": 1, "plot_agreement": 1, "plot_readings": 1}
GROUPS = {**SUMMARIES, "tabulate_reproduction": 1, **MEASURES}
TRAINED = {"plot_training": 1, "tabulate_accuracy": 1, "tabulate_neural_persistence": 1}
DOWNSTREAM = {"compute_diagrams": 1, "vectorise_diagrams": 2}
ALL_DISTANCES = {**DISTANCES, **FIGURES, **GROUPS}
TOPOLOGY = {
    "compute_distances": 2,
    "summarise_distances": 2,
    "plot_distance_matrix": 2,
    "plot_deviation_matrix": 2,
    "plot_overview": 1,
    **GROUPS,
}
ONE_DISTANCE = {
    "compute_distances": 1,
    "summarise_distances": 1,
    "plot_distance_matrix": 1,
    "plot_deviation_matrix": 1,
    "plot_overview": 1,
    **GROUPS,
}
ONE_VECTOR = {"vectorise_diagrams": 1, **ONE_DISTANCE}
ALL_NETWORKS = {
    "train_network": 3,
    **DOWNSTREAM,
    **ALL_DISTANCES,
    **TRAINED,
    "plot_diagrams": 1,
}
EVERYTHING = {"prepare_dataset": 1, **ALL_NETWORKS}
"""Rule -> number of its jobs in the whole run."""

EDITS = {
    "another seed": (
        lambda c: c.set("study.seeds", 2),
        {
            "train_network": 3,
            **DOWNSTREAM,
            **ALL_DISTANCES,
            **TRAINED,
            # its title says which seed it shows
            "plot_diagrams": 1,
        },
    ),
    "another variant": (
        lambda c: c.set("study.variants", ["width_8", "width_16", "layers_3", "labels_2"]),
        {**ALL_NETWORKS, "train_network": 1},
    ),
    "epochs of a data set": (
        lambda c: c.set("dataset.digits.epochs", 2),
        ALL_NETWORKS,
    ),
    "threads of training": (
        lambda c: c.set("network.threads", 2),
        ALL_NETWORKS,
    ),
    "n_bins of one vector": (
        lambda c: c.set("vector.heat.n_bins", 30),
        ONE_VECTOR,
    ),
    "how graphs are read": (
        lambda c: c.set("graph.normaliser", "layer"),
        {**DOWNSTREAM, **ALL_DISTANCES, "plot_diagrams": 1},
    ),
    "how intervals are filtered": (
        lambda c: c.set("diagram.eta", 0.05),
        {"vectorise_diagrams": 2, **TOPOLOGY},
    ),
    "a plot option": (
        lambda c: c.set("figure.overview.colour_map", "cividis"),
        {"plot_overview": 1},
    ),
    "a paper that no table is about any more": (lambda c: c.set("study.paper", False), {}),
    "graphs as files": (
        lambda c: c.set("graph.export", True),
        {"export_graph": 3, "tabulate_costs": 1},
    ),
    "the device of distances": (lambda c: c.set("distance.device", "cpu"), {}),
    "the device of training": (lambda c: c.set("network.device", "auto"), ALL_NETWORKS),
    "one more measure of another group": (
        lambda c: c.set("distance.measures", ["landscape", "heat", "norm_1", "wasserstein"]),
        ONE_DISTANCE,
    ),
    "one more measure of a group": (
        lambda c: c.set("distance.measures", ["landscape", "heat", "norm_1", "frobenius"]),
        {
            "compute_distances": 1,
            # a file of both
            "summarise_distances": 2,
            "plot_distance_matrix": 2,
            "plot_deviation_matrix": 2,
            **GROUPS,
        },
    ),
    "an option of one measure": (
        lambda c: c.set("distance.p", 1.0),
        TOPOLOGY,
    ),
    "the data folder": (lambda c: c.set("data_folder", "elsewhere"), {}),
    "a comment in the library": (
        lambda c: c.edit("src/netkin/network/train.py", "import logging", "# why\nimport logging"),
        {},
    ),
    "a docstring in the library": (
        lambda c: c.edit("src/netkin/vector/heat.py", '"""Heat images', '"""Images'),
        {},
    ),
    "one vectoriser": (
        lambda c: c.edit("src/netkin/vector/heat.py", "1e5 * n_bins", "2e5 * n_bins"),
        ONE_VECTOR,
    ),
    "the engine": (
        lambda c: c.edit("src/netkin/diagram/flagser.py", '"max"', '"max" or "max"'),
        {"compute_diagrams": 1, "vectorise_diagrams": 2, **TOPOLOGY, "plot_diagrams": 1},
    ),
    "the training": (
        lambda c: c.edit("src/netkin/network/mlp.py", "widths = ", "widths = [] + "),
        ALL_NETWORKS,
    ),
    "all tables": (
        lambda c: c.edit("src/netkin/table/write.py", "1.45", "1.5"),
        {
            "tabulate_accuracy": 1,
            "tabulate_neural_persistence": 1,
            "tabulate_groups": 1,
            "tabulate_costs": 1,
            "tabulate_reproduction": 1,
            **MEASURES,
        },
    ),
    "one table": (
        lambda c: c.edit("src/netkin/table/accuracy.py", "4)", "5)"),
        {"tabulate_accuracy": 1},
    ),
    "one figure's drawing": (
        lambda c: c.edit("src/netkin/figure/training.py", "0.18", "0.2"),
        {"plot_training": 1},
    ),
    "the policy's code": (
        lambda c: c.edit("src/netkin/diagram/policy.py", "birth < capped", "capped > birth"),
        {"vectorise_diagrams": 2, **TOPOLOGY},
    ),
    "the vectors' file": (
        lambda c: c.edit("src/netkin/vector/vector.py", '"axes"', '"axes" or "axis"'),
        {"vectorise_diagrams": 2, **TOPOLOGY},
    ),
    "the summary": (
        lambda c: c.edit("src/netkin/distance/summary.py", "np.stack(", "np.array("),
        {"summarise_distances": 3, **FIGURES, **SUMMARIES},
    ),
    "what a registry says of an entry": (
        lambda c: c.edit("src/netkin/vector/__init__.py", "(Heat, axes=2)", "(Heat, axes=1)"),
        ONE_VECTOR,
    ),
    "a new entry in a registry": (
        lambda c: c.edit(
            "src/netkin/dataset/__init__.py",
            '"digits": load_digits',
            '"digits_again": load_digits,\n    "digits": load_digits',
        ),
        {},
    ),
    "the order of filtering": (
        lambda c: c.set("diagram.order", "cap_then_filter"),
        {"vectorise_diagrams": 2, **TOPOLOGY},
    ),
    "resolution of the PNG": (
        lambda c: c.set("figure.dpi", 90),
        {
            **FIGURES,
            "plot_training": 1,
            "plot_diagrams": 1,
            "plot_agreement": 1,
            "plot_readings": 1,
        },
    ),
    "a loader that is not used": (
        lambda c: c.edit("src/netkin/dataset/mnist.py", "784", "28 * 28"),
        {},
    ),
}
"""Edit -> what it does to a checkout, and {rule: number of jobs} that follow."""
