"""Diffs as tools, mail and people make them: applied where the change is clear, else named."""

import bz2
import gzip
import lzma
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.patching import apply_diff, named_files, unified_diff
from autoresearch.proposers.patchfile import text_of
from autoresearch.records.proposals import Rejection

OLD = """\
import math

DEPTH = 4
WIDTH = 8

RATE = 0.04  # of the matrices
DECAY = 0.1


def block(depth):
    x = depth
    return x


def tail(depth):
    x = depth
    return x


RATES = [0.1, -2]
"""
NEW = (
    OLD.replace("math\n", "math\nimport re\n").replace("RATE = 0.04", "RATE = 0.05")
    .replace("[0.1, -2]", "[0.2, -2]") + "LAST = 1\n"
)  # fmt: skip
FILES = {"train.py": OLD, "prepare.py": "X = 1\n"}
AFTER = {**FILES, "train.py": NEW}
HEAD = "--- a/train.py\n+++ b/train.py\n"
HUNK = "@@ -5,4 +5,4 @@\n \n-RATE = 0.04  # of the matrices\n+RATE = 0.05\n DECAY = 0.1\n \n"
BARE = "@@ -6 +6 @@\n-RATE = 0.04  # of the matrices\n+RATE = 0.05\n"
TWICE = " x = depth\n-    return x\n+    return -x\n"
RATE = OLD.replace("RATE = 0.04  # of the matrices", "RATE = 0.05")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two commits, OLD and NEW, and both beside them."""
    place = tmp_path_factory.mktemp("repository")
    for word in ("init -q", "config user.name a", "config user.email a"):
        subprocess.run(["git", *word.split()], cwd=place, check=True)
    for text, name in ((OLD, "old.py"), (NEW, "new.py")):
        (place / "train.py").write_text(text)
        (place / name).write_text(text)
        subprocess.run(["git", "add", "train.py"], cwd=place, check=True)
        subprocess.run(["git", "commit", "-qm", f"Make {name}"], cwd=place, check=True)
    return place


def made(repository: Path, command: str) -> str:
    pipe = subprocess.PIPE
    done = subprocess.run(["sh", "-c", command], cwd=repository, stdout=pipe, check=False)
    return text_of(done.stdout)


def applied(diff: str, files: Mapping[str, str] = FILES, prefix: str = "") -> Mapping[str, str]:
    after = apply_diff(files, diff, prefix)
    assert not isinstance(after, Rejection), f"{after.reason}\n{diff}"
    return after


def refused(diff: str, files: Mapping[str, str] = FILES, prefix: str = "") -> str:
    after = apply_diff(files, diff, prefix)
    assert isinstance(after, Rejection), diff
    assert len(after.reason) <= 300
    return after.reason


CLEAR = (
    "git diff HEAD^",
    "git diff HEAD^ -U0",
    "git diff HEAD^ -U1",
    "git diff HEAD^ -U10 --no-prefix",
    "git diff HEAD^ -w --src-prefix=old/ --dst-prefix=new/",
    "git -c diff.mnemonicPrefix=true diff HEAD^",
    "git diff HEAD^ --patch-with-stat --full-index --binary",
    "git diff HEAD^ --function-context",
    "git format-patch -1 --stdout",
    "git format-patch -1 --stdout --attach",
    "git show",
    "git log -p -1",
    "diff -u old.py train.py",
    "diff -u $PWD/old.py $PWD/train.py",
    "cp old.py train.py.orig; diff -u train.py.orig train.py",
    "mkdir -p a b; cp old.py a/train.py; cp new.py b/train.py; diff -ru a b",
    "echo 'Index: train.py'; echo =====; diff -u old.py train.py",
)  # fmt: skip
NAMED = {
    "git diff HEAD^ --word-diff": "a word diff",
    "git diff HEAD^ --word-diff=porcelain": "a word diff",
    "git diff HEAD^ --word-diff -U0": "a word diff",
    "git diff HEAD^ --color-words": "begins with neither",
    "git diff HEAD^ --output-indicator-new=!": "'!import re', begins with neither",
    "git diff HEAD^ --stat": "a diff's summary",
    "git diff HEAD^ --shortstat": "a diff's summary",
    "git diff HEAD^ --numstat": "a list of changed files",
    "git diff HEAD^ --raw": "a list of changed files",
    "git diff HEAD^ --name-status": "a list of changed files",
    "git diff HEAD^ -R": "hunk 1 is in the file already",
    "diff old.py new.py": "a normal diff",
    "diff -c old.py train.py": "a context diff",
    "diff -e old.py new.py": "an ed or RCS script",
    "diff -f old.py new.py": "an ed or RCS script",
    "diff -n old.py new.py": "an ed or RCS script",
    "diff -U0 old.py train.py": "hunk 1 shows no line around it",
    "diff -y old.py new.py": "no unified diff",
    "diff -D NEW old.py new.py": "no unified diff",
    "diff -q old.py new.py": "a binary diff",
    "git diff HEAD^ | sed 's/=/=3D/'": "quoted-printable",
    "git diff HEAD^ | sed 's/ = / \\&gt; /'": "escaped for a web page",
    "git diff HEAD^ | sed 's/@@/@@@/g'": "a merge's combined diff",
    "git diff HEAD^ | tail -n +5": "its hunks name no file",
    "git diff HEAD^ | head -c -9": "within an added line",
    "git diff HEAD^ | head -9": "cut off",
    "echo '<!DOCTYPE html>'": "a web page",
    "echo '<<<<<<< SEARCH'": "SEARCH/REPLACE",
    "echo '*** Begin Patch'": "apply_patch",
    "echo hello": "no hunk",
}


WRAPPED: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda data: data,
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "UTF-16 of the other order": lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"),
    "UTF-16 without a mark": lambda data: data.decode().encode("utf-16-le"),
    "UTF-16 of the other order without one": lambda data: data.decode().encode("utf-16-be"),
    "UTF-32": lambda data: data.decode().encode("utf-32"),
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "CRLF in UTF-16": lambda data: data.replace(b"\n", b"\r\n").decode().encode("utf-16"),
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "prose": lambda data: b"Try this!\n\n" + data + b"\n- best\n+ wishes\n",
    "a fence": lambda data: b"```diff\n" + data + b"```\n",
    "a fence at the end of all": lambda data: b"~~~\n" + data + b"~~~",
    "Latin-1 around": lambda data: b"na\xefve\n" + data + b"\nna\xefve\n",
    "quoted": lambda data: b"> " + data.replace(b"\n", b"\n> "),
    "indented": lambda data: (
        b"    " + data.replace(b"\n", b"\n    ").replace(b"\n     \n", b"\n\n")
    ),
    "no white space at line ends": lambda data: data.replace(b"\n \n", b"\n\n"),
    "white space at line ends": lambda data: data.replace(b"\n D", b"\n D").replace(
        b"1\n", b"1 \n"
    ),
    "colours": lambda data: b"\x1b[1m" + data.replace(b"\n", b"\x1b[m\n\x1b[36m") + b"\x1b[m",
}
KEPT: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "a byte order mark": lambda text: f"\ufeff{text}",
    "both": lambda text: "\ufeff" + text.replace("\n", "\r\n"),
}


def test_what_tools_make_is_applied(repository: Path) -> None:
    for command in CLEAR:
        assert applied(made(repository, command)) == AFTER, command


def test_however_it_was_saved_and_whatever_the_file_keeps(repository: Path) -> None:
    plain = made(repository, "git diff HEAD^").encode()
    for how, wrap in WRAPPED.items():
        text = text_of(wrap(plain))
        for kept, keep in KEPT.items():
            after = applied(text, {"train.py": keep(OLD)})["train.py"]
            assert "".join(after.split(" ")) == "".join(keep(NEW).split(" ")), (how, kept)
            assert how.startswith("white") or after == keep(NEW), (how, kept)


def test_what_is_no_unified_diff_is_named_with_what_to_do(repository: Path) -> None:
    for command, name in NAMED.items():
        assert name in refused(made(repository, command)), command


ALREADY = "hunk 1 is in the file already"
# A diff, and what it makes of the file, or a word of its refusal.
PLACES = {
    "where it says": (HUNK, RATE),
    "at a wrong place": (HUNK.replace("-5,4 +5,4", "-95,4 +15,4"), RATE),
    "without numbers": (HUNK.replace("-5,4 +5,4 @@", "... @@"), RATE),
    "with a bare mark": (HUNK.replace(" -5,4 +5,4 @@", ""), RATE),
    "counted too short": (HUNK.replace("-5,4 +5,4", "-5,2 +5,2"), RATE),
    "counted too long": (HUNK.replace("-5,4 +5,4", "-5,9 +5,9") + "\nThat is it.\n", RATE),
    "counted too long on one side": (HUNK.replace("-5,4 +5,4", "-5,4 +5,5"), RATE),
    "too short on both sides at the end": (HUNK.replace("-5,4 +5,4", "-5,9 +5,8"), "may be cut"),
    "of a line that is there once": (BARE.replace("-6 +6", "-9 +9"), RATE),
    "other white space within a line": (HUNK.replace("RATE = 0.04  # of", "RATE=0.04 # of"), RATE),
    "in one of two places, as it says": (
        f"@@ -11,2 +11,2 @@\n    {TWICE}", OLD.replace("return x", "return -x", 1),
    ),
    "in one of two, as it does not say": (f"@@ -12,2 +12,2 @@\n    {TWICE}", "fits 2 places"),
    "in one of two, not told": (f"@@ @@\n    {TWICE}", "(lines 11, 16)"),
    "twice, of which one is moved": (
        f"@@ -1,3 +1,4 @@\n+A = 1\n import math\n \n DEPTH = 4\n@@ -11,2 +12,2 @@\n    {TWICE}",
        "A = 1\n" + OLD.replace("return x", "return -x", 1),
    ),
    "other indentation": (HUNK.replace("-RATE", "-  RATE"), "only in spaces at the beginning"),
    "a line that is nearly there": (HUNK.replace("0.04", "0.14"), "nearest is line 6: 'RATE = 0."),
    "a line that is not there": (HUNK.replace(" DECAY = 0.1", " ~~~"), "no line like '~~~'"),
    "lines that are there apart": (HUNK.replace(" DECAY = 0.1", " WIDTH = 8"), "one after another"),
    "done already": (HUNK.replace("-R", "*R").replace("+R", "-R").replace("*R", "+R"), ALREADY),
    "in the other order": (
        HUNK.replace("-5", "-95") + "@@ -1,2 +1,2 @@\n-import math\n+import re\n \n",
        "not in the file's order",
    ),
    "without lines around it, in one of two places, as it says": (
        "@@ -12 +12 @@\n-    return x\n+    return -x\n", "hunk 1 shows no line around it",
    ),
    "only added, unseen": ("@@ -6,0 +7 @@\n+A = 1\n", "shows no line around it"),
    "cut within a line": (BARE[:-2], "within an added line"),
    "cut between lines": (HUNK.rpartition(" DECAY")[0], "may be cut off"),
    "cut in the blanks at its end": (HUNK[:-3].rstrip(), RATE),
    "no line of a diff": (HUNK.replace("+RATE", "*RATE"), "its line 6, '*RATE = 0.05'"),
}  # fmt: skip


def test_a_hunk_has_one_place_or_none() -> None:
    for name, (hunks, expected) in PLACES.items():
        after = apply_diff({"train.py": OLD}, HEAD + hunks)
        if isinstance(after, Rejection):
            assert expected in after.reason, (name, after.reason)
        else:
            assert after["train.py"] == expected, name


NAMES = {
    "--- a/src/a.py\n+++ b/src/a.py": "src/a.py",
    "--- src/a.py\n+++ src/a.py": "src/a.py",
    "--- a/a.py\n+++ b/a.py": "a.py",
    "--- a/train.py\n+++ a/train.py": "train.py",
    "--- i/train.py\n+++ w/train.py": "train.py",
    "--- old/train.py\n+++ new/train.py": "train.py",
    "--- /home/u/x/train.py\n+++ /home/u/x/train.py": "train.py",
    "--- /tmp/o.py\t2026-11-28\n+++ /tmp/train.py\t2026-11-28": "train.py",
    "--- train.py.orig\n+++ train.py": "train.py",
    "--- a\\src\\a.py\n+++ b\\src\\a.py": "src/a.py",
    "--- C:\\x\\train.py\n+++ C:\\x\\train.py": "train.py",
    "--- train.py\n+++ train.new.py": "train.py",
    '--- "a/\\303\\274 \\"q\\".py"\n+++ "b/\\303\\274 \\"q\\".py"': 'ü "q".py',
    "--- a/x y.py\t\n+++ b/x y.py\t": "x y.py",
    "--- src/a.py\n+++ train.py": "two files of the project",
    "--- a/gone.py\n+++ b/gone.py": "there is no file b/gone.py",
    "--- a/../up.py\n+++ b/../up.py": "there is no file b/../up.py",
}  # fmt: skip


def test_a_file_is_known_by_the_end_of_its_name() -> None:
    files = dict.fromkeys(("train.py", "a.py", "src/a.py", 'ü "q".py', "x y.py"), "A = 1\n")
    for names, expected in NAMES.items():
        after = apply_diff(files, f"{names}\n@@ -1 +1 @@\n-A = 1\n+A = 2\n")
        if isinstance(after, Rejection):
            assert expected in after.reason, names
        else:
            assert after == {**files, expected: "A = 2\n"}, names
            assert expected in named_files(files, names)


def test_a_project_below_the_top_of_its_repository() -> None:
    for name, known in (
        ("deep/proj/train.py", True),
        ("train.py", True),
        ("/home/u/deep/proj/train.py", True),
        ("deep/other/train.py", False),
    ):
        diff = f"--- a/{name}\n+++ b/{name}\n{HUNK}"
        after = apply_diff(FILES, diff, "deep/proj/")
        assert isinstance(after, Rejection) is not known, name


LINK = (
    "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n"
    "@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n"
)
COPY = "diff --git a/prepare.py b/c.py\ncopy from prepare.py\ncopy to c.py\n"
WHOLE_FILES = {
    "a new one": (unified_diff({}, {"new.py": "A\n"}), {**FILES, "new.py": "A\n"}),
    "an empty new one": (
        "diff --git a/new.py b/new.py\nnew file mode 100644\nindex 0000000..e69de29\n",
        {**FILES, "new.py": ""},
    ),
    "one that is there": (unified_diff({}, {"train.py": "A\n"}), "train.py is there already"),
    "a removed one": (unified_diff(FILES, {"train.py": OLD}), {"train.py": OLD}),
    "one removed in part": (
        "--- a/train.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-import math\n", "not all that it holds",
    ),
    "a renamed one": (
        "diff --git a/prepare.py b/other.py\nrename from prepare.py\nrename to other.py\n",
        {"train.py": OLD, "other.py": "X = 1\n"},
    ),
    "a changed copy": (
        COPY + "--- a/prepare.py\n+++ b/c.py\n@@ -1 +1 @@\n-X = 1\n+X = 2\n",
        {**FILES, "c.py": "X = 2\n"},
    ),
    "a link": (LINK, "it becomes a link"),
    "other rights": ("diff --git a/train.py b/train.py\nold mode 100644\nnew mode 100755\n", FILES),
    "bytes": ("diff --git a/w b/w\nnew file mode 100644\nGIT binary patch\nliteral 3\n", "binary"),
    "two changes of one": (
        f"{HEAD}{BARE}{HEAD}@@ -1 +1 @@\n-import math\n+import re\n",
        {**FILES, "train.py": RATE.replace("import math", "import re")},
    ),
}  # fmt: skip


def test_files_that_come_and_go() -> None:
    for name, (diff, expected) in WHOLE_FILES.items():
        after = apply_diff(FILES, diff)
        if isinstance(after, Rejection):
            assert isinstance(expected, str), (name, after.reason)
            assert expected in after.reason, (name, after.reason)
        else:
            assert after == expected, name


@given(st.text(st.sampled_from("@-+ \n\\12,a/t"), max_size=200))
def test_any_text_has_an_answer(text: str) -> None:
    apply_diff(FILES, text)
    apply_diff({"train.py": text}, HEAD + HUNK)
    named_files(FILES, f"{HEAD}{text}")
