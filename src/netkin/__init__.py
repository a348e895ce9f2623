"""How similar are trained neural networks.

The stages, in flow order: dataset -> network -> graph -> diagram -> vector ->
distance -> figure and table. Each noun is a subpackage here, a rule file, a
results folder and a config section.
"""

__version__ = "0.1.0"
