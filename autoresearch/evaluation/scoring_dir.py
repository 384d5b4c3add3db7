"""The folder in which the servers of one scoring run, and what they may read of the trial."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autoresearch.process import link_tree
from autoresearch.records.training import Limits
from autoresearch.runtime.arrays import TORCH
from autoresearch.sandbox import Sandbox


@dataclass(frozen=True)
class ScoringDir:
    """A folder of the evaluator's own, where no trial can have written, and how servers start.

    Servers may read `shown`, which is empty until `show` is called: so they can be started before
    there is anything to score. Each may write to a folder of its own beside it.
    """

    place: Path
    entry: str
    device: str
    sandbox: Sandbox
    limits: Limits
    arrays: str = TORCH  # what the model takes and gives: tensors of PyTorch, or NumPy's arrays
    stop: Callable[[], bool] = lambda: False  # asked often; true ends every wait for a server

    def __post_init__(self) -> None:
        """Make the folder that servers may read."""
        self.shown.mkdir(parents=True)

    @property
    def shown(self) -> Path:
        """What every server may read."""
        return self.place / "shown"

    @property
    def tree(self) -> Path:
        """Where the tree is, once it is shown."""
        return self.shown / "tree"

    @property
    def checkpoint(self) -> Path:
        """Where the checkpoint is, once it is shown."""
        return self.shown / "checkpoint"

    def scratch(self, name: str) -> Path:
        """Make the folder that the server of this name may write; return it."""
        folder = self.place / name
        folder.mkdir()
        return folder

    def show(self, tree: Path, checkpoint: Path) -> None:
        """Let the servers see a tree and a checkpoint. Files are linked where that can be done."""
        link_tree(tree, self.tree)
        link_tree(checkpoint, self.checkpoint)
