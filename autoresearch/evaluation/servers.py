"""The two model servers of one scoring, from their start to their death."""

import time
from contextlib import ExitStack
from pathlib import Path

from autoresearch.evaluation.scoring_dir import ScoringDir
from autoresearch.evaluation.server import ServerHandle
from autoresearch.process import remove


class Servers:
    """Two servers that share nothing but what is shown to both; `close` kills them.

    Until `load` they run nothing but this package and PyTorch or NumPy: a pair that waits has seen
    no tree, no checkpoint and no text.
    """

    def __init__(self, scoring_dir: ScoringDir) -> None:
        """Start them; do not wait.

        Raises:
            EvaluationError: the machine cannot start a process.
        """
        self.scoring_dir = scoring_dir
        self._deadline = time.monotonic()
        with ExitStack() as stack:
            stack.callback(remove, scoring_dir.place)
            # The names say nothing, so that no server can tell which of the two it is.
            self.pair = tuple(
                stack.enter_context(ServerHandle.start(scoring_dir, name)) for name in ("a", "b")
            )
            self._held = stack.pop_all()

    @property
    def alive(self) -> bool:
        """Tell whether both run."""
        return all(server.alive for server in self.pair)

    def greet(self) -> None:
        """Wait until both have their library in memory and wait themselves.

        Raises:
            EvaluationError: they cannot run here.
        """
        for server in self.pair:
            server.greet()

    def load(self, tree: Path, checkpoint: Path, timeout: float) -> None:
        """Show them what is to be scored and ask them to load it; wait for their greeting only.

        From now on there are `timeout` seconds for all that is asked of them.

        Raises:
            EvaluationError: they cannot run here.
        """
        self.scoring_dir.show(tree, checkpoint)
        self.greet()
        self._deadline = time.monotonic() + timeout
        for server in self.pair:
            server.deadline = self._deadline
            server.post(
                "load",
                bytes(8),  # two tokens 0, which are in every vocabulary
                checkpoint=str(self.scoring_dir.checkpoint),
                device=self.scoring_dir.device,
                threads=self.scoring_dir.limits.threads,
                arrays=self.scoring_dir.arrays,
            )

    def tokenizer(self) -> ServerHandle:
        """Start a third server, for the tree's own tokenizer, with what is left of the time.

        Call it after `load`.

        Raises:
            EvaluationError: the machine cannot start a process.
        """
        server = ServerHandle.start(self.scoring_dir, "tokenizer", models=False)
        server.deadline = self._deadline
        return server

    def close(self) -> None:
        """Kill both and all that they started; nothing is left of their folders."""
        self._held.close()
