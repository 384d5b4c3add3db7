"""Maps the errors of every API and SDK to our own endings.

Status codes and error codes decide; a message's wording only where a server gives nothing else.
"""

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx2

from autoresearch.proposers.models.fields import entries, get_path, word
from autoresearch.proposers.waits import field_wait, requested_wait
from autoresearch.records.money import CallEnding

# Errors that an SDK passes on beside its own: broken connections and unreadable bodies.
WIRE_ERRORS = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    OSError,
    ValueError,
    RecursionError,
)
_NO_CREDIT = {
    "insufficient_quota", "billing_error", "billing_hard_limit_reached", "billing_not_active",
    "insufficient_credits", "insufficient_balance",
}  # fmt: skip
_TOO_LONG = {"context_length_exceeded", "request_too_large", "exceed_context_size_error"}
_REFUSED = {
    "invalid_prompt", "content_filter", "content_policy_violation", "bio_policy",
    "misalignment_policy_violation",
}  # fmt: skip
_KINDS = {
    CallEnding.UNAUTHORIZED: {"authentication_error", "permission_error", "invalid_api_key"},
    CallEnding.NOT_FOUND: {"not_found_error", "model_not_found"},
    CallEnding.RATE_LIMITED: {"rate_limit_error", "rate_limit_exceeded"},
    CallEnding.BAD_REQUEST: {"invalid_request_error", "bad_request_error", "badrequesterror"},
}
_STATUSES = {
    401: CallEnding.UNAUTHORIZED,
    402: CallEnding.NO_CREDIT,
    403: CallEnding.UNAUTHORIZED,
    404: CallEnding.NOT_FOUND,
    408: CallEnding.TIMED_OUT,
    409: CallEnding.OVERLOADED,
    413: CallEnding.TOO_LONG,
    425: CallEnding.OVERLOADED,
    429: CallEnding.RATE_LIMITED,
    # A gateway lost or gave up the request: behind it the model may go on, and be billed.
    502: CallEnding.CUT,
    504: CallEnding.TIMED_OUT,
    520: CallEnding.CUT,
    524: CallEnding.TIMED_OUT,
}
_SAYS_NO_CREDIT = re.compile(
    r"credit balance is too low|specified api usage limits|insufficient (credits|balance)"
)
_SAYS_TOO_LONG = re.compile(
    r"(maximum|available|model's|loaded with|exceeds?(?: the)?)(?: model's)?(?: maximum)?"
    r" context (length|size|window|limit)"
    r"|context (length|size|window|limit) (exceeded|of only|of \d+|is \d+)"
    r"|prompt is too long|input is too long|too many tokens|reduce the length"
    r"|request too large|maximum number of tokens allowed|n_keep.*n_ctx"
    r"|inputs?\W+(tokens \+|must have less than)"
)
# A limit on tokens a minute is no limit on a prompt, unless one request alone is above it.
_SAYS_WAIT = re.compile(r"\b(wait|retry|try again|per[- ]min|rate(?![a-z]))")
_SAYS_REQUEST_TOO_LARGE = re.compile(r"request too large")
_SAYS_NOT_FOUND = re.compile(
    r"model\b.{0,200}\b(not found|does not exist|not exist)|no models? load"
)
# A server's chat template may fail with a 500 for a role that it does not know.
_SAYS_ROLE = re.compile(r"\broles?\b.*(support|alternate)")
_SAYS_OTHER_API = re.compile(
    r"v1/(chat/completions|completions|responses|messages|embeddings|audio|images|realtime)\b"
    r"|responses api|chat[ _]?completions?\b|not a chat model"
)
_OTHER_API = (
    "it may be asked through another API: openai:MODEL speaks Responses, at OPENAI_BASE_URL, and "
    "openai:MODEL@BASE_URL Chat Completions"
)
_CLOSED = re.compile(r"disconnect|closed|incomplete|truncated|eof", re.IGNORECASE)


@dataclass(frozen=True)
class Fault:
    """Why an attempt brought no answer. `said` is the provider's own message, not yet made safe.

    `retry_after` is in seconds, if the provider asked to wait; `param` the parameter that it names.
    """

    ending: CallEnding
    said: str = ""
    status: int | None = None
    retry_after: float | None = None
    param: str = ""


def of_exception(error: Exception) -> Fault:
    """Return the fault that an SDK or its HTTP client raised."""
    response = getattr(error, "response", None)
    if isinstance(response, httpx2.Response):
        return of_error(getattr(error, "body", None), response.status_code, response.headers)
    if getattr(error, "body", None) is not None:
        return of_error(getattr(error, "body", None))
    cause = error.__cause__
    return _of_connection(cause if isinstance(cause, WIRE_ERRORS) else error)


def of_error(
    body: object, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Fault:
    """Return the fault in an error response, or in an error within a stream.

    Args:
        body: the decoded JSON, or the text if it is none.
        status: the response's; ignored below 300, where a stream had begun.
        headers: the response's, for how long to wait.
    """
    inner = _inner(body)
    message = _message(inner)
    kinds = {word(get_path(inner, name)).lower() for name in ("type", "code", "status")} - {""}
    status = status if status is not None and status >= 300 else _status(inner)
    if status is not None and status < 400 and headers is not None:
        message = f"it has moved to {headers.get('location', 'another address')}"
    ending = _ending(status, kinds, message.lower())
    wait, param = _asked_wait(headers or {}, body), word(get_path(inner, "param"))
    fault = Fault(ending, message, status, wait, param)
    misled = status in (400, 404) and param in ("", "model")
    return of_other_api(fault) if misled and _SAYS_OTHER_API.search(message.lower()) else fault


def of_other_api(fault: Fault) -> Fault:
    """Return the fault of asking a model, or a server, through an API that it does not have."""
    return replace(fault, ending=CallEnding.NOT_FOUND, said=f"{_OTHER_API}: {fault.said}")


def _asked_wait(headers: Mapping[str, str], body: object) -> float | None:
    """Return how many seconds to wait: by a header for that, else the body, else a rate limit."""
    now = datetime.now(UTC)
    for name in ("retry-after-ms", "retry-after"):
        if (asked := field_wait(name, headers.get(name), now)) is not None:
            return asked
    wait = requested_wait(json.dumps(body, ensure_ascii=False, default=str), now)
    return _reset(headers, now) if wait is None else wait


def _reset(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return in how many seconds the last rate limit is renewed that headers show as used up."""
    resets = [
        field_wait(name, value, now)
        for name, value in headers.items()
        if re.search("ratelimit.*reset", name, re.IGNORECASE)
        and headers.get(name.lower().replace("reset", "remaining"), "0") == "0"
    ]
    return max((each for each in resets if each is not None), default=None)


def _ending(status: int | None, kinds: set[str], message: str) -> CallEnding:
    if kinds & _NO_CREDIT or _SAYS_NO_CREDIT.search(message):
        return CallEnding.NO_CREDIT
    if status not in (401, 402, 403) and _too_long(status, kinds, message):
        return CallEnding.TOO_LONG
    if kinds & _REFUSED:
        return CallEnding.REFUSED
    if kinds & {"model_not_found"} or (status == 400 and _SAYS_NOT_FOUND.search(message)):
        return CallEnding.NOT_FOUND
    if status is not None:
        broken = status >= 500 and not _SAYS_ROLE.search(message)
        usual = CallEnding.OVERLOADED if broken else CallEnding.BAD_REQUEST
        return _STATUSES.get(status, usual)
    # Without a status the provider is to blame, unless the error's kind says that we are.
    return next(
        (ending for ending, names in _KINDS.items() if kinds & names), CallEnding.OVERLOADED
    )


def _too_long(status: int | None, kinds: set[str], message: str) -> bool:
    if kinds & _TOO_LONG:
        return True
    limited = status == 429 or bool(kinds & _KINDS[CallEnding.RATE_LIMITED])
    if limited and _SAYS_WAIT.search(message) and not _SAYS_REQUEST_TOO_LARGE.search(message):
        return False
    return _SAYS_TOO_LONG.search(message) is not None


def _inner(body: object) -> object:
    """Return the error object of a body: under "error", "detail", or the body itself."""
    body = get_path(body, 0) if len(entries(body)) == 1 else body  # Google's come in a list
    for name in ("error", "detail"):
        if isinstance(body, Mapping) and body.get(name):
            return body[name]
    return body


def _message(inner: object) -> str:
    message = get_path(inner, "message")
    if isinstance(message, str) and message:
        # A gateway's own message says little: that of the provider behind it is in here.
        raw = get_path(inner, "metadata", "raw")
        behind = raw if isinstance(raw, str) else json.dumps(raw, default=str) if raw else ""
        return f"{message}: {behind[:2000]}" if behind else message
    if isinstance(inner, str):
        return "" if inner.lstrip().startswith("<") else inner  # a gateway's HTML says nothing
    return "" if inner is None else json.dumps(inner, default=str)[:2000]


def _status(inner: object) -> int | None:
    for name in ("code", "status"):
        code = get_path(inner, name)
        if word(code).isdecimal() and 300 <= int(word(code)[:9]) < 600:
            return int(word(code))
    return None


def _of_connection(error: BaseException) -> Fault:
    message = str(error) or type(error).__name__
    # A request that never got through cannot have been billed.
    unreached = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, ssl.SSLError)
    if isinstance(error, unreached):
        return Fault(CallEnding.UNREACHABLE, message)
    if isinstance(error, httpx2.TimeoutException):
        return Fault(CallEnding.TIMED_OUT)
    if isinstance(error, httpx2.RemoteProtocolError):
        return Fault(CallEnding.CUT if _CLOSED.search(message) else CallEnding.MALFORMED, message)
    if isinstance(error, httpx2.NetworkError | OSError):
        return Fault(CallEnding.CUT, message)
    if isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol):
        return Fault(CallEnding.UNREACHABLE, message)
    return Fault(CallEnding.MALFORMED, f"{type(error).__name__}: {message}")
