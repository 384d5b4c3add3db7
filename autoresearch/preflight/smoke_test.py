"""A change trained for a few tiny steps on the CPU, to learn in seconds what fails at once.

Found are failing imports, names and shapes, a NaN, a missing `finish`, a checkpoint that does not
load, a model that looks ahead, a loop without an end. Not found is what only a real training shows:
lack of memory, slowness, whatever runs on an accelerator alone. A smoke test must not refuse what
would train, so:

- while the incumbent itself fails its smoke test, no change is refused; where that may have been
bad luck, the incumbent is tried again; - what is to run on an accelerator and fails for want of one
is not refused; - what fails at toy size, for a reason that may be the size, is tried at the
project's own size (batches aside), and refused only if it fails there too, and soon; - what takes
too long is refused only if the incumbent took less than a third of the time in which it had cores.

The code runs in the sandbox, under a guard, with made-up text: nothing is learned from it.
"""

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from autoresearch import patching
from autoresearch.config import Settings
from autoresearch.devices import HIDDEN
from autoresearch.preflight.answering import answered
from autoresearch.preflight.hidden import bears_on
from autoresearch.preflight.smoke_result import (
    MEMORY,
    SIZELESS,
    TIME,
    SmokeOutcome,
    SmokeResult,
    smoke_result,
)
from autoresearch.preflight.toy_project import ToySize, scaled, write_data, write_files
from autoresearch.process import Breach, ProcessResult, remove, run
from autoresearch.records.proposals import Rejection
from autoresearch.runtime.arrays import TORCH
from autoresearch.runtime.smoke import ANSWER_FD, Request
from autoresearch.sandbox import Sandbox

SEED = 1
TRIES = 3  # until a failure that may be bad luck is believed
_Key = tuple[str, int, bool]
# -P: a folder `autoresearch` in the tree must not stand in for this package.
_PROGRAM = (sys.executable, "-P", "-m", "autoresearch.runtime.smoke")
_PACKAGES = Path(__file__).parents[2]  # where `import autoresearch` finds this package


class SmokeTest:
    """Runs smoke tests; of equal files only once."""

    def __init__(
        self,
        settings: Settings,
        *,
        sandbox: Sandbox,
        work: Path,
        stop: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] = lambda _: None,
        furnish: Callable[[Path], None] = Path.mkdir,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Build it.

        Args:
            settings: the project's; `preflight` has the size, the steps and the timeout.
            sandbox: how untrusted code is started.
            work: an existing folder, in which each smoke test gets one that goes with it.
            stop: asked often; true ends a smoke test without a verdict.
            tell: called with one printable line, once for an incumbent, if changes to it are not
                smoke-tested: why.
            furnish: makes the folder that the text files are written into, and may put files
                there that are no text.
            now: the clock, in seconds.
        """
        self._settings = settings
        self._sandbox = sandbox
        self._work = work
        self._stop = stop
        self._tell = tell
        self._furnish = furnish
        self._now = now
        self._toy = ToySize.toy_of(settings)
        self._full = ToySize.full_of(settings)
        self._own = ToySize.own_of(settings)
        self._abstract = ToySize.abstract_of(settings)
        self._known: dict[_Key, SmokeResult] = {}
        self._tries: Counter[_Key] = Counter()
        self._reported: set[_Key] = set()

    @answered
    def run(self, files: Mapping[str, str], incumbent: Mapping[str, str]) -> Rejection | None:
        """Return why a training of these files would fail; None where nothing says so.

        Args:
            files: all text files of the project with the change, fixed ones too, path to text.
            incumbent: the same without the change.
        """
        if self._settings.preflight.steps == 0 or not self.trusts(incumbent):
            return None
        result = self._result(files, self._toy)
        if result.outcome is SmokeOutcome.PASSED:
            return self._hidden_fault(files, incumbent)
        if result.outcome is not SmokeOutcome.FAULT:
            return None
        if result.kind == TIME:
            usual = self._result(incumbent, self._toy)
            # On a machine whose cores others keep, the timeout says nothing of the change.
            own = usual.seconds - usual.starved
            excused = 3 * own >= self._toy.timeout - result.starved
        else:
            excused = result.kind not in SIZELESS and self._passes_at_full_size(files, result)
        return None if excused else Rejection(result.reason, result.detail)

    def verdict(self, files: Mapping[str, str]) -> SmokeResult:
        """Return the result of files at toy size, without any comparison with an incumbent."""
        return self._result(files, self._toy)

    def trusts(self, incumbent: Mapping[str, str]) -> bool:
        """Return whether the incumbent passes its own smoke test: else no change is tested.

        Args:
            incumbent: all its text files, path to text.
        """
        result = self._result(incumbent, self._toy)
        if result.outcome is not SmokeOutcome.PASSED:
            key = self._key(scaled(incumbent, self._toy, self._settings), self._toy)
            self._report_doubt(result, key)
        return result.outcome is SmokeOutcome.PASSED

    def _report_doubt(self, result: SmokeResult, key: _Key) -> None:
        """Tell the person once that an incumbent fails, as soon as that is believed."""
        if key not in self._reported and (result.is_final or self._tries[key] >= TRIES):
            self._reported.add(key)
            self._tell(result.doubt)

    def _passes_at_full_size(self, files: Mapping[str, str], at_toy_size: SmokeResult) -> bool:
        """Return whether what fails with toy values passes with the project's own."""
        if not self._fails(files, self._full):
            return True
        # Batches are small there, too, and it may have been their size that was checked.
        checked = at_toy_size.early and at_toy_size.kind == AssertionError.__name__
        return checked and self._result(files, self._abstract).outcome is SmokeOutcome.PASSED

    def _fails(self, files: Mapping[str, str], scale: ToySize) -> SmokeResult | None:
        """Return how files fail; None where they do not, or are only too large for a smoke test."""
        result = self._result(files, scale)
        too_large = result.kind == TIME or (result.kind == MEMORY and scale is not self._full)
        return None if result.outcome is not SmokeOutcome.FAULT or too_large else result

    def _hidden_fault(
        self, files: Mapping[str, str], incumbent: Mapping[str, str]
    ) -> Rejection | None:
        """Return a fault that the toy values hide, where a change touches constants that have them.

        It is looked for with tensors without numbers, which costs the same at any size, and
        believed only if it comes again with numbers.
        """
        editable = self._settings.target.editable
        old, new = (patching.matching(each, editable) for each in (incumbent, files))
        if not bears_on(old, new, self._toy.toy):
            return None
        guess = self._fails(files, self._abstract)
        if (
            guess is None
            or self._result(incumbent, self._abstract).outcome is not SmokeOutcome.PASSED
        ):
            return None
        proof = self._fails(files, self._own)
        proven = proof is not None and proof.kind == guess.kind
        return Rejection(proof.reason, proof.detail) if proof and proven else None

    def _result(self, files: Mapping[str, str], scale: ToySize) -> SmokeResult:
        """Return the result of files at a size, from memory if it is known already."""
        if scale.abstract and self._settings.evaluation.arrays != TORCH:
            return SmokeResult(SmokeOutcome.UNKNOWN)  # tensors without numbers are PyTorch's
        small = scaled(files, scale, self._settings)
        key = self._key(small, scale)
        if key in self._known:
            return self._known[key]
        ran = self._run(small, scale)
        if ran is not None and ran.breach is Breach.STOPPED:
            return SmokeResult(SmokeOutcome.UNKNOWN)
        self._tries[key] += 1
        if ran is None:  # not remembered: to try again costs little
            return SmokeResult(SmokeOutcome.MACHINE)
        result = smoke_result(
            ran,
            memory=scale.memory,
            timeout=scale.timeout,
            scale=str(scale),
            accelerator=self._settings.training.device != "cpu",
        )
        if result.is_final or self._tries[key] >= TRIES:
            self._known[key] = result
        return result

    def _key(self, small: Mapping[str, str], scale: ToySize) -> _Key:
        return patching.effect_hash(small), scale.context, scale.abstract

    def _run(self, files: Mapping[str, str], scale: ToySize) -> ProcessResult | None:
        """Return how a smoke test went; None where this machine cannot run one."""
        place = None
        try:
            place = Path(tempfile.mkdtemp(prefix="smoke-", dir=self._work)).resolve()
            return self._start(files, scale, place)
        except (OSError, ValueError):
            return None
        finally:
            if place is not None:
                remove(place)

    def _start(self, files: Mapping[str, str], scale: ToySize, place: Path) -> ProcessResult:
        tree, scratch, data = place / "tree", place / "scratch", place / "data"
        vocab = self._settings.corpus.vocab_size
        self._furnish(tree)
        write_files(files, tree)
        (scratch / "out").mkdir(parents=True)
        request = Request(
            steps=scale.steps,
            context=scale.context,
            vocab=vocab,
            seed=SEED,
            budget=self._settings.budget().training,
            clock=self._settings.training.clock,
            patience=scale.timeout / 4,
            out=str(scratch / "out"),
            data=str(data),
            token_bytes=write_data(data, vocab=vocab, context=scale.context),
            memory=scale.memory,
            abstract=scale.abstract,
            arrays=self._settings.evaluation.arrays,
        )
        limits = replace(self._settings.limits(), threads=scale.threads, memory=scale.memory)
        environment = self._sandbox.environment(scratch, limits)
        command = self._sandbox.command(
            [*_PROGRAM, self._settings.target.entry, json.dumps(asdict(request))],
            readable=[tree, data, _PACKAGES / "autoresearch"],
            writable=[scratch],
            limits=limits,
        )
        # Accelerators are hidden from it: another training may have them.
        more = {"PYTHONPATH": str(_PACKAGES), **HIDDEN}
        return run(
            command, answer_variable=ANSWER_FD, cwd=tree, env={**environment, **more},
            limits=limits, timeout=scale.timeout, stop=self._stop, now=self._now,
        )  # fmt: skip
