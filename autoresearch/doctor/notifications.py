"""Where notifications go, whether they can, and on request one to try."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from autoresearch.doctor.finding import Finding, fault, ok, refusal, warning
from autoresearch.errors import ProjectError
from autoresearch.notify import Address, Channel, Notification, addresses, channel
from autoresearch.notify.channels import WEB
from autoresearch.notify.notifier import sent

_HERE = ("localhost", "127.0.0.1", "::1")
_MEND = 'add `urls = ["$NOTIFY_URL"]` under [notify] in autoresearch.toml: docs/notifications.md'


def notifications(
    urls: tuple[str, ...], environment: Mapping[str, str], trial: Notification | None
) -> Iterator[Finding]:
    """Yield what there is to say of `[notify] urls`; `trial` is sent to each, None: nothing is."""
    if not urls:
        yield fault("notify", "there is no URL to send to", _MEND)
        return
    try:
        found = addresses(urls, environment)
    except ProjectError as error:
        yield refusal("notify", error)
        return
    for each in found:
        if each.literal and not _is_here(each):
            said = "stands in autoresearch.toml, which every trial can read"
            yield warning(each.name, said, 'put it into a variable, and write "$NAME" in its place')
        try:
            goes = channel(each)
        except ProjectError as error:
            yield refusal(each.name, error)
        else:
            yield _tried(goes, trial)


def _tried(goes: Channel, trial: Notification | None) -> Finding:
    if trial is None:
        return ok(goes.name, "can be sent to; `autoresearch doctor --notify` tries it")
    if why := sent(goes, trial):
        mend = "see that the service is up and the URL its own, then try again"
        return fault(goes.name, f"the test did not arrive: {why}", mend)
    return ok(goes.name, "the test was taken: see that it has arrived")


def _is_here(address: Address) -> bool:
    return address.scheme in WEB and urlsplit(address.url).hostname in _HERE
