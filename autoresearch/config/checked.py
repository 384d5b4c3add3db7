"""The types that settings are checked by, beside those that Python has."""

import math
import reprlib
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator

from autoresearch.config.durations import parse_duration
from autoresearch.errors import ProjectError

# No key but the known ones; no text or truth value where a number is meant; no nan.
STRICTLY = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def require(holds: object, rule: str) -> None:
    """Raise what pydantic takes for a wrong setting, unless a rule of several settings holds."""
    if not holds:
        raise ValueError(rule)


def _duration(text: str) -> str:
    try:
        parse_duration(text)
    except ProjectError as fault:
        raise ValueError(str(fault)) from None
    return text


def _number(value: float) -> float:
    finite = type(value) in (int, float) and math.isfinite(value)
    require(finite, f"must be a number, not {reprlib.repr(value)}")
    return value


Amount = Annotated[float, Field(ge=0)]  # of US dollars
Duration = Annotated[str, AfterValidator(_duration)]
DurationOrNone = Annotated[str, AfterValidator(lambda text: text and _duration(text))]  # "": none
Number = Annotated[int | float, PlainValidator(_number)]  # a whole number stays one
