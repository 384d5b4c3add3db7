"""What two scores must share to be compared at all, and where two studies differ in it."""

import json
from collections.abc import Iterable, Iterator

_FORGOTTEN = frozenset({"package"})  # older versions noted their own number, which says nothing


def differences(before: str, after: str) -> Iterator[str]:
    """Yield in words each part in which two studies' comparability keys (JSON) differ."""
    first, second = json.loads(before), json.loads(after)
    for name in dict.fromkeys([*first, *second]):
        if name in _FORGOTTEN:
            continue
        old, new = first.get(name, "unknown"), second.get(name, "unknown")
        if old != new:
            yield f"{name} {old} and {new}"


def warning(keys: Iterable[str]) -> str:
    """Return what must be said where scores under these keys stand side by side; "" if nothing."""
    first, *others = dict.fromkeys(keys)
    found = dict.fromkeys(fault for other in others for fault in differences(first, other))
    return (
        f"their scores are not comparable, for they differ in {'; '.join(found)}" if found else ""
    )
