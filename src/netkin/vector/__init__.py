"""Vectors: diagrams turned into arrays by the registered vectorisers."""

from netkin.vector.heat import heat
from netkin.vector.landscape import landscape
from netkin.vector.silhouette import silhouette
from netkin.vector.vector import Vectoriser

VECTORISERS: dict[str, Vectoriser] = {
    "landscape": Vectoriser(landscape, axes=1),
    "silhouette": Vectoriser(silhouette, axes=1),
    "heat": Vectoriser(heat, axes=2),
}
"""Name -> vectoriser; its options are the keyword-only parameters of its function."""
