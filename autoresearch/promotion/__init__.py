"""`promote`: kept experiments come home, with the evidence for them."""

from autoresearch.promotion.candidates import Promotable
from autoresearch.promotion.home import Promotion, Shape, promote
from autoresearch.promotion.manifest import Evidence, Manifest, evidence_of, manifest, replay
from autoresearch.promotion.picking import Promoted

__all__ = [
    "Evidence",
    "Manifest",
    "Promotable",
    "Promoted",
    "Promotion",
    "Shape",
    "evidence_of",
    "manifest",
    "promote",
    "replay",
]
