"""Notifications: what is told, to servers up, slow, dead and broken, and never a secret."""

import base64
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoresearch.commands.notifying import NotifyingWatcher, Outlets, notifying
from autoresearch.config import Keys, Project, Settings
from autoresearch.doctor.finding import Level
from autoresearch.doctor.notifications import notifications as findings
from autoresearch.errors import ProjectError
from autoresearch.notify import (
    Address,
    Channel,
    Kind,
    Notification,
    Notifier,
    addresses,
    channel,
    notifier,
    webhook,
)
from autoresearch.notify.notifier import sent
from autoresearch.records.events import (
    Event,
    ExperimentOpened,
    MoneyLow,
    NoProposal,
    Notice,
    ProposersOut,
    StandingChanged,
    StudyStopped,
    WaitCause,
    Waiting,
)
from autoresearch.records.money import Caps
from autoresearch.records.values import Category, Standing
from autoresearch.render import notifications
from autoresearch.render.notifications import Situation, notification, quoted
from autoresearch.report import study_report
from autoresearch.research.backoff import waiting
from tests.listener import Listener, dead_url
from tests.rendering import HOSTILE, Fabricated
from tests.stubs import Night, Scripted, make_project, variant
from tests.test_migrations import intent
from tests.test_render_live import NIGHT, OPENED

NOW = Situation("my-research").after(OPENED)
CONFIRMED = StandingChanged(
    2, Standing.CONFIRMED, "probability 0.99 by 4 pairs", 1.8432, "raise the rate", -0.07, 0.01
)
RESTING = Waiting("for a proposer, 300 s", WaitCause.PROPOSERS, 300.0)
SICK = Waiting("the machine cannot train: the driver is gone", WaitCause.MACHINE)
TOLD = Notification(Kind.TEST, "my-research: a test", "It works.")


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        yield server


def told(event: Event, now: Situation = NOW) -> tuple[Kind, str, str]:
    made = notification(event, now)
    assert made is not None
    return made.kind, made.title, made.text


# --- what is told


@pytest.mark.parametrize(
    ("event", "kind", "title", "text"),
    [
        (
            CONFIRMED,
            Kind.CONFIRMED,
            "my-research nov23: experiment 2 is confirmed",
            """\
raise the rate
effect -0.0700 ± 0.0100 bpb; best val_bpb 1.8432 (unsealed)
probability 0.99 by 4 pairs""",
        ),
        (
            StandingChanged(2, None, "the noise is larger"),
            Kind.UNCONFIRMED,
            "my-research nov23: experiment 2 is no longer confirmed",
            "the noise is larger",
        ),
        (
            ProposersOut("openai:m: the key was refused"),
            Kind.PROPOSERS,
            "my-research nov23: nobody is left to propose",
            "openai:m: the key was refused\nThe run ends once what is open has its verdict.",
        ),
        (
            RESTING,
            Kind.PROPOSERS,
            "my-research nov23: no proposer can be asked for 5 min",
            "It goes on by itself.",
        ),
        (
            SICK,
            Kind.MACHINE,
            "my-research nov23: the run stands still",
            "the machine cannot train: the driver is gone",
        ),
        (
            MoneyLow("the study's cap", 41.0, 50.0),
            Kind.MONEY,
            "my-research nov23: 82% of the study's cap are gone",
            "82% of the study's cap are spent or reserved: $41.00 of $50.00.",
        ),
    ],
)
def test_what_cannot_wait_is_told(event: Event, kind: Kind, title: str, text: str) -> None:
    assert told(event) == (kind, title, text)


@pytest.mark.parametrize(
    "event",
    [
        *NIGHT[1:-1],
        StandingChanged(2, Standing.REFUTED, "worse on fresh pairs"),
        Waiting("for a proposer, 20 s", WaitCause.PROPOSERS, 20.0),
        NoProposal("openai:m", "rate limited", None),
        Notice("the machine trains again"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_can_wait_until_the_morning_is_not(event: Event) -> None:
    assert notification(event, NOW) is None


def test_a_rest_says_why_until_somebody_proposes_again() -> None:
    now = NOW.after(NoProposal("openai:m", "rate limited", 300.0))
    now = now.after(NoProposal("anthropic:n", "overloaded", 300.0))
    assert told(RESTING, now)[2].startswith("openai:m: rate limited\nanthropic:n: overloaded\n")
    now = now.after(ExperimentOpened(4, "openai:m", "idea", Category.OTHER))
    assert told(RESTING, now)[2] == "anthropic:n: overloaded\nIt goes on by itself."


def test_a_wait_becomes_worth_a_word_after_minutes_and_a_sick_machine_is_at_once() -> None:
    told = [waiting("the disk is full", attempt) for attempt in range(20)]
    assert [at for at, event in enumerate(told) if event] == [0, 6]
    kinds = [notification(event, NOW) for event in told if event]
    assert kinds[0] is None
    assert kinds[1] is not None
    assert kinds[1].text == "the disk is full; so for 5 minutes by now"
    sick = [waiting("it fails", attempt, WaitCause.MACHINE) for attempt in range(20)]
    assert [at for at, event in enumerate(sick) if event] == [0]


def test_the_end_is_told_with_a_summary_in_words(tmp_path: Path) -> None:
    night = Fabricated(tmp_path)
    night.night()
    stopped = StudyStopped("the time is up")
    made = notifications.ended(stopped, study_report(night.registry, night.study), NOW, b"png")
    assert made.title == "my-research nov23: run ended: 0.0691 bpb below the baseline"
    assert made.text.startswith("Stopped: the time is up\n95%: ")
    assert "6 experiments" in made.text
    assert made.picture == b"png"
    unread = notifications.ended_unread(NIGHT[-1], NOW)  # type: ignore[arg-type]  # it is one
    assert "5 experiments: 2 kept (1 confirmed)" in unread.text


HOSTILE_TEXTS = (
    HOSTILE,
    "@everyone <!channel> <@U123> <https://evil|click>",
    "[click](http://evil) **bold** `code` ||spoiler||",
    "<script>alert(1)</script><img src=x>",
    "a\x00b\u2028c\u202ed\ud800e\ufe0f",
    "x" * 10_000,
    "line\r\nSubject: forged\r\n\r\nbody",
)


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_is_one_line_that_pings_and_links_nobody(text: str) -> None:
    events: list[Event] = [
        StandingChanged(2, Standing.CONFIRMED, text, 1.8, text, -0.1),
        StandingChanged(2, None, text),
        ProposersOut(text),
        Waiting(text, WaitCause.MACHINE),
    ]
    now = Situation(text).after(OPENED).after(NoProposal(text, text, None))
    for event in (*events, RESTING):
        made = notification(event, now)
        assert made is not None
        assert len(made.title) <= 100
        assert len(made.text) < 1200
        assert made.text.count("\n") <= 2
        shown = made.title + made.text.replace("\n", "")
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e\u2028\ufe0f]|[@<>`\[\]*|]|://", shown)
        shown.encode("utf-8")


def test_a_secret_is_hidden_before_it_is_cut() -> None:
    secret = "sk-" + "secret" * 8
    now = Situation("p", Keys({"OPENAI_API_KEY": secret}).redact).after(OPENED)
    for place in (200, 220, 238):
        assert "secret" not in told(ProposersOut("x" * place + secret), now)[2]
    assert quoted("see http://host/") == "see http:/ /host/"


# --- how it is sent


def test_a_webhook_gets_json_that_chat_programs_show(listener: Listener) -> None:
    with_picture = Notification(Kind.END, "title", "line 1\nline 2", b"\x89PNG")
    goes = channel(Address("$HOOK", listener.url("up"), literal=False))
    assert goes.send(with_picture) == ""
    assert goes.send(TOLD) == ""
    end, test = listener.bodies
    assert end == {
        "version": 1,
        "event": "end",
        "title": "title",
        "text": "title\nline 1\nline 2",
        "content": "title\nline 1\nline 2",
        "allowed_mentions": {"parse": []},
        "picture": base64.b64encode(b"\x89PNG").decode(),
    }
    assert (test["event"], test["picture"]) == ("test", None)


def fault_of(url: str, told: Notification = TOLD) -> str:
    return sent(channel(Address("$HOOK", url, literal=False)), told)


def test_what_fails_is_said_in_words_without_the_url(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "SECONDS", 0.1)
    for url, words in (
        (listener.url("500/token"), "it answered 500"),
        (listener.url("302/token"), "it answered 302"),
        (listener.url("slow/token"), "it did not answer in 0.1 s"),
        (dead_url(), "it cannot be reached (ConnectError)"),
        ("http://127.0.0.1:99999/token", "it cannot be reached (ConnectError)"),
    ):
        assert fault_of(url) == words


def test_where_the_picture_is_not_taken_the_words_are(listener: Listener) -> None:
    made = Notification(Kind.END, "title", "text", b"png")
    assert fault_of(listener.url("413"), made) == "it answered 413"
    assert [body["picture"] is None for body in listener.bodies] == [False, True]


class Odd:
    """A channel of a library that raises, and quotes its URL."""

    name = "$ODD"

    def send(self, _notification: Notification) -> str:
        msg = "http://host/secret"
        raise RuntimeError(msg)


class Stuck:
    """A channel that hangs until it is let go."""

    def __init__(self) -> None:
        self.name = "$STUCK"
        self.go = threading.Event()
        self.begun: list[Notification] = []

    def send(self, notification: Notification) -> str:
        self.begun.append(notification)
        self.go.wait(30)
        return ""


class Kept:
    """A channel that keeps what it gets, and fails as it is told."""

    def __init__(self, *faults: str) -> None:
        self.name = "$KEPT"
        self.got: list[str] = []
        self._faults = list(faults)

    def send(self, notification: Notification) -> str:
        self.got.append(notification.title)
        return self._faults.pop(0) if self._faults else ""


def titled(title: str) -> Any:
    return lambda: Notification(Kind.TEST, title, "")


def test_a_failing_channel_costs_a_line_until_it_works_again() -> None:
    said: list[str] = []
    kept = Kept("it answered 500", "it answered 500", "", "it answered 502")
    sender = Notifier([kept, Odd()], said.append)
    for number in range(4):
        sender.send(titled(str(number)))
    sender.close(30)
    assert kept.got == ["0", "1", "2", "3"]
    assert sorted(said) == [
        "no notification reached $KEPT: it answered 500; the run does without",
        "no notification reached $KEPT: it answered 502; the run does without",
        "no notification reached $ODD: it failed (RuntimeError); the run does without",
    ]


def test_a_hanging_channel_holds_up_neither_the_others_nor_the_end() -> None:
    said: list[str] = []
    stuck, kept = Stuck(), Kept()
    sender = Notifier([stuck, kept], said.append, seconds=0.05)
    sender.send(titled("first"))
    sender.send(titled("second"))
    sender.close(30)
    stuck.go.set()
    assert kept.got == ["first", "second"]
    assert [each.title for each in stuck.begun] == ["first"], "no threads pile up"
    assert said == [
        "no notification reached $STUCK: it did not answer in 0.05 s; the run does without"
    ]


def test_the_queue_is_bounded_and_the_end_waits_no_longer_than_it_may() -> None:
    said: list[str] = []
    stuck = Stuck()
    sender = Notifier([stuck], said.append, seconds=30)
    for number in range(3 * notifier.MOST_WAITING):
        sender.send(titled(str(number)))
    sender.close(0.05)
    assert said == ["not every notification could be sent in time"]
    assert sender._waiting.qsize() <= notifier.MOST_WAITING
    stuck.go.set()


def test_a_notification_that_cannot_be_made_is_a_line() -> None:
    said: list[str] = []
    kept = Kept()
    sender = Notifier([kept], said.append)

    def fails() -> Notification:
        raise ValueError

    sender.send(fails)
    sender.send(titled("next"))
    sender.close(30)
    assert (said, kept.got) == (["a notification could not be made (ValueError)"], ["next"])


# --- a run


class Seen:
    """Who looks on."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_event(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.lines.append(event.text)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "my-research", Settings())
    made.root.mkdir()
    made.make_state()
    return made


def test_a_night_is_told_over_servers_that_are_up_slow_dead_and_broken(
    project: Project, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "SECONDS", 0.1)
    Fabricated(project.state).night()
    urls = {"$UP": listener.url("up"), "$SLOW": listener.url("slow"), "$DEAD": dead_url()}
    urls["$BROKEN"] = listener.url("500/token-of-mine")
    where = tuple(channel(Address(name, url, literal=False)) for name, url in urls.items())
    seen = Seen()
    with notifying(project, seen, Outlets(where, str)) as watcher:
        for event in (*NIGHT[:-1], CONFIRMED, NIGHT[-1]):
            watcher.on_event(event)
    came = zip(listener.paths, listener.bodies, strict=True)
    kept, end = [body for path, body in came if path == "/up"]
    assert kept["title"] == "my-research nov23: experiment 2 is confirmed"
    assert end["title"] == "my-research nov23: run ended: 0.0691 bpb below the baseline"
    assert "Stopped: the time is up\n" in end["text"]
    assert base64.b64decode(end["picture"]).startswith(b"\x89PNG")
    assert [line.partition(":")[0] for line in sorted(seen.lines)] == [
        f"no notification reached ${name}" for name in ("BROKEN", "DEAD", "SLOW")
    ]
    assert "token" not in "".join(seen.lines)


def test_where_the_registry_cannot_be_read_the_end_is_told_all_the_same(project: Project) -> None:
    kept = Kept()
    with notifying(project, Seen(), Outlets((kept,), str)) as watcher:
        watcher.on_event(NIGHT[-1])
    assert kept.got == ["my-research: run ended"]


def test_without_urls_nobody_is_asked(project: Project) -> None:
    seen = Seen()
    with notifying(project, seen, Outlets.of(project, Keys({}), {})) as watcher:
        assert watcher is seen


def test_trouble_that_comes_and_goes_is_told_once_an_hour(project: Project) -> None:
    kept, now = Kept(), [0.0]
    sender = Notifier([kept], pytest.fail)
    watcher = NotifyingWatcher(project, sender, clock=lambda: now[0])
    for minute in (0, 10, 59, 61, 62):
        now[0] = minute * 60.0
        watcher.on_event(SICK)
        watcher.on_event(CONFIRMED)
    sender.close(30)
    assert sum("stands still" in title for title in kept.got) == 2
    assert sum("confirmed" in title for title in kept.got) == 5


def test_money_and_proposers_are_told_of_once_a_run(tmp_path: Path) -> None:
    night = Night(make_project(tmp_path / "p"), Scripted([variant(QUALITY=2.5)]))
    night.caps = Caps(study=0.6, run=100.0)
    night.registry.ledger(night.study(), Caps()).reserve(intent())
    night.run()
    told = [each for each in night.events if isinstance(each, MoneyLow | ProposersOut)]
    assert told[0] == MoneyLow("the study's cap", 0.5, 0.6)
    assert told[1:] in ([], [ProposersOut("the proposers have nothing more to try")])


# --- where it goes


@pytest.mark.parametrize(
    ("url", "environment", "words"),
    [
        ("$HOOK", {}, r"\$HOOK is not set: set it, or leave it out"),
        ("$HOOK", {"HOOK": " "}, r"\$HOOK is not set"),
        ("$HOOK", {"HOOK": "secret-token"}, r"\$HOOK is no URL"),
        ("https://", {}, "URL 1 is no URL"),
        ("http://[secret", {}, "URL 1 is no URL"),
    ],
)
def test_a_url_that_is_none_is_refused_before_the_night(
    url: str, environment: dict[str, str], words: str
) -> None:
    with pytest.raises(ProjectError, match=words) as fault:
        addresses([url], environment)
    assert "secret" not in str(fault.value)


def test_variables_and_literal_urls_are_told_apart() -> None:
    found = addresses(["$HOOK", "https://host/t", "$HOOK", "${HOOK}"], {"HOOK": "ntfy://topic"})
    assert [(each.name, each.scheme, each.literal) for each in found] == [
        ("$HOOK", "ntfy", False),
        ("URL 2", "https", True),
        ("${HOOK}", "ntfy", False),
    ]
    hook: Channel = channel(found[1])
    assert "host" not in repr(hook)


def test_without_the_extra_the_line_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ProjectError, match=r"\$HOOK needs apprise: `pip install 'autoresearch\[n"):
        channel(Address("$HOOK", "ntfy://topic", literal=False))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of modules that apprise imports
def test_apprise_delivers_with_the_picture_and_says_nothing_of_the_url(
    listener: Listener, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("apprise")
    up = listener.url("up").replace("http://", "json://")
    assert fault_of(up, Notification(Kind.END, "title", "a *b* <c>", b"\x89PNG")) == ""
    (body,) = listener.bodies
    assert (body["title"], body["message"]) == ("title", "a *b* <c>")
    assert base64.b64decode(body["attachments"][0]["base64"]) == b"\x89PNG"
    broken = listener.url("500/my-token").replace("http://", "json://")
    assert fault_of(broken) == "apprise could not deliver it"
    with pytest.raises(ProjectError, match="URL 1 is none that apprise knows"):
        channel(Address("URL 1", "secret://my-token", literal=True))
    assert capfd.readouterr() == ("", "")


# --- doctor


def test_doctor_tries_each_url_and_names_what_fails(listener: Listener) -> None:
    environment = {"UP": listener.url("up"), "DOWN": listener.url("500/token")}
    urls = ("$UP", "$DOWN", listener.url("up"), "https://hooks.example/token")
    found = list(findings(urls[:3], environment, TOLD))
    assert [(each.level, each.subject, each.said) for each in found] == [
        (Level.OK, "$UP", "the test was taken: see that it has arrived"),
        (Level.FAULT, "$DOWN", "the test did not arrive: it answered 500"),
        (Level.OK, "URL 3", "the test was taken: see that it has arrived"),
    ]
    assert [body["title"] for body in listener.bodies] == ["my-research: a test"] * 3
    warned, untried = findings(urls[3:], environment, None)
    assert (warned.level, untried.level) == (Level.WARNING, Level.OK)
    assert 'write "$NAME"' in warned.mend
    (unset,) = findings(("$GONE",), {}, TOLD)
    assert (unset.level, unset.mend) == (Level.FAULT, "set it, or leave it out")
    (nothing,) = findings((), {}, TOLD)
    assert "[notify]" in nothing.mend
