"""The planted bugs, their fixes, decoys and probes, and the null patches: nothing is trained."""

import random
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from autoresearch import patching
from autoresearch.patching import apply_diff
from autoresearch.preflight import check
from autoresearch.records.proposals import Change, ChangeFormat, Patch, Proposal, Rejection
from autoresearch.scaffold import render
from tests.shares import THOROUGH

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import planted_bugs
from null_patches import null_patches
from planted_table import BUGS, DECOYS, Edit, apply, template
from real_night import PatchFile, lean_diff

CLEAN = template()
PLANTED = apply(CLEAN, BUGS)
NAMES = [bug.name for bug in BUGS]


def checked(source: str, each: PatchFile) -> Patch | Rejection:
    files = {**render("gpt", "cpu"), "train.py": source}
    change = Change(ChangeFormat.DIFF, lean_diff(each.before, each.after))
    return check(
        Proposal("patches:test", each.hypothesis, change),
        files,
        editable=("train.py",),
        apply_diff=apply_diff,
    )


def behaviour(place: Path, source: str) -> Mapping[str, bool | None]:
    for name, text in render("gpt", "cpu").items():
        (place / name).write_text(text)
    (place / "train.py").write_text(source)
    return planted_bugs.ask(place)


def test_there_are_eight_of_each_with_names_of_their_own() -> None:
    assert (len(BUGS), len(DECOYS)) == (8, 8)
    assert len({edit.name for edit in (*BUGS, *DECOYS)}) == 16


@pytest.mark.parametrize("bug", BUGS, ids=NAMES)
def test_a_fix_restores_the_template_to_the_letter(bug: Edit) -> None:
    bugged = apply(CLEAN, [bug])
    assert bugged != CLEAN
    assert planted_bugs.mended(bugged, bug) == CLEAN


def applied(source: str, patches: Iterable[PatchFile]) -> str:
    """Return the source with all of them, each of which the preflight must let pass."""
    for each in patches:
        made = checked(source, each)
        assert isinstance(made, Patch), (each.name, made)
        source = made.files["train.py"]
    return source


@THOROUGH
@pytest.mark.parametrize("seed", range(5))
def test_fixes_and_decoys_apply_in_any_order(seed: int) -> None:
    assert applied(PLANTED, planted_bugs.patches(BUGS, order=seed)) == apply(CLEAN, DECOYS)


def test_some_fixes_and_decoys_apply() -> None:
    assert applied(PLANTED, planted_bugs.patches(BUGS, order=0)[:3]) != PLANTED


@pytest.mark.parametrize("seed", range(5))
def test_bugs_are_planted_in_any_order(seed: int) -> None:
    assert apply(CLEAN, random.Random(seed).sample(BUGS, len(BUGS))) == PLANTED


def test_an_edit_whose_place_is_gone_is_an_error() -> None:
    with pytest.raises(ValueError, match="found 0 times"):
        apply(PLANTED, BUGS)


@THOROUGH
def test_all_eight_bugs_show_in_the_planted_template(tmp_path: Path) -> None:
    assert behaviour(tmp_path, PLANTED) == dict.fromkeys(NAMES, True)


@THOROUGH
def test_none_shows_in_the_clean_template_even_with_every_decoy(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    (tmp_path / "decoys").mkdir()
    assert behaviour(tmp_path / "clean", CLEAN) == dict.fromkeys(NAMES, False)
    assert behaviour(tmp_path / "decoys", apply(CLEAN, DECOYS)) == dict.fromkeys(NAMES, False)


@THOROUGH
@pytest.mark.parametrize("bug", BUGS, ids=NAMES)
def test_a_bug_alone_shows_as_itself(bug: Edit, tmp_path: Path) -> None:
    found = behaviour(tmp_path, apply(CLEAN, [bug]))
    assert [name for name, there in found.items() if there is not False] == [bug.name]


@THOROUGH
def test_a_program_that_does_not_even_load_is_told_by_silence(tmp_path: Path) -> None:
    assert behaviour(tmp_path, "import nothing_of_this_name\n") == {}


@THOROUGH
def test_a_loss_of_its_own_leaves_open_what_it_is_taught(tmp_path: Path) -> None:
    loss = 'return F.cross_entropy(self.logits(stream), targets, reduction="sum")'
    own = "return -self.logits(stream).log_softmax(-1).gather(1, targets[:, None]).sum()"
    assert CLEAN.count(loss) == 1
    found = behaviour(tmp_path, CLEAN.replace(loss, own))
    assert found == {**dict.fromkeys(NAMES, False), "echo": None}


def all_new(count: int) -> str:
    """Return the template with so many null patches, each of which the preflight must not know."""
    source, seen = CLEAN, {patching.effect_hash({"train.py": CLEAN})}
    for number, null in enumerate(null_patches(CLEAN, count)):
        made = checked(source, PatchFile(f"{number}", null.kind, CLEAN, null.source))
        assert isinstance(made, Patch), (null.kind, made)
        assert made.effect_hash not in seen
        seen.add(made.effect_hash)
        source = made.files["train.py"]
    return source


@THOROUGH
def test_null_patches_are_new_to_the_preflight_and_together_change_nothing_that_a_probe_sees(
    tmp_path: Path,
) -> None:
    assert behaviour(tmp_path, all_new(40)) == dict.fromkeys(NAMES, False)


def test_some_null_patches_are_new_to_the_preflight() -> None:
    assert all_new(2) != CLEAN


def test_more_null_patches_than_places_are_refused() -> None:
    with pytest.raises(ValueError, match="places for null changes"):
        null_patches("x = 1\n", 3)
