"""Which sandbox is found, what is said of those that are not, and how files are laid out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch.records.training import Limits
from autoresearch.records.values import Trust
from autoresearch.sandbox import Bubblewrap, detect, detection, examine, paths
from autoresearch.sandbox.paths import Link, Mode
from tests import sandboxes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no sandbox elsewhere")
PACKAGES = Path(__file__).parent.parent


def without_bubblewrap(tmp_path: Path, script: str = "") -> dict[str, str]:
    """Return an environment with no bwrap on its path, or with this one."""
    if script:
        (tmp_path / "bwrap").write_text(f"#!/bin/sh\n{script}")
        (tmp_path / "bwrap").chmod(0o755)
    return {"PATH": str(tmp_path)}


def test_the_strongest_that_holds_is_taken() -> None:
    sealed = sandboxes.level("bubblewrap")
    found = examine(os.environ)
    assert (found.sandbox.name, found.sandbox.trust) == (sealed.name, Trust.SEALED)
    assert found.notes == ()
    assert detect(os.environ).name == "bubblewrap"


def test_what_is_missing_is_named_with_its_mend(tmp_path: Path) -> None:
    found = examine(without_bubblewrap(tmp_path))
    assert "apt install bubblewrap" in found.notes[0]
    assert found.sandbox.trust is Trust.UNSEALED


RECENT = 'test "$1" = --version && echo bubblewrap 0.9.0 && exit\n'
BROKEN = {
    "too old": ("echo bubblewrap 0.4.1", "0.4.1 is too old"),
    "no bubblewrap": ("echo hello", "is too old"),
    "forbidden": (
        RECENT + "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1",
        "does not work here: bwrap: setting up uid map: Permission denied (",
    ),
    "pretends": (
        RECENT + 'while test "$1" != --; do shift; done; shift; exec "$@"',
        "does not hold here: it reads files outside, it reaches the network",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_bubblewrap_that_does_not_do_is_not_believed(tmp_path: Path, name: str) -> None:
    script, reason = BROKEN[name]
    found = examine(without_bubblewrap(tmp_path, script))
    assert found.sandbox.name != "bubblewrap"
    assert reason in found.notes[0]


def test_no_key_is_passed_on(tmp_path: Path) -> None:
    environment = {"OPENAI_API_KEY": "sk-x", "PATH": os.environ["PATH"], "SSH_AUTH_SOCK": "/x"}
    told = detect(environment).environment(tmp_path, Limits())
    assert told["PATH"] == os.environ["PATH"]
    assert not {"OPENAI_API_KEY", "SSH_AUTH_SOCK"} & set(told)


def test_landlock_does_not_claim_to_hide_what_it_shows() -> None:
    said = detection.landlock({}, (Path(sys.prefix) / "secret",))
    assert isinstance(said, str)
    assert "Landlock" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_is_sealed_in_as_well(tmp_path: Path) -> None:
    sandboxes.level("bubblewrap")
    python = "/usr/bin/python3"
    packages = next(each for each in sys.path if each.endswith("site-packages"))
    script = (
        "import os; from autoresearch.sandbox import examine\n"
        "found = examine(os.environ)\nprint(os.getuid(), found.sandbox.name, *found.notes)"
    )
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", python, "-B", "-c"]
    environment = {
        "PATH": os.environ["PATH"], "HOME": "/nonexistent", "TMPDIR": "/tmp",
        "PYTHONPATH": f"{PACKAGES}:{packages}",
    }  # fmt: skip
    try:
        answer = subprocess.run(
            [*command, script], capture_output=True, text=True, check=False, env=environment,
            cwd="/",
        )  # fmt: skip
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    if "ModuleNotFoundError" in answer.stderr or "PermissionError" in answer.stderr:
        pytest.skip("the system's Python cannot run this checkout")
    assert answer.stdout.split() == ["65534", "bubblewrap"], answer.stderr


class TestLayout:
    def test_links_are_followed_as_named(self, tmp_path: Path) -> None:
        (tmp_path / "real" / "bin").mkdir(parents=True)
        (tmp_path / "one").symlink_to("two")
        (tmp_path / "two").symlink_to(tmp_path / "real")
        links, real = paths.resolve(tmp_path / "one" / "bin" / "python")
        assert real == tmp_path / "real" / "bin" / "python"
        assert links == [
            Link(tmp_path / "one", "two"),
            Link(tmp_path / "two", str(tmp_path / "real")),
        ]

    def test_a_loop_ends(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        assert len(paths.resolve(tmp_path / "a")[0]) == 40

    def test_outer_folders_come_first_and_what_they_show_is_left_out(self, tmp_path: Path) -> None:
        tree, inner = tmp_path / "tree", tmp_path / "tree" / "a" / "b"
        inner.mkdir(parents=True)
        read, write = (inner, Mode.READ), (inner.parent, Mode.WRITE)
        shown, links = paths.layout([read, (tree, Mode.READ), write])
        assert shown == [(tree, Mode.READ), (inner.parent, Mode.WRITE), (inner, Mode.READ)]
        assert links == []
        assert paths.layout([(tree, Mode.READ), read])[0] == [(tree, Mode.READ)]

    def test_what_is_hidden_stays_so(self, tmp_path: Path) -> None:
        hidden, shown = (tmp_path / "x", Mode.HIDDEN), (tmp_path, Mode.READ)
        assert paths.layout([shown, hidden])[0] == [shown, hidden]
        assert paths.layout([hidden])[0] == []
        assert paths.layout([(tmp_path / "x", Mode.WRITE), hidden, shown])[0] == [shown, hidden]

    def test_a_home_is_no_folder_of_software(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "lib").mkdir()
        told = {"LD_LIBRARY_PATH": f"{tmp_path}/lib:{tmp_path}:/:relative:{tmp_path}/none"}
        found = paths.interpreter(told)
        assert tmp_path / "lib" in found
        assert not {tmp_path, Path("/"), Path("relative"), tmp_path / "none"} & set(found)


def test_devices_are_let_through_only_where_asked_for() -> None:
    sealed = sandboxes.level("bubblewrap")
    assert isinstance(sealed, Bubblewrap)
    plain = sealed.command(["true"], readable=(), writable=())
    devices = sealed.command(["true"], readable=(), writable=(), devices=True)
    assert "/sys" not in plain.wrapper
    assert "/sys" in devices.wrapper
    assert ("--unshare-net" in plain.wrapper) is True
