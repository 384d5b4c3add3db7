"""`init`: whole or not at all, never over a file, in any repository."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch

from autoresearch import patching
from autoresearch.config import load_settings
from autoresearch.devices import DeviceTree, Step
from autoresearch.errors import GitError, ProjectError
from autoresearch.scaffold import (
    SIZES,
    Choice,
    Scaffold,
    agents_text,
    create_project,
    detect_profile,
    profiles,
    render,
    set_keys,
)
from tests import cards
from tests.stubs import git


def make(root: Path, *, profile: str = "cpu", merge: bool = False) -> Scaffold:
    return create_project(root, template="gpt", profile=profile, merge=merge)


def test_a_project_is_a_repository_with_one_commit(tmp_path: Path) -> None:
    made = make(tmp_path / "new" / "project")
    assert sorted(git(made.root, "ls-files").splitlines()) == sorted(render("gpt", "cpu"))
    assert git(made.root, "rev-list", "--count", "HEAD") == "1"
    assert git(made.root, "status", "--porcelain") == ""
    assert git(made.root, "rev-parse", "HEAD") == made.commit


def test_a_relative_path_is_below_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert make(Path("here")).root == tmp_path / "here"


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_the_profile_is_written_into_the_files(tmp_path: Path, profile: str) -> None:
    made = make(tmp_path / "project", profile=profile)
    settings = load_settings(made.root / "autoresearch.toml")
    constants = patching.numbers((made.root / "train.py").read_text())
    assert settings.training.profile == profile
    assert settings.training.device == {"cpu": "cpu", "gpu": "cuda"}[profile]
    assert (constants["DEPTH"], settings.evaluation.context) == {
        "cpu": (2, 128),
        "gpu": (8, 2048),
    }[profile]


@pytest.mark.skipif(torch.cuda.is_available(), reason="an accelerator is here")
def test_auto_is_the_default_and_says_why(tmp_path: Path) -> None:
    made = make(tmp_path / "project", profile="auto")
    assert (made.profile, made.reason) == ("cpu", "there is no card to train on")


CARDS = {
    ("NVIDIA B200", 183359, "10.0"): "gpu",
    ("NVIDIA H100 80GB HBM3", 81559, "9.0"): "gpu",
    ("NVIDIA A100-SXM4-80GB", 81920, "8.0"): "gpu",
    ("NVIDIA RTX A6000", 49140, "8.6"): "gpu-48gb",
    ("NVIDIA L40S", 46068, "8.9"): "gpu-48gb",
    ("NVIDIA A100-SXM4-40GB", 40960, "8.0"): "gpu-24gb",
    ("NVIDIA GeForce RTX 5090", 32607, "12.0"): "gpu-24gb",
    ("NVIDIA GeForce RTX 4090", 24564, "8.9"): "gpu-24gb",
    ("NVIDIA A10G", 23028, "8.6"): "gpu-24gb",
    ("NVIDIA GeForce RTX 4080", 16376, "8.9"): "gpu-16gb",
    ("Tesla T4", 15109, "7.5"): "gpu-16gb",
    ("NVIDIA GeForce RTX 3060", 12288, "8.6"): "gpu-12gb",
    ("NVIDIA GeForce RTX 2080 Ti", 11264, "7.5"): "gpu-8gb",
    ("NVIDIA GeForce RTX 4060 Laptop GPU", 8188, "8.9"): "gpu-8gb",
    ("NVIDIA GeForce RTX 2060", 6144, "7.5"): "gpu-8gb",
    ("NVIDIA GeForce GTX 1080 Ti", 11264, "6.1"): "cpu",
}


def chosen(root: Path, *fakes: cards.Fake, fault: str = "", memory: int = 0) -> Choice:
    """Return what is chosen on a machine of files, whose PyTorch sees the card that is its."""
    tree = cards.machine(root, fakes)

    def ask(device: str, _steps: Sequence[str], variables: Mapping[str, str]) -> list[Step]:
        if device == "mps":
            return [Step("torch", fault="PyTorch does not find it")]
        mine = [each for each in fakes if each.uuid == variables.get("CUDA_VISIBLE_DEVICES")]
        facts = {"memory": memory * 2**20, "name": "a card", "capability": [0, 0]}
        for each in mine:
            facts["capability"] = [int(number) for number in each.capability.split(".")]
        return [Step("driver"), Step("torch", fault=fault, facts=facts)]

    return detect_profile({}, tree, ask)


def test_auto_fits_the_card(tmp_path: Path) -> None:
    for number, ((name, mib, capability), profile) in enumerate(CARDS.items()):
        found = chosen(tmp_path / str(number), cards.Fake(name, mib, capability, 0))
        assert (name, found.profile) == (name, profile)
        assert found.reason.startswith(name)


def test_auto_takes_the_card_that_trainings_get(tmp_path: Path) -> None:
    """The one for the screen comes first on the bus, and has the older generation."""
    assert chosen(tmp_path / "one", *cards.RIG).reason.startswith("NVIDIA GeForce RTX 4090, 24.0")
    unified = chosen(tmp_path / "two", cards.Fake("NVIDIA GB10", 0, "12.1", 0), memory=122570)
    assert unified.profile == "gpu"


def test_a_card_that_pytorch_cannot_use_is_named(tmp_path: Path) -> None:
    fault = "PyTorch 2.9.0+cpu is built without CUDA\nmore"
    idle = chosen(tmp_path / "one", *cards.RIG, fault=fault)
    assert idle.profile == "cpu"
    assert idle.reason == (
        "NVIDIA GeForce RTX 4090 stands idle: PyTorch 2.9.0+cpu is built without CUDA; "
        "`autoresearch doctor` helps"
    )
    assert chosen(tmp_path / "two", cards.RIG[0], fault=fault) == Choice(
        "cpu", "there is no card to train on"
    )


def test_an_apple_has_its_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    told = [Step("torch")]
    none = [Step("driver", fault="no driver")]
    tree = DeviceTree(tmp_path, "/nonexistent", lambda: None)
    found = detect_profile({}, tree, lambda device, *_: told if device == "mps" else none)
    assert found.profile == "mps"


def test_a_card_that_a_template_cannot_use_is_named(tmp_path: Path) -> None:
    found = Choice("gpu-24gb", "NVIDIA GeForce RTX 4090, 24.0 GiB")
    made = create_project(
        tmp_path / "p", template="mlx", profile="auto", merge=False, detect=lambda: found
    )
    assert made.profile == "cpu"
    assert made.reason == f"the template mlx has none for {found.reason}"


@pytest.mark.parametrize("profile", profiles("gpt"))
def test_every_profile_can_be_written_and_read(tmp_path: Path, profile: str) -> None:
    for name, text in render("gpt", profile).items():
        (tmp_path / name).write_text(text)
    training = load_settings(tmp_path / "autoresearch.toml").training
    assert training.profile == profile
    assert training.device == {"cpu": "cpu", "mps": "mps"}.get(profile, "cuda")


def test_what_is_chosen_is_there() -> None:
    assert {*SIZES.values(), "cpu", "mps"} == {*profiles("gpt")}


def test_comments_of_the_settings_survive_a_profile() -> None:
    for line in render("gpt", "cpu")["autoresearch.toml"].splitlines():
        assert " = " not in line or "#" in line


def test_setting_a_key_leaves_all_others() -> None:
    document = 'a = 1\n[one]\na = 2 # two\nb = "x"\n[two]\na = 3\n'
    changed = set_keys(document, "one", {"a": 7})
    assert tomllib.loads(changed) == {"a": 1, "one": {"a": 7, "b": "x"}, "two": {"a": 3}}
    assert "a = 7  # two" in changed
    with pytest.raises(KeyError):
        set_keys(document, "one", {"c": 1})


def test_a_directory_with_files_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "notes.txt").write_text("mine")
    with pytest.raises(ProjectError, match=r"not empty.*--merge"):
        make(root)
    assert [each.name for each in root.iterdir()] == ["notes.txt"]
    make(root, merge=True)
    assert (root / "notes.txt").read_text() == "mine"
    assert "notes.txt" not in git(root, "ls-files")


def test_no_file_is_ever_overwritten(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "train.py").write_text("mine")
    with pytest.raises(ProjectError, match=r"has train\.py already"):
        make(root, merge=True)
    assert [each.name for each in root.iterdir()] == ["train.py"]


def test_texts_of_ones_own_stay(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    for name in ("README.md", "AGENTS.md"):
        (root / name).write_text("mine")
    made = make(root, merge=True)
    assert made.kept == ("README.md", "AGENTS.md")
    assert [(root / name).read_text() for name in made.kept] == ["mine", "mine"]
    assert (root / ".gitignore").exists()


def test_coding_agents_are_told_how_to_read_a_study(tmp_path: Path) -> None:
    text = (make(tmp_path / "project").root / "AGENTS.md").read_text()
    assert text == agents_text()
    for command in ("status --json", "diff 7 --json", "note ", "run --experiments"):
        assert f"autoresearch {command}" in text
    assert text.count("\n") <= 50


def test_a_project_may_be_a_folder_of_a_repository(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "staged.txt").write_text("staged")
    git(tmp_path, "add", "staged.txt")
    made = make(tmp_path / "sub" / "project")
    assert not (made.root / ".git").exists()
    assert git(tmp_path, "diff", "--cached", "--name-only") == "staged.txt"
    assert "sub/project/train.py" in git(tmp_path, "ls-tree", "-r", "--name-only", "HEAD")


def test_a_file_in_the_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProjectError, match="is a file"):
        make(tmp_path / "file")
    with pytest.raises(ProjectError, match="cannot write"):
        make(tmp_path / "file" / "below")


def test_unknown_names_are_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no template named 'bert': choose one of gpt"):
        create_project(tmp_path / "p", template="bert", profile="cpu", merge=False)
    with pytest.raises(ProjectError, match="no profile named 'tpu'"):
        make(tmp_path / "p", profile="tpu")
    assert not (tmp_path / "p").exists()


def test_without_an_author_nothing_is_written(tmp_path: Path) -> None:
    Path(os.environ["GIT_CONFIG_GLOBAL"]).write_text("[user]\n\tuseConfigOnly = true\n")
    with pytest.raises(GitError, match="git config --global"):
        make(tmp_path / "project")
    assert not (tmp_path / "project").exists()


def test_what_git_refuses_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    lock = tmp_path / ".git" / "index.lock"
    lock.touch()
    with pytest.raises(GitError, match=r"index\.lock"):
        make(tmp_path / "sub")
    lock.unlink()
    assert make(tmp_path / "sub").commit


def test_a_name_too_long_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="cannot make a project"):
        make(tmp_path / ("x" * 300))
