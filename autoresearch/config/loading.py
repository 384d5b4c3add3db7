"""From TOML to settings: every key must be known, every value of the right type and sensible."""

import difflib
import json
import reprlib
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from autoresearch.config.settings import Settings
from autoresearch.errors import ProjectError

# Sections under the names that studies of earlier versions have in their base commit.
_RENAMED = {"racing": "pruning"}
_ADAPTER = TypeAdapter(Settings)
_UNKNOWN = "unexpected_keyword_argument"  # what pydantic calls it


def load_settings(path: Path) -> Settings:
    """Return the settings in a file; every key must be known and of the right type.

    Raises:
        ProjectError: unreadable, not TOML, an unknown key, a wrong value.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        for old, name in _RENAMED.items():
            if old in document and name not in document:
                document[name] = document.pop(old)
        # By way of JSON: of an array and a table pydantic makes, strictly, a tuple and a section.
        return _ADAPTER.validate_json(json.dumps(document))
    except ValidationError as wrong:
        msg = f"{path.name}{_described(wrong)}"
    except TypeError:  # json knows neither
        msg = f"{path.name}: no setting is a date or a time of day"
    except (OSError, ValueError, RecursionError) as fault:  # no TOML, or numbers of any length
        msg = f"{path.name}: {fault}"
    raise ProjectError(msg)


def _described(wrong: ValidationError) -> str:
    """Return in one line what is wrong, and where; an unknown setting before what it leaves out."""
    faults = sorted(wrong.errors(), key=lambda each: each["type"] != _UNKNOWN)
    loc, kind, what = faults[0]["loc"], faults[0]["type"], faults[0]["msg"]
    if kind == _UNKNOWN:
        near = difflib.get_close_matches(str(loc[-1]), _known(loc[:-1]), n=1)
        what = f"unknown setting {loc[-1]!r}" + "".join(f"; did you mean {each}?" for each in near)
        loc = loc[:-1]
    elif kind == "missing":
        what = "is missing"
    elif kind == "value_error":
        what = what.removeprefix("Value error, ")
    else:
        what = what.replace("Input should be", "must be").replace("an object", "a table")
        what = f"{what}, not {reprlib.repr(faults[0]['input'])}"
    where = "".join(f"[{each}]" if isinstance(each, int) else f" {each}" for each in loc)
    return f"{where}: {what}"


def _known(section: tuple[int | str, ...]) -> list[str]:
    """Return the names of the settings in a section."""
    kind: Any = Settings
    for name in section:
        if is_dataclass(kind):
            kind = next(each.type for each in fields(kind) if each.name == name)
        else:
            kind = get_args(kind)[-1 if isinstance(name, str) else 0]
    return [each.name for each in fields(kind)]
