"""Vectors: diagrams turned into arrays by the registered vectorisers."""

from netkin.vector.betti import BettiCurve
from netkin.vector.entropy import PersistenceEntropy
from netkin.vector.heat import Heat
from netkin.vector.landscape import Landscape
from netkin.vector.persistence_image import PersistenceImage
from netkin.vector.silhouette import Silhouette
from netkin.vector.vector import Vectoriser

VECTORISERS: dict[str, Vectoriser] = {
    "landscape": Vectoriser(Landscape, axes=1),
    "silhouette": Vectoriser(Silhouette, axes=1),
    "heat": Vectoriser(Heat, axes=2),
    "betti": Vectoriser(BettiCurve, axes=1),
    "persistence_image": Vectoriser(PersistenceImage, axes=2),
    "entropy": Vectoriser(PersistenceEntropy, axes=0),
}
"""Name -> vectoriser; its options are the keyword-only parameters of its class."""
