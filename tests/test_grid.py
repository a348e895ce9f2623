from netkin.source.variants import generate_variants, group_bounds

PAPER = {
    "base_width": 512,
    "base_hidden_layers": 2,
    "width": [128, 256, 512, 1024],
    "layers": [2, 4, 6, 8, 10],
    "input_order": 5,
    "labels": [2, 4, 6, 8, 10],
}


def test_grid_is_table_1_of_the_paper():
    variants = generate_variants(**PAPER)
    assert [v.index for v in variants] == list(range(1, 20))
    assert [v.name for v in variants] == [
        *("width_128", "width_256", "width_512", "width_1024"),
        *("layers_2", "layers_4", "layers_6", "layers_8", "layers_10"),
        *(f"input_order_{i}" for i in range(1, 6)),
        *("labels_2", "labels_4", "labels_6", "labels_8", "labels_10"),
    ]


def test_each_variant_changes_one_thing_of_the_base():
    for v in generate_variants(**PAPER):
        changes = {
            "width": v.width != 512,
            "layers": v.hidden_layers != 2,
            "input_order": v.randomisation is not None,
            "labels": v.n_labels is not None,
        }
        assert [name for name, changed in changes.items() if changed] in ([], [v.group])


def test_groups_are_half_open_ranges_of_positions():
    groups = [v.group for v in generate_variants(**PAPER)]
    assert group_bounds(groups) == {
        "width": (0, 4),
        "layers": (4, 9),
        "input_order": (9, 14),
        "labels": (14, 19),
    }
