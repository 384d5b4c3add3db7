"""`init --adopt`: what is found, what is refused, and that no file of the person's changes."""

import io
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, FrameType, ModuleType

import pytest

from autoresearch.adoption import Adopted, Found, Machine, Wishes, adopt, described
from autoresearch.adoption.finding import Sources, find
from autoresearch.adoption.metrics import direction_of, likeliest
from autoresearch.adoption.writing import duration
from autoresearch.commands import completion
from autoresearch.config import load_settings, parse_duration
from autoresearch.config.project import FIXED
from autoresearch.errors import GitError, ProjectError, UsageFault
from autoresearch.patching import unified_diff
from autoresearch.patching.interface import caches, data_read, printed, seed_taken
from autoresearch.records.metric import Direction
from autoresearch.registry import Registry
from autoresearch.scaffold import agents_text
from tests.clones import contents, project, upstream
from tests.commands import Forked
from tests.conftest import Run
from tests.shares import THOROUGH
from tests.stubs import git
from tests.test_docs import DOCS, commands_in, typed

TRAIN = "import os\nTIME_BUDGET = 90\nrate = os.environ.get('SEED')\nprint(f'val_loss: {rate}')\n"
NONE = Machine({"PATH": ""}, Path("/nonexistent"), "linux", lambda: "")
GUIDE = DOCS / "your-project.md"
CARD = replace(NONE, card=lambda: "a card")


def made(root: Path, machine: Machine | None = None, *, dry_run: bool = False) -> Adopted:
    return adopt(root, Wishes(), agents=agents_text(), machine=machine, dry_run=dry_run)


def found(
    files: Mapping[str, str],
    wishes: Wishes | None = None,
    machine: Machine = NONE,
    root: Path = Path("/nonexistent"),
) -> Found:
    python = {name: text for name, text in files.items() if name.endswith(".py")}
    return find(Sources(root, frozenset(files), python), wishes or Wishes(), machine)


class TestAClone:
    def test_its_files_stay_and_git_sees_nothing(self, tmp_path: Path) -> None:
        root = upstream(tmp_path / "clone")
        before, head = contents(root), git(root, "rev-parse", "HEAD")
        adopted = made(root)
        ours = {"autoresearch.toml", "AGENTS.md"}
        assert {*contents(root)} - {*before} == ours
        assert before.items() <= contents(root).items()
        assert (git(root, "status", "--porcelain"), git(root, "rev-parse", "HEAD")) == ("", head)
        # Its own .gitignore has AGENTS.md already.
        assert adopted.excluded == ("autoresearch.toml", ".autoresearch/")
        assert (root / "AGENTS.md").read_text() == agents_text()

    def test_it_is_recognised_by_its_shape(self, tmp_path: Path) -> None:
        root = upstream(tmp_path / "clone")
        adopted = made(root)
        assert adopted.found.upstream
        settings = load_settings(root / "autoresearch.toml")
        assert settings.target.editable == ("train.py",)
        assert settings.target.command.endswith(" train.py")
        assert (settings.metric.summary, settings.metric.direction) == ("val_bpb", "lower")
        assert (settings.training.budget, settings.training.total) == ("0.2s", "6m")
        assert "~/.cache/autoresearch" in settings.sandbox.readable
        (recognised, results, *_, rehearsed) = described(adopted)
        assert recognised.startswith("This has the shape of karpathy/autoresearch")
        assert results.startswith("results.tsv: 4 experiments, 2 kept, val_bpb 3.900000 → 3.600000")
        assert f"would run `{settings.target.command}` on cpu, 6m at most" in rehearsed
        assert "self-reported, the trial's own word" in rehearsed

    def test_a_part_of_its_shape_is_another_project(self, tmp_path: Path) -> None:
        root = upstream(tmp_path / "clone")
        git(root, "rm", "--quiet", "program.md")
        git(root, "commit", "--quiet", "--message", "without")
        adopted = made(root)
        assert not adopted.found.upstream
        assert any("no program.md" in note for note in adopted.notes)

    def test_its_results_become_a_study_of_their_own(self, tmp_path: Path) -> None:
        root = upstream(tmp_path / "clone")
        head = git(root, "rev-parse", "HEAD")
        table = (root / "results.tsv").read_text().replace("bea057b", head[:7])
        (root / "results.tsv").write_text(table)
        made(root)
        registry = Registry.open(root / ".autoresearch" / "registry.db")
        (study,) = registry.imported()
        rows = registry.experiments(study)
        assert (study.tag, study.origin, study.trust) == (
            "imported",
            "results.tsv",
            "self-reported",
        )
        assert [row.commit_sha for row in rows] == [None, head, "187e419", "e05a87d"]
        assert [row.val_bpb for row in rows] == [3.9, 3.6, 3.7, None]

    def test_a_dry_run_leaves_no_trace(self, tmp_path: Path) -> None:
        root = upstream(tmp_path / "clone")
        before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
        adopted = made(root, dry_run=True)
        after = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
        assert {path: at for path, at in after.items() if path.name != "index"} == {
            path: at for path, at in before.items() if path.name != "index"
        }
        assert adopted.history is not None
        assert adopted.text == made(root).text

    def test_an_agents_file_of_ones_own_stays(self, tmp_path: Path) -> None:
        root = upstream(tmp_path / "clone")
        (root / "AGENTS.md").symlink_to("nowhere")
        adopted = made(root)
        assert not adopted.agents
        assert (root / "AGENTS.md").readlink() == Path("nowhere")
        assert "AGENTS.md" not in adopted.excluded

    def test_what_was_begun_is_finished_by_the_next_try(self, tmp_path: Path) -> None:
        root = upstream(tmp_path / "clone")
        made(root)
        (root / "autoresearch.toml").unlink()
        again = made(root)
        assert again.excluded == ()
        assert any("study imported is in the registry already" in note for note in again.notes)
        assert (root / ".git/info/exclude").read_text().count("autoresearch.toml") == 1

    @pytest.mark.parametrize(
        "writes", [("autoresearch.toml",), pytest.param((), marks=THOROUGH)], ids=["last", "all"]
    )
    def test_killed_before_a_write_it_is_finished_by_the_next_try(
        self, tmp_path: Path, writes: tuple[str, ...]
    ) -> None:
        whole, root = upstream(tmp_path / "whole"), upstream(tmp_path / "clone")
        made(whole)
        for number in range(1, 99):
            forked = Forked(partial(_killed, number, writes, partial(made, root)))
            if forked.wait() == 0:
                break
            assert forked.wait() == -signal.SIGKILL, forked.err
        assert number > (1 if writes else 12)
        assert contents(root) == contents(whole)
        excluded = (each / ".git/info/exclude" for each in (root, whole))
        assert len({each.read_text() for each in excluded}) == 1
        registry = Registry.open(root / ".autoresearch" / "registry.db")
        assert [len(registry.experiments(each)) for each in registry.imported()] == [4]
        assert not list((root / ".autoresearch").glob("*.part"))


def _killed(number: int, writes: tuple[str, ...], act: Callable[[], object]) -> None:
    """Do something, and be killed right before its N-th change of a file or folder.

    `writes` are names of files: only what is written into these counts then, whole or in part.
    """
    left = number

    def counts(called: BuiltinFunctionType) -> bool:
        of, name = called.__self__, called.__name__
        if isinstance(of, io.IOBase):
            written = str(getattr(of, "name", ""))
            return name == "write" and "/" in written and (not writes or writes[0] in written)
        changes = name in ("link", "mkdir", "rename", "replace", "unlink")
        return isinstance(of, ModuleType) and changes and not writes

    def look(_frame: FrameType, event: str, called: object) -> None:
        nonlocal left
        if event == "c_call" and isinstance(called, BuiltinFunctionType) and counts(called):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(look)
    act()
    sys.setprofile(None)


class TestAFolderOfARepository:
    def test_it_is_ignored_where_it_lies(self, tmp_path: Path) -> None:
        folder = "models [a]/small"
        top = project(tmp_path / "top", {f"{folder}/train.py": TRAIN, "train.py": "print('no')\n"})
        (top / ".git/info/exclude").write_text("mine")
        adopted = made(top / folder)
        assert adopted.found.metric == "val_loss"
        assert git(top, "status", "--porcelain") == ""
        assert (top / ".git/info/exclude").read_text() == (
            "mine\n/models \\[a]/small/autoresearch.toml\n/models \\[a]/small/.autoresearch/\n"
            "/models \\[a]/small/AGENTS.md\n"
        )
        (top / "autoresearch.toml").touch()
        assert git(top, "status", "--porcelain") == "?? autoresearch.toml"

    def test_a_linked_worktree_shares_what_is_ignored(self, tmp_path: Path) -> None:
        main = project(tmp_path / "main", {"train.py": TRAIN})
        git(main, "worktree", "add", "--quiet", "../other")
        made(tmp_path / "other")
        assert git(tmp_path / "other", "status", "--porcelain") == ""


class TestWhatIsFound:
    def test_all_of_it(self, tmp_path: Path) -> None:
        root = project(tmp_path / "p", {"train.py": TRAIN, "program.md": "Lower it.\n"})
        adopted = made(root, NONE)
        assert adopted.found == Found(
            command="python3 train.py", entry="train.py", editable=("train.py",), seed="SEED",
            metric="val_loss", direction="lower", evaluator="", file="", key="", budget=90.0,
            total=420.0, device="cpu",
        )  # fmt: skip
        assert adopted.notes == ()
        settings = load_settings(root / "autoresearch.toml")
        assert (settings.target.seed, settings.training.total) == ("SEED", "7m")

    def test_what_is_said_goes_before_what_is_found(self) -> None:
        wishes = Wishes(
            "python -m net.fit --fast", "accuracy", "higher", ("net/*.py",), "2m", "--seed {seed}",
        )  # fmt: skip
        told = found({"net/fit.py": TRAIN, "net/a.py": "", "train.py": TRAIN}, wishes)
        assert (told.command, told.entry) == ("python -m net.fit --fast", "net/fit.py")
        assert (told.metric, told.direction, told.seed) == ("accuracy", "higher", "--seed {seed}")
        assert (told.editable, told.budget) == (("net/*.py",), 120.0)

    @pytest.mark.parametrize(
        ("files", "command", "entry"),
        [
            ({"train.py": TRAIN, "main.py": TRAIN}, "", "train.py"),
            ({"src/train.py": TRAIN, "a.py": ""}, "", "src/train.py"),
            ({"nets/train_small.py": TRAIN, "a.py": ""}, "", "nets/train_small.py"),
            ({"run.sh": "", "train.py": TRAIN}, "bash run.sh", "train.py"),
            ({"fit.py": TRAIN, "train.py": TRAIN}, "python ./fit.py", "fit.py"),
            ({"src/net/fit.py": TRAIN, "train.py": TRAIN}, "python -m net.fit", "src/net/fit.py"),
            ({"net/__main__.py": TRAIN, "a.py": ""}, "uv run -m net", "net/__main__.py"),
        ],
    )
    def test_the_program(self, files: dict[str, str], command: str, entry: str) -> None:
        told = found(files, Wishes(command=command))
        assert (told.entry, told.editable) == (entry, (entry,))

    def test_a_project_in_another_language_is_said(self) -> None:
        wishes = Wishes("julia fit.jl", "loss", editable=("fit.jl",), budget="5m")
        told = found({"fit.jl": ""}, wishes)
        assert (told.entry, told.editable, told.seed) == ("fit.jl", ("fit.jl",), "")

    def test_a_program_that_may_not_change_is_no_entry(self) -> None:
        told = found({"train.py": TRAIN, "net.py": ""}, Wishes(editable=("net.py",)))
        assert (told.command, told.entry, told.seed) == ("python3 train.py", "net.py", "SEED")
        told = found({"fit.py": TRAIN, "net.py": ""}, Wishes(editable=("fit.py", "net.py")))
        assert (told.command, told.entry) == ("python3 fit.py", "fit.py")

    def test_uv_where_the_project_is_uvs(self, tmp_path: Path) -> None:
        (tmp_path / "uv").write_text("#!/bin/sh\n")
        (tmp_path / "uv").chmod(0o755)
        here = replace(NONE, environment={"PATH": str(tmp_path)})
        assert found({"train.py": TRAIN}, machine=here, root=tmp_path).command == "python3 train.py"
        (tmp_path / "pyproject.toml").touch()
        assert found({"train.py": TRAIN}, root=tmp_path).command == "python3 train.py"
        assert found({"train.py": TRAIN}, machine=here, root=tmp_path).command == "uv run train.py"
        (tmp_path / "uv.lock").touch()
        assert found({"train.py": TRAIN}, root=tmp_path).command == "uv run train.py"

    def test_what_it_reads_beside_its_files(self, tmp_path: Path) -> None:
        source = TRAIN + "open('a.bin', 'rb')\nopen('out.bin', 'wb')\nnp.load('b.npy')\n"
        source += "open('../c.bin')\nopen('/etc/passwd')\nimport transformers\n"
        source += "x = os.path.expanduser('~/.cache/tokens')\ny = '~/.cache/huggingface'\n"
        home = tmp_path / "home"
        for each in (".cache/tokens", ".cache/huggingface/hub"):
            (home / each).mkdir(parents=True)
        for each in ("a.bin", "out.bin", "b.npy", ".venv/pyvenv.cfg"):
            (tmp_path / each).parent.mkdir(exist_ok=True)
            (tmp_path / each).touch()
        there = replace(NONE, home=home)
        told = found({"train.py": source}, machine=there, root=tmp_path)
        assert told.readable == (
            "~/.cache/tokens", "~/.cache/huggingface/hub", "a.bin", "b.npy", ".venv",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("source", "machine", "device"),
        [
            ("device = 'cuda'", NONE, "cuda"),
            ("device = 'cuda' if torch.cuda.is_available() else 'cpu'", NONE, "cpu"),
            ("device = 'cuda' if torch.cuda.is_available() else 'cpu'", CARD, "cuda"),
            ("import mlx.core", replace(NONE, system="darwin"), "mps"),
            ("device = 'mps'", replace(NONE, system="darwin"), "mps"),
            ("device = 'cuda'", replace(NONE, system="darwin"), "cpu"),
            ("pass", CARD, "cpu"),
        ],
    )
    def test_the_device(self, source: str, machine: Machine, device: str) -> None:
        assert found({"train.py": f"{TRAIN}{source}\n"}, machine=machine).device == device

    def test_what_trials_will_lack_is_told(self, tmp_path: Path) -> None:
        files = {"train.py": f"import other\n{TRAIN}open('data.bin')\n", "program.md": "Lower it."}
        root = project(tmp_path / "p", files)
        for name in ("other.py", "data.bin"):
            (root / name).touch()
        (note,) = made(root, NONE).notes
        assert note.startswith("other.py is in no commit, and train.py imports it")

    def test_a_metric_of_ones_own_lowers_or_raises_the_trust(self, tmp_path: Path) -> None:
        root = project(tmp_path / "p", {"train.py": TRAIN, "evaluate.py": ""})
        wishes = Wishes(metric="f1", evaluator="evaluate.py")
        adopted = adopt(root, wishes, agents="", machine=NONE, dry_run=True)
        *_, line = described(adopted)
        assert "f1 (higher is better), as evaluate.py finds it afterwards" in line
        assert "[data] held_out" in line
        (tmp_path / "t.toml").write_text(adopted.text)
        assert load_settings(tmp_path / "t.toml").metric.evaluator == "evaluate.py"
        wishes = Wishes(file='a "b".json', key="val_loss")
        adopted = adopt(root, wishes, agents="", machine=NONE)
        *_, line = described(adopted)
        assert 'val_loss in a "b".json, which it leaves: self-reported' in line
        assert load_settings(root / "autoresearch.toml").metric.file == 'a "b".json'


@pytest.mark.parametrize(
    ("names", "likely"),
    [
        (("val_bpb", "loss", "depth"), ["val_bpb"]),
        (("test_acc", "val_acc", "train_acc"), ["val_acc"]),
        (("eval loss", "test loss"), ["eval loss"]),
        (("loss", "num_steps", "mfu_percent"), ["loss"]),
        (("val_loss", "val_acc"), ["val_loss", "val_acc"]),
        (("train_loss", "steps"), []),
    ],
)
def test_the_metric_is_what_is_held_out(names: tuple[str, ...], likely: list[str]) -> None:
    assert [*likeliest(names)] == likely


def test_a_name_tells_its_direction_or_does_not() -> None:
    assert direction_of("Val-Loss") is Direction.LOWER
    assert direction_of("val/top1") is Direction.HIGHER
    assert direction_of("accuracy_error") is Direction.LOWER
    assert direction_of("lossy") is None


@pytest.mark.parametrize(
    ("files", "wishes", "said"),
    [
        ({"a.md": ""}, Wishes(), r"which file may change.*which command trains.*which number.*how"),
        ({"train.py": ""}, Wishes(), r"which number is the metric \(--metric NAME\); how long"),
        (
            {"train.py": TRAIN + "print(f'val_acc: {1}')"},
            Wishes(),
            r"cannot tell by itself which number is the metric, of val_loss, val_acc",
        ),
        (
            {"train.py": TRAIN},
            Wishes(metric="speed"),
            r"whether speed is better lower or higher \(--direction\)",
        ),
        ({"train.py": TRAIN}, Wishes(direction="up"), "must be lower or higher"),
        ({"train.py": TRAIN}, Wishes(file="a.json"), "--file and --key go together"),
        ({"train.py": TRAIN}, Wishes(evaluator="train.py", file="a", key="b"), "exclude each"),
        ({"train.py": TRAIN}, Wishes(evaluator="evaluate.py"), "in no commit"),
        ({"train.py": TRAIN}, Wishes(editable=("fit.py",)), "no committed file is called so"),
        ({"train.py": TRAIN}, Wishes(editable=("../a",)), "--editable ../a"),
        ({"train.py": TRAIN}, Wishes(command="python 'train.py"), "No closing quotation"),
        ({"train.py": TRAIN}, Wishes(budget="soon"), "--budget: 'soon' is no duration"),
    ],
)
def test_what_cannot_be_told_is_asked_for_in_one_line(
    files: dict[str, str], wishes: Wishes, said: str
) -> None:
    with pytest.raises((ProjectError, UsageFault), match=said) as refused:
        found(files, wishes)
    assert "\n" not in str(refused.value)


class TestWhatIsRefused:
    def test_nothing_is_written_then(self, tmp_path: Path) -> None:
        with pytest.raises(GitError, match="is in no git repository"):
            made(tmp_path)
        git(tmp_path, "init", "--quiet")
        (tmp_path / "train.py").write_text(TRAIN)
        with pytest.raises(GitError, match="no commit yet"):
            made(tmp_path)
        assert not (tmp_path / "autoresearch.toml").exists()

    def test_what_is_not_committed_yet(self, tmp_path: Path) -> None:
        root = upstream(tmp_path / "clone")
        (root / "train.py").write_text(TRAIN)
        before = contents(root)
        with pytest.raises(ProjectError, match=r"^train\.py: there are uncommitted changes"):
            made(root)
        assert contents(root) == before
        assert not (root / ".autoresearch").exists()

    def test_a_second_time(self, tmp_path: Path) -> None:
        root = upstream(tmp_path / "clone")
        made(root)
        with pytest.raises(ProjectError, match=r"autoresearch\.toml is there already"):
            made(root)

    def test_a_table_that_is_none(self, tmp_path: Path) -> None:
        root = upstream(tmp_path / "clone")
        (root / "results.tsv").write_text("nothing of the kind\n")
        assert made(root).history is None


def test_the_settings_are_no_part_of_a_commit_until_one_says_so(tmp_path: Path) -> None:
    """A study is pinned to FIXED; what is not committed cannot differ between commits."""
    root = upstream(tmp_path / "clone")
    made(root)
    assert {*git(root, "ls-files").splitlines()} & {*FIXED} == {"prepare.py", "program.md"}
    git(root, "add", "--force", "autoresearch.toml")
    git(root, "commit", "--quiet", "--message", "settings")
    assert git(root, "status", "--porcelain") == ""


def test_durations_are_written_as_they_are_read() -> None:
    for text in ("0.2s", "45s", "90s", "5m", "90m"):
        assert duration(parse_duration(text)) == text


class TestTheInterface:
    @pytest.mark.parametrize(
        ("source", "names"),
        [
            ("print(f'val_bpb:   {x:.6f}')", ("val_bpb",)),
            ("print('val_acc:', x)\nprint('f1: %.3f' % y)", ("val_acc", "f1")),
            ("print('a: {:.2f}'.format(x))\nprint('b: ' + str(y))", ("a", "b")),
            ("print(f'\\nc: {x}\\n  d: {y}')", ("c", "d")),
            ("print(f'step {n} loss: {x}')\nprint('e = %d' % n)\nprint('f:')", ()),
            ("log(f'val_bpb: {x}')", ()),
            ("print(f'val_bpb: {x}'", ()),
        ],
    )
    def test_what_is_printed(self, source: str, names: tuple[str, ...]) -> None:
        assert printed(source) == names

    @pytest.mark.parametrize(
        ("source", "seed"),
        [
            ("int(os.environ['MY_SEED'])", "MY_SEED"),
            ("os.getenv('SEED', '1')", "SEED"),
            ("p.add_argument('-s', '--seed', type=int)", "--seed {seed}"),
            ("torch.manual_seed(42)\nos.environ.get('SEEDS_FILE')", ""),
        ],
    )
    def test_how_a_seed_is_taken(self, source: str, seed: str) -> None:
        assert seed_taken(source) == seed

    def test_caches_are_folders_below_the_cache_alone(self) -> None:
        source = (
            "os.path.join(os.path.expanduser('~'), '.cache', 'one', 'data')\n"
            "Path.home() / '.cache' / 'two'\nPath('~/.cache/three/x').expanduser()\n"
            "'~/.ssh/id'\nos.path.expanduser('~')\n'~/.cache/'\nos.path.join('~/.cache', name)\n"
        )
        assert caches(source) == ("~/.cache/one", "~/.cache/two", "~/.cache/three")

    def test_what_is_written_is_no_data(self) -> None:
        source = "open('a')\nopen('b', 'w')\nopen('c', mode='a')\nload(d)\nmemmap('e', 'uint16')\n"
        assert data_read(source) == ("a", "e")


class TestTheCommand:
    def test_it_ends_with_what_would_happen_and_what_is_next(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = upstream(tmp_path / "clone")
        monkeypatch.chdir(root)
        code, out, err = run("init", "--adopt", "--dry-run")
        assert (code, err) == (0, "")
        assert "Would make a project" in out
        assert 'summary = "val_bpb"' in out
        code, out, err = run("init", "--adopt", "--budget", "1s")
        assert (code, err) == (0, "")
        assert out.splitlines()[-1] == "Next: autoresearch doctor && autoresearch run --hours 8"
        assert "git add --force autoresearch.toml" in out
        code, _out, err = run("init", "--adopt")
        assert (code, err.count("\n")) == (1, 1)

    def test_its_options_need_it(self, run: Run, tmp_path: Path) -> None:
        code, _out, err = run("init", str(tmp_path / "new"), "--metric", "accuracy")
        assert (code, err) == (
            2,
            "autoresearch: --metric goes with --adopt: a template has its own\n",
        )
        code, _out, err = run("init", "--adopt", "--profile", "gpu", str(tmp_path))
        assert (code, "--profile goes with a template" in err) == (2, True)
        code, _out, err = run("init", "--adopt", str(tmp_path / "nowhere"))
        assert (code, "is no folder" in err) == (1, True)

    def test_a_template_is_told_of_it_where_files_are_in_the_way(
        self, run: Run, tmp_path: Path
    ) -> None:
        code, _out, err = run("init", str(upstream(tmp_path / "clone")))
        assert (code, "--adopt to research the project that is here" in err) == (1, True)

    def test_an_imported_study_is_only_looked_at(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = upstream(tmp_path / "clone", prepared=True)
        monkeypatch.chdir(root)
        assert run("init", "--adopt")[0] == 0
        code, out, _err = run("status", "--tag", "imported")
        assert code == 0
        assert out.startswith("study imported · read from results.tsv, nothing of it was trained")
        assert "0.3000 bpb (7.69%) below the baseline's 3.9000" in out
        assert completion.keeps("") == []
        assert [tag for tag, _ in completion.tags("")] == ["imported"]
        assert "imported" not in dict(completion.proposers(""))
        code, out, _err = run("report", "imported", "--no-open")
        assert code == 0
        assert (root / ".autoresearch/report/progress.png").stat().st_size > 10_000
        page = (root / ".autoresearch/report/report.html").read_text()
        assert "by that file alone. Each was read once." in page
        for command in (
            ("run", "--tag", "imported", "--experiments", "1"),
            ("promote", "2", "--force"),
            ("note", "--tag", "imported", "more"),
        ):
            code, _out, err = run(*command)
            assert (code, "was read from results.tsv" in err) == (1, True), err
        code, _out, err = run("diff", "3", "4")
        assert "with commit 187e419, which is not here" in err
        code, _out, err = run("status")
        assert (code, "--tag imported for what came with it" in err) == (1, True)


@pytest.mark.thorough
def test_the_guides_commands_lead_to_a_night(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that docs/your-project.md tells one to type, on the stand-in; a night is a moment."""
    root = upstream(tmp_path / "clone", prepared=True)
    before = contents(root)
    monkeypatch.chdir(root)
    shorter = {"--hours 8": "--hours 0.0001", "--experiments 4": "--experiments 1"}
    said = dict[str, str]()
    for line in commands_in(GUIDE.read_text("utf-8")):
        typed_line = line
        for long, short in shorter.items():
            typed_line = typed_line.replace(long, short)
        name, arguments = typed(typed_line)
        code, out, err = run(name, *arguments)
        assert code == 0, f"{line}: {out}{err}"
        said[line.partition("  #")[0].strip()] = out + err
    assert len(said) == 10
    night = said["autoresearch run --experiments 4"]
    assert " · the project's own data · " in night
    assert re.search(r"val_bpb \d", night)  # its own clock says how low
    for each in ("run --experiments 4", "status"):
        assert "self-reported" in said[f"autoresearch {each}"]
    assert "sealed" not in said["autoresearch status"]
    assert said["autoresearch status --tsv"].startswith("commit\tval_bpb\tmemory_gb\tstatus\t")
    assert before.items() <= contents(root).items()
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "rev-list", "--count", "HEAD") == "1"


@pytest.mark.thorough
def test_what_a_clone_keeps_is_confirmed_promoted_and_trained_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two characters say more than one, by far more than the noise of a clock."""
    root = upstream(tmp_path / "clone", prepared=True)
    monkeypatch.chdir(root)
    assert run("init", "--adopt")[0] == 0
    before = contents(root)
    patches = tmp_path / "patches"
    patches.mkdir()
    change = unified_diff(
        {"train.py": (old := (root / "train.py").read_text())},
        {"train.py": old.replace("DEPTH = 1", "DEPTH = 2")},
    )
    (patches / "deeper.patch").write_text(f"Subject: look two back\n\n{change}")
    code, out, err = run("run", "--experiments", "2", "--proposer", f"patches:{patches}")
    assert code == 0, err
    assert contents(root) == before
    code, out, err = run("promote", "6", "--confirm")
    assert code == 0, err
    assert "experiment 6 · confirmed · self-reported" in out
    assert "DEPTH = 2" in (root / "train.py").read_text()
    assert {name for name, data in contents(root).items() if data != before[name]} == {"train.py"}
    (again,) = [line for line in out.splitlines() if line.startswith("train it again: ")]
    assert f"cp {root}/autoresearch.toml ." in again
    place = tmp_path / "replay-6"
    *_, trains = again.removeprefix("train it again: ").split(" && ")
    git(root, "worktree", "add", "--quiet", "--detach", str(place), "HEAD~1")
    shutil.copy(root / "autoresearch.toml", place)
    monkeypatch.chdir(place)
    code, out, err = run(*shlex.split(trains)[1:])
    assert code == 0, err
    assert "2 kept" in out + err
