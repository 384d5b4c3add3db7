"""Text from the Hugging Face hub (or a local dataset folder), streamed through `datasets`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from autoresearch.corpus.columns import FIELDS, SAMPLE, Names, TextColumns, text_of
from autoresearch.corpus.documents import Flaw
from autoresearch.corpus.files import is_full
from autoresearch.errors import CorpusError

_PATIENCE = 10.0  # seconds until a silent hub counts as no network
_RETRIES = 3


@dataclass(frozen=True)
class HubSource:
    """The train split of a dataset, read in its own order."""

    name: str
    dataset: str
    config: str | None = None
    text_column: str = ""
    unread: ClassVar[str] = ""

    @property
    def spec(self) -> str:
        """The short name if it has one, else ``hf:NAME[:CONFIG]``."""
        if self.name != self.dataset:
            return self.name
        return f"hf:{self.dataset}" + (f":{self.config}" if self.config else "")

    @property
    def signature(self) -> str:
        """The dataset's name and configuration; more would need the network."""
        column = [self.text_column] if self.text_column else []
        return json.dumps(["hf", self.dataset, self.config, *column])

    @property
    def total(self) -> None:
        """None: it is unknown before reading."""
        return

    def open(self, state: str | None) -> "HubReader":
        """Return a reader from the start, or from where `state` was taken.

        Raises:
            CorpusError: no network, no such dataset, or no text in it.
        """
        revision, position, *chosen = json.loads(state) if state else (None, None)
        columns = TextColumns(self.text_column)
        with _library_faults(self.dataset):
            revision = revision or _revision(self.dataset)
            stream = _stream(self.dataset, self.config, revision)
            names = tuple(chosen) or _names(self.dataset, stream, columns)
            if position is not None:
                stream.load_state_dict(position)
        return HubReader(self.dataset, stream, revision, names, columns.guessed)


@dataclass(frozen=True)
class HubReader:
    """Reads the documents of one dataset at one revision.

    `guessed` is the column taken for the text though nobody named it, if there is one.
    """

    _dataset: str
    _stream: Any
    _revision: str | None
    _names: Names
    guessed: dict[str, str]

    def __iter__(self) -> Iterator[bytes | Flaw]:
        with _library_faults(self._dataset):
            for record in self._stream:
                yield text_of(record, self._names)

    def state(self) -> str:
        """Return the revision, the stream's own position and the columns."""
        return json.dumps([self._revision, self._stream.state_dict(), *self._names])


def _revision(dataset: str) -> str | None:
    """Return the commit to read, so that a resumed download reads on in the same text.

    Asking also finds a missing network at once; `datasets` would retry for half a minute first.
    """
    if Path(dataset).exists():
        return None
    from huggingface_hub import HfApi  # noqa: PLC0415 - a second to import; only the hub needs it

    commit: str | None = HfApi().dataset_info(dataset, timeout=_PATIENCE).sha
    return commit


def _stream(dataset: str, config: str | None, revision: str | None) -> Any:
    import datasets  # noqa: PLC0415 - over a second to import; only the hub needs it

    datasets.disable_progress_bars()  # we draw our own
    # Each try holds half a minute of tries itself: the default, 20, is ten silent minutes.
    datasets.config.STREAMING_READ_MAX_RETRIES = _RETRIES
    datasets.config.STREAMING_OPEN_MAX_RETRIES = _RETRIES
    return datasets.load_dataset(dataset, config, split="train", streaming=True, revision=revision)


def _names(dataset: str, stream: Any, columns: TextColumns) -> Names:
    """Return the columns of the text; the first records are fetched if the names do not tell."""
    kinds = {name: getattr(each, "dtype", "") for name, each in (stream.features or {}).items()}
    strings = [name for name, kind in kinds.items() if "string" in kind]
    if {*FIELDS} & {*strings} and not columns.wanted:
        return FIELDS
    shape: dict[str, object] = {**dict.fromkeys(kinds), **dict.fromkeys(strings, "")}
    return columns.choose(dataset, [shape, *stream.take(SAMPLE)])


@contextmanager
def _library_faults(dataset: str) -> Iterator[None]:
    try:
        yield
    except CorpusError:
        raise
    except OSError as fault:
        if is_full(fault):
            raise  # `disk_faults` reports it
        raise CorpusError(_explain(dataset, fault)) from fault
    except Exception as fault:
        raise CorpusError(_explain(dataset, fault)) from fault


def _explain(dataset: str, fault: Exception) -> str:
    names = {kind.__name__ for kind in type(fault).__mro__}
    if "GatedRepoError" in names:
        return f"{dataset} asks for an agreement on the hub: accept it there, then `hf auth login`"
    if names & {"RepositoryNotFoundError", "HFValidationError", "DatasetNotFoundError"}:
        return f"no dataset {dataset} on the hub (or it is private: `hf auth login`)"
    if names & {"OfflineModeIsEnabled"}:
        return f"cannot fetch {dataset}: HF_HUB_OFFLINE is set; `--corpus stdlib` needs no network"
    if names & {"TransportError", "ConnectionError", "TimeoutError", "LocalEntryNotFoundError"}:
        again = "run `autoresearch prepare` again when there is one (it continues)"
        return f"no network to fetch {dataset}: {again}, or take `--corpus stdlib`"
    lines = str(fault).splitlines() or [""]
    return f"cannot read {dataset}: {type(fault).__name__}: {lines[0][:200]}"
