"""The only part of the package that a training process touches. Standard library only.

`open_session()` gives `train.py` its seed, its clock and, when it says `start()`, its data:
from the harness over a socket when one is there, else from the prepared corpus, so that
``python train.py`` works alone, by hand.
"""

from autoresearch.runtime.session import Session, TrainData, open_session

__all__ = ["Session", "TrainData", "open_session"]
