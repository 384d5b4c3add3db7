"""The texts of a prompt: jinja2 files of the package, any of which a project may replace."""

import math
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    pass_context,
)
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from autoresearch.errors import ProposerError
from autoresearch.records.metric import Metric
from autoresearch.records.text import counted, safe_line

SUFFIX = ".md.j2"
OWN = Path(__file__).parent / "templates"
_FINER = 1  # digits more than people are shown: a model compares all numbers
_BROKEN = (
    TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError,
    RecursionError, OSError,
)  # fmt: skip


class Templates:
    """Renders templates. Values are only inserted: text in them is never read as a template."""

    def __init__(self, folder: Path | None) -> None:
        """Find the templates.

        Args:
            folder: the project's own ones, which replace ours of the same name; may be absent.

        Raises:
            ProposerError: one of its files replaces nothing.
        """
        own = sorted(path.name for path in OWN.glob(f"*{SUFFIX}"))
        for path in sorted(folder.glob(f"*{SUFFIX}")) if folder is not None else []:
            if path.name not in own:
                msg = f"{path} replaces no template: they are {', '.join(own)}"
                raise ProposerError(msg)
        places = [OWN] if folder is None else [folder, OWN]
        # Plain text for a model, no HTML. A template in the sandbox can only make text.
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(places),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(_FILTERS)

    def render(self, name: str, metric: Metric, **values: object) -> str:
        """Return a template's text with these values, without line ends around it.

        Args:
            name: the template's.
            metric: in whose direction scores and differences are shown.
            values: what else it may use.

        Raises:
            ProposerError: the template is broken; with its file, line and what is wrong.
        """
        try:
            return (
                self._environment.get_template(name + SUFFIX)
                .render(metric=metric, **values)
                .strip("\n")
            )
        except _BROKEN as fault:
            msg = f"{_place(fault, name)}: {safe_line(str(fault)) or type(fault).__name__}"
            raise ProposerError(msg) from None


def duration(seconds: float) -> str:
    """Return seconds as people write them: 45 s, 5 min, 1 h 20 min."""
    if seconds < 120:
        return f"{seconds:g} s" if seconds < 1 else f"{round(seconds)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def share(value: float) -> str:
    """Return a share in percent: 47 %, 0.4 %."""
    return f"{100 * value:.{0 if value >= 0.01 or not value else 1}f} %"


def curve(losses: Sequence[float | None]) -> str:
    """Return losses in a row, a dash where there is none."""
    return " ".join("-" if loss is None else f"{loss:.3f}" for loss in losses)


@pass_context
def score(context: Context, value: float) -> str:
    """Return a stored score in the metric's own direction."""
    return _metric(context).text(value, _FINER)


@pass_context
def delta(context: Context, value: float) -> str:
    """Return a stored difference in the metric's own direction, with its sign."""
    return _metric(context).delta(value, _FINER)


@pass_context
def size(context: Context, value: float) -> str:
    """Return a size (a noise, an error, a price), with enough digits not to look like 0."""
    least = -math.floor(math.log10(value)) if 0 < value < 1 else 0
    return f"{value:.{max(_metric(context).decimals + _FINER, least)}f}"


def _metric(context: Context) -> Metric:
    metric = context["metric"]
    assert isinstance(metric, Metric)
    return metric


def _place(fault: BaseException, name: str) -> str:
    if isinstance(fault, TemplateSyntaxError):
        return f"{fault.filename or fault.name or name + SUFFIX}, line {fault.lineno}"
    blocks = [each for each in traceback.extract_tb(fault.__traceback__)
              if each.filename.endswith(SUFFIX)]  # fmt: skip
    return f"{blocks[-1].filename}, line {blocks[-1].lineno}" if blocks else name + SUFFIX


_FILTERS = MappingProxyType(
    {
        "score": score,
        "delta": delta,
        "size": size,
        "share": share,
        "gib": lambda value: f"{value / 2**30:.2f}",
        "duration": duration,
        "curve": curve,
        "counted": counted,
    }
)
