"""`promote`: kept experiments come home, with the evidence for them."""

from autoresearch.promotion.candidates import Promotable
from autoresearch.promotion.home import Promotion, Shape, promote
from autoresearch.promotion.manifest import Evidence, evidence_of, leave_manifest

__all__ = [
    "Evidence",
    "Promotable",
    "Promotion",
    "Shape",
    "evidence_of",
    "leave_manifest",
    "promote",
]
