"""A report that is served: over real HTTP, with nothing but the standard library on either side."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from autoresearch.commands.serving import LivePage, ReportServer, Source
from autoresearch.errors import ProjectError, RegistryBusyError
from autoresearch.records.notes import Note
from autoresearch.records.values import TrialState, Verdict
from autoresearch.report import StudyReport, study_report
from tests.browser import CHROMIUM, browser
from tests.rendering import START, Fabricated


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    text: str


class Night(Fabricated):
    """A study at work that counts how often it is read; `busy` while another program holds it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.busy, self.reports, self.clock = False, 0, 0.0
        self.took = 0.0
        self.night()
        path = folder / "registry.db"
        files = (path, path.with_name("registry.db-wal"))
        source = Source(files, self._revision, self._report)
        self.live = LivePage(source, now=lambda: self.clock)

    def _revision(self) -> str:
        if self.busy:
            msg = "the registry is locked by another program"
            raise RegistryBusyError(msg)
        return self.registry.revision(self.study)

    def _report(self) -> StudyReport:
        self.reports += 1
        self.clock += self.took
        return study_report(self.registry, self.study)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


@contextmanager
def serving(live: LivePage) -> Iterator[ReportServer]:
    with ReportServer(live) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server(night: Night) -> Iterator[ReportServer]:
    with serving(night.live) as found:
        yield found


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReportServer]:
    with serving(Night(tmp_path_factory.mktemp("quiet")).live) as found:
        yield found


def asked(
    server: ReportServer, path: str = "", *, method: str = "GET", host: str | None = None
) -> Answer:
    address, port = server.server_address[:2]
    connection = http.client.HTTPConnection(str(address), int(port), timeout=20)
    headers = {} if host is None else {"Host": host}
    connection.request(method, path or f"/{server.token}/", headers=headers)
    found = connection.getresponse()
    text = found.read().decode()
    connection.close()
    return Answer(found.status, found.headers, text)


def version(server: ReportServer) -> str:
    return asked(server, f"/{server.token}/version").text


def test_the_page_is_served_with_the_version_that_it_is_of(quiet: ReportServer) -> None:
    found = asked(quiet)
    assert (found.status, found.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f'data-live="{version(quiet)}"' in found.text
    assert "connect-src &#39;self&#39;; " in found.text
    assert found.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert found.headers["Cache-Control"] == "no-store"
    assert quiet.server_address[0] == "127.0.0.1"
    assert quiet.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [
        ("GET", "", "localhost", 200),
        ("GET", "", "LOCALHOST:9000", 200),  # a tunnel
        ("GET", "", "[::1]:9000", 200),
        ("GET", "", "evil.example", 403),
        ("GET", "", "evil.example:80", 403),
        ("GET", "", "127.0.0.1.evil.example", 403),
        ("GET", "", "evil@localhost", 403),
        ("GET", "", "", 403),
        ("GET", "/", None, 404),
        ("GET", "/guessed/", None, 404),
        ("GET", "/../registry.db", None, 404),
        ("GET", "//127.0.0.1/", None, 404),
        ("POST", "", None, 405),
        ("OPTIONS", "", None, 405),
        ("HEAD", "", None, 405),
        ("BREW", "", None, 501),
    ],
)
def test_only_who_asks_this_machine_for_this_address_to_read_is_answered(
    quiet: ReportServer, method: str, path: str, host: str | None, status: int
) -> None:
    found = asked(quiet, path, method=method, host=host)
    assert found.status == status
    assert ("<html" in found.text) is (status == 200)


def test_what_is_no_request_is_answered_or_left(quiet: ReportServer) -> None:
    for said in (b"\r\n\r\n", b"GET\r\n\r\n", b"\x00\xff" * 40, b"GET /" + b"a" * 70_000):
        with socket.create_connection(("127.0.0.1", quiet.server_address[1]), timeout=20) as line:
            line.sendall(said)
            line.shutdown(socket.SHUT_WR)
            line.recv(100)
    assert asked(quiet).status == 200


def test_what_is_new_has_another_version_and_a_sign_of_life_has_not(
    night: Night, server: ReportServer
) -> None:
    before = version(server)
    trial = night.trial(night.add(None, parent=2), None, state=TrialState.RUNNING, ending=None)
    begun = version(server)
    assert begun != before
    night.registry.heartbeat()
    assert version(server) == begun
    night.registry.save(trial.model_copy(update={"state": TrialState.DONE, "val_bpb": 1.8}))
    ended = version(server)
    assert ended != begun
    night.registry.save(Note(study_id=night.study.id or 0, text="look closer", created_at=START))
    assert version(server) != ended
    assert "look closer" in asked(server).text


def test_a_page_is_made_once_for_all_who_ask(night: Night, server: ReportServer) -> None:
    assert asked(server).text == asked(server).text
    assert night.reports == 1


def test_after_a_page_the_machine_is_left_to_its_trainings(
    night: Night, server: ReportServer
) -> None:
    night.took = 2.0
    before = asked(server)
    night.add(Verdict.CRASH, hypothesis="twice as deep")
    night.clock += 17.9
    assert asked(server).text == before.text
    night.clock += 0.2
    assert "twice as deep" in asked(server).text


def test_while_the_registry_is_busy_that_is_said_and_then_it_goes_on(
    night: Night, server: ReportServer
) -> None:
    before = version(server)
    night.busy = True
    assert version(server) == before  # nothing was written: nobody has to ask it
    night.add(Verdict.CRASH, hypothesis="twice as deep")
    found = asked(server, f"/{server.token}/version")
    assert (found.status, found.text) == (503, "the registry is locked by another program\n")
    assert asked(server).status == 503
    night.busy = False
    assert "twice as deep" in asked(server).text


def test_a_port_that_is_taken_is_a_fault_in_one_line(server: ReportServer, night: Night) -> None:
    with pytest.raises(ProjectError, match="cannot be had"):
        ReportServer(night.live, server.server_address[1])


@pytest.mark.thorough
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")
def test_in_a_browser_it_follows_the_study_and_keeps_the_readers_place(
    night: Night, tmp_path: Path
) -> None:
    for number in range(60):
        night.add(Verdict.DISCARD, 1.85 + number / 1e4, f"idea {number}", delta=0.01, parent=2)
    with serving(night.live) as server, browser(tmp_path / "profile") as tab:
        tab.open(server.url, width=1000, height=600)
        tab.wait("document.getElementById('live').textContent.startsWith('live')")
        tab.run("document.getElementById('find').value = 'idea'")
        tab.run("document.getElementById('find').oninput()")
        tab.click("#experiments tbody tr:nth-child(3) button")
        tab.wait("document.querySelector('dialog').open")
        tab.press("Escape")
        tab.run("scrollTo(0, 700)")
        tab.run("zoomed = document.querySelectorAll('[data-chart=progress] circle').length")
        night.add(Verdict.KEEP, 1.7, "idea of the morning </script>", delta=-0.1, parent=2)
        tab.wait("document.querySelector('#experiments tbody').innerText.includes('morning')")
        assert tab.run("scrollY") == 700
        assert tab.run("document.getElementById('find').value") == "idea"
        assert "1.7000" in tab.run("document.querySelector('header').innerText")
        night.busy = True
        night.add(Verdict.CRASH, hypothesis="unseen")
        tab.wait("document.getElementById('live').textContent.includes('locked')")
        night.busy = False
        tab.wait("document.getElementById('live').textContent.startsWith('live')")
        assert {json.loads(each)["entry"]["text"][:60] for each in tab.said} <= {
            "Failed to load resource: the server responded with a status ",
        }
        assert {each.removeprefix(server.url) for each in tab.asked} == {"", "version"}
