"""What a change may not do to the seed, the clock and the environment; what stays allowed."""

import ast
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from autoresearch.patching import apply_diff, set_constants
from autoresearch.preflight import check
from autoresearch.preflight.contract import broken
from autoresearch.preflight.forbidden_api import new_forbidden_use
from autoresearch.preflight.names import mentions
from autoresearch.preflight.scopes import MAX_MEANINGS, short
from autoresearch.records.proposals import Change, ChangeFormat, Patch, Proposal, Rejection
from autoresearch.scaffold import render

TRAIN = '''\
"""A training."""
import importlib
import os
import time
from pathlib import Path

import torch

from autoresearch.runtime import Session, open_session

DEPTH = 2
SEED = 7


def batches(data, seed):
    return torch.randperm(9, generator=torch.Generator().manual_seed(seed))


def train(session: Session):
    began = time.monotonic()
    torch.manual_seed(session.seed)
    data = session.start()
    feed = batches(data, session.seed)
    kernel = importlib.import_module("flash_attn")
    while session.progress < 1:
        loss = float(next(feed))
        session.log(step=1, loss=loss, tokens=3)
    print(time.monotonic() - began)
    return loss


def load_model(directory, device):
    return torch.nn.Linear(1, 1)


def main():
    session = open_session()
    loss = train(session)
    session.finish()


if __name__ == "__main__":
    main()
'''
SEED_TENSORS = """\
DEPTH = 2


class Pool(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.seeds = torch.nn.Parameter(torch.zeros(4, width))

    def forward(self, x):
        return x @ (self.seeds * 2).T

"""
FILES = {"train.py": TRAIN, "prepare.py": "import sys, time\nX = 1\n"}


def verdict(after: str) -> Patch | Rejection:
    asked = Proposal("test", "try it", Change(ChangeFormat.FILE, f"train.py\n```\n{after}```\n"))
    return check(asked, FILES, editable=("train.py",), apply_diff=apply_diff)


def refused(after: str) -> str:
    result = verdict(after)
    assert isinstance(result, Rejection)
    assert result.reason.isprintable()
    assert len(result.reason) <= 300
    return result.reason


def in_loop(line: str) -> str:
    """The training with these lines in its loop."""
    at = "        loss = float(next(feed))\n"
    return TRAIN.replace(at, at + "".join(f"        {each}\n" for each in line.split("\n")))


def on_top(lines: str) -> str:
    """The training with these lines above its constants."""
    return TRAIN.replace("DEPTH = 2\n", f"{lines}\nDEPTH = 2\n")


LINE = 27  # of what in_loop adds


class TestClock:
    @pytest.mark.parametrize(
        ("line", "shown"),
        [
            ("now = time.time()", "time.time"),
            ("now = time.monotonic()", "time.monotonic"),
            ("clock = time.perf_counter\nnow = clock()", "time.perf_counter"),
            ("import time as t\nnow = t.time()", "time.time"),
            ("from time import time as t\nnow = t()", "time.time"),
            ("t = time\nnow = t.time()", "time"),
            ("now = (alias := time).time()", "time"),
            ('now = __import__("time").time()', "time.time"),
            ('now = importlib.import_module("time").time()', "time.time"),
            ('now = getattr(time, "perf_counter")()', "time.perf_counter"),
            ('look = getattr\nnow = look(time, "perf_counter")()', "time.perf_counter"),
            ('now = getattr(time, "per" + "f_counter")()', "time"),
            ("now = vars(time)['time']()", "time"),
            ("now = time.__dict__['time']()", "time.__dict__"),
            ("now = [each.time() for each in (time,)]", "time"),
            ("import prepare\nnow = prepare.time.time()", "time.time"),
            ("event = torch.cuda.Event(enable_timing=True)", "torch.cuda.Event"),
            ("from torch import cuda as c\nevent = c.Event()", "torch.cuda.Event"),
            ("now = os.times()", "os.times"),
            ("time.sleep(1)", "time.sleep"),
        ],
    )
    def test_a_new_look_at_it_is_refused(self, line: str, shown: str) -> None:
        reason = refused(in_loop(line))
        assert f"`{shown}` reads a clock; a training's own are session.progress" in reason
        assert reason.startswith(f"train.py line {LINE + line.count(chr(10))}:") or "\n" in line

    @pytest.mark.parametrize(
        ("lines", "shown"),
        [
            ("import datetime", "datetime"),
            ("from datetime import datetime as d", "datetime"),
            ("import timeit", "timeit"),
            ("from torch.utils import benchmark", "torch.utils.benchmark"),
            ("import signal", "signal"),
        ],
    )
    def test_a_new_module_that_tells_time_is_refused(self, lines: str, shown: str) -> None:
        assert f"line 11: `{shown}` reads a clock" in refused(on_top(lines))

    def test_an_import_into_the_modules_names_is_seen(self) -> None:
        after = on_top("def smuggle():\n    global t\n    import time as t\n")
        assert "`time` reads a clock" in refused(after)

    def test_a_class_does_not_hide_a_module_from_its_methods(self) -> None:
        after = on_top(
            "class A:\n    time = None\n    def now(self):\n        return time.time()\n"
        )
        assert "`time.time` reads a clock" in refused(after)

    def test_the_incumbents_own_uses_may_move_and_be_written_otherwise(self) -> None:
        moved = TRAIN.replace("import time\n", "import time as clock\n").replace(
            "time.m", "clock.m"
        )
        moved = moved.replace(
            "    print(clock.monotonic() - began)\n", "    end = clock.monotonic()\n"
        )
        assert isinstance(verdict(moved), Patch)

    def test_a_variable_of_that_name_is_no_clock(self) -> None:
        for lines in (
            "def embed(time, width):\n    return time.sin() + width\n",
            "def embed(width):\n    time = torch.arange(width)\n    return time[1:].sin()\n",
            "def embed(width):\n    return [time.sin() for time in width]\n",
            "embed = lambda time: time.sin()\n",
        ):
            assert isinstance(verdict(on_top(lines)), Patch), lines


class TestEnvironment:
    @pytest.mark.parametrize(
        ("line", "shown"),
        [
            ('x = os.environ["HOME"]', "os.environ"),
            ("x = os.environ.get('HOME')", "os.environ.get"),
            ("x = os.environ.setdefault('HOME', '')", "os.environ.setdefault"),
            ("os.environ.setdefault('A', os.environ['HOME'])", "os.environ"),
            ("os.environ.update({**os.environ})", "os.environ.update"),
            ("os.environ.update(known)", "os.environ.update"),
            ("x = os.getenv('HOME')", "os.getenv"),
            ("from os import environ as e\nx = e", "os.environ"),
            ('x = getattr(os, "environ")', "os.environ"),
            ("import sys\nx = sys.argv", "sys.argv"),
            ("import sys\nx = sys.modules['os']", "sys.modules"),
            ("import sys as s\nx = s._getframe()", "sys._getframe"),
            ("import platform", "platform"),
            ("import psutil", "psutil"),
        ],
    )
    def test_a_new_look_at_it_is_refused(self, line: str, shown: str) -> None:
        assert f"`{shown}` looks at the environment" in refused(in_loop(line))

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            ("import subprocess", "starts or steers other programs"),
            ("import ctypes as c", "starts or steers other programs"),
            ("os.system('true')", "starts or steers other programs"),
            ("import socket", "reaches for the network"),
            ("import urllib.request", "reaches for the network"),
            ("from http import client", "reaches for the network"),
            ("import requests", "reaches for the network"),
            ("model = torch.hub.load('a', 'b')", "reaches for the network"),
            ("eval('1')", "makes code at run time"),
            ("exec('1')", "makes code at run time"),
            ("step = compile('1', '', 'eval')", "makes code at run time"),
            ("name = 'ti' + 'me'\nimportlib.import_module(name)", "makes code at run time"),
            ("__import__('ti' + 'me')", "makes code at run time"),
            ("__builtins__", "makes code at run time"),
            ("x = os", "hands a whole module on"),
            ("x = getattr(os, 'envi' + 'ron')", "hands a whole module on"),
            ("import autoresearch.corpus", "reaches behind the contract"),
            ("from autoresearch import corpus", "reaches behind the contract"),
            ("from autoresearch.runtime import guard", "reaches behind the contract"),
            ("session._started = 0", "reaches behind the contract"),
            ("session.budget = 1e9", "reaches behind the contract"),
            ("x = open('/proc/self/environ').read()", "names files that are none"),
            ("x = f'/proc/{1}/environ'", "names files that are none"),
            ("x = Path('.autoresearch/corpus.json')", "names files that are none"),
            ("os.environ['AUTORESEARCH_X'] = '1'", "names files that are none"),
            ("x = os.urandom(8)", "draws chance from elsewhere"),
            ("import secrets", "draws chance from elsewhere"),
            ("torch.random.seed()", "touches the seed"),
            ("chance = torch.random\nchance.seed", "draws chance from elsewhere"),
        ],
    )
    def test_what_is_none_of_a_trainings_is_refused(self, line: str, why: str) -> None:
        assert why in refused(in_loop(line))

    @pytest.mark.parametrize(
        "line",
        [
            "import functools, math, random, json, dataclasses, itertools, threading, gc",
            "import os\nx = os.path.join('a', 'b')",
            "os.environ['PYTORCH_ALLOC_CONF'] = 'expandable_segments:True'",
            "os.environ.setdefault('TORCHINDUCTOR_CACHE_DIR', str(session.out))",
            "os.environ.update({'OMP_NUM_THREADS': '1', 'A': 'b'})",
            "os.environ.update(OMP_NUM_THREADS='1')",
            "def plan():\n    '/proc/cpuinfo is not read'\n    return 1",
            "gc = __import__('gc')\ngc.freeze()",
            "kernel = importlib.import_module('flash_attn_interface')",
            "step = torch.compile(kernel)",
            "model = torch.nn.Linear(1, 1).eval()",
            "kind = getattr(torch, 'bfloat16')",
            "x = torch.signal.windows.hann(3)",
            "x = (session.out / 'extra.json').write_text('')",
            "import sys\nprint(loss, file=sys.stderr)",
            "from torch.nn import functional as F\nx = F.relu(torch.ones(1))",
            "import numpy as np\nx = np.zeros(3)",
            "where = open('/dev/null')",
            "def plan(session: Session) -> float:\n    return session.seconds",
        ],
    )
    def test_honest_means_are_allowed(self, line: str) -> None:
        result = verdict(in_loop(line))
        assert isinstance(result, Patch), result.reason

    def test_the_projects_own_modules_may_be_called_as_they_like(self) -> None:
        before = {"train.py": "import datasets\n", "datasets.py": "def load(): ...\n"}
        after = {**before, "train.py": "import datasets\ndatasets.load()\n"}
        assert new_forbidden_use(before, after, {"train", "datasets"}) is None
        assert new_forbidden_use(before, after) is not None


class TestSeed:
    @pytest.mark.parametrize(
        ("old", "new", "shown"),
        [
            ("SEED = 7", "SEED = 8", "SEED = 8"),
            ("manual_seed(session.seed)", "manual_seed(1234)", "torch.manual_seed(1234)"),
            ("manual_seed(session.seed)", "manual_seed(session.seed + 1)", "session.seed + 1"),
            ("manual_seed(session.seed)", "manual_seed(SEED)", "torch.manual_seed(SEED)"),
            ("manual_seed(seed)", "manual_seed(seed * 3)", "seed * 3"),
            ("manual_seed(seed)", "manual_seed(hash(seed))", "hash(seed)"),
            ("batches(data, session.seed)", "batches(data, 5)", "batches(data, 5)"),
            ("batches(data, session.seed)", "batches(data, seed=5)", "seed=5"),
            ("def batches(data, seed)", "def batches(data, seed=3)", "seed=3"),
            ("data = session.start()", "session.seed = 3; data = session.start()", "seed = 3"),
            ("data = session.start()", "seed = 3; data = session.start()", "seed = 3"),
            ("data = session.start()", "seed = other; data = session.start()", "seed = other"),
            ("data = session.start()", "seeds = [1, 2]; data = session.start()", "seeds = [1, 2]"),
            (
                "data = session.start()",
                "seed = torch.randint(9, ()); data = session.start()",
                "seed = torch.randint(9, ())",
            ),
            (
                "data = session.start()",
                "session.seed = torch.zeros(()); data = session.start()",
                "session.seed = torch.zeros(())",
            ),
            (
                "data = session.start()",
                "x = session.seed or 42; data = session.start()",
                "session.seed or 42",
            ),
            (
                "data = session.start()",
                "import random; random.seed(3); data = session.start()",
                "3",
            ),
            ("data = session.start()", "x = session.seed == 42; data = session.start()", "== 42"),
            (
                "data = session.start()",
                "setattr(session, 'seed', 3); data = session.start()",
                "setattr(session, 'seed', 3)",
            ),
            (
                "data = session.start()",
                "import numpy as np; x = np.random.default_rng(); data = session.start()",
                "np.random.default_rng()",
            ),
            (
                "data = session.start()",
                "data = session.start()\n    for seed in (1, 2):\n        torch.manual_seed(seed)",
                "`seed`",
            ),
        ],
    )
    def test_a_game_is_refused_alone_and_beside_other_changes(
        self, old: str, new: str, shown: str
    ) -> None:
        assert TRAIN.count(old) >= 1
        after = TRAIN.replace(old, new)
        for text in (after, set_constants(after, {"DEPTH": 3})):
            reason = refused(text)
            assert "touches the seed; every experiment trains on the session's" in reason
            assert shown in reason

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("def batches(data, seed)", "def batches(data, seed, rows=3)"),
            (
                "data = session.start()",
                "data = session.start()\n    x = torch.Generator().manual_seed(session.seed)",
            ),
            ("    data = session.start()", "    seed = session.seed\n    data = session.start()"),
            ("batches(data, session.seed)", "batches(data, seed=session.seed)"),
            ("batches(data, session.seed)", "batches(data, int(session.seed))"),
            ("    return loss", "    print(f'seed {session.seed}')\n    return loss"),
            ("    return loss", "    seed_tokens = 3\n    return loss"),
            ("    return loss", "    if session.seed is None:\n        return 1\n    return loss"),
            ("def batches(data, seed)", "def batches(data, seed=None)"),
            ("DEPTH = 2\n", SEED_TENSORS),
        ],
    )
    def test_handing_it_on_is_allowed(self, old: str, new: str) -> None:
        result = verdict(TRAIN.replace(old, new))
        assert isinstance(result, Patch), result.reason


class TestContract:
    @pytest.mark.parametrize(
        ("old", "new", "why"),
        [
            ("def load_model(", "def rebuild(", "no load_model() at its top level any more"),
            ("def main(", "def start_all(", "no main() at its top level any more"),
            ('if __name__ == "__main__":\n    main()', "main()", "has no `if __name__"),
            ("    session.finish()\n", "", "nothing calls the session's finish() any more"),
            ("session.start()", "torch.ones(1)", "nothing calls the session's start() any more"),
        ],
    )
    def test_what_the_incumbent_offers_must_stay(self, old: str, new: str, why: str) -> None:
        assert why in refused(TRAIN.replace(old, new))

    def test_it_may_be_imported_from_elsewhere(self) -> None:
        after = TRAIN.replace(
            "def load_model(directory, device):\n    return torch.nn.Linear(1, 1)\n",
            "from model import load_model\n",
        )
        assert isinstance(verdict(after), Patch)

    def test_what_the_incumbent_never_had_is_not_asked_for(self) -> None:
        assert broken({"go.py": "x = 1\n"}, {"go.py": "x = 2\n"}, "go.py") is None
        assert broken({}, {"other.py": "x = 2\n"}, "go.py") is None


class TestTemplate:
    @pytest.mark.parametrize("profile", ["cpu", "gpu"])
    def test_its_own_uses_are_fine(self, profile: str) -> None:
        source = render("gpt", profile)["train.py"]
        edited = source.replace("hidden = F.relu(self.up(norm(x)))", "hidden = F.gelu(self.up(x))")
        assert new_forbidden_use({"train.py": source}, {"train.py": edited}) is None
        assert broken({"train.py": source}, {"train.py": edited}, "train.py") is None

    def test_a_game_in_it_is_seen(self) -> None:
        source = render("gpt", "gpu")["train.py"]
        for old, new in (
            ("Trainer(session.seed, device)", "Trainer(1337, device)"),
            ("torch.manual_seed(seed)", "torch.manual_seed(seed ^ 1)"),
            ("session.seed, device)\n    batch", "3, device)\n    batch"),
            ("lr_scale(before)", "lr_scale((time.monotonic() - started) / 300)"),
        ):
            assert old in source
            assert new_forbidden_use({"train.py": source}, {"train.py": source.replace(old, new)})


@contextmanager
def untraced() -> Iterator[None]:
    """Time the code alone: counting covered lines takes two thirds of what is measured else."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


def seconds(text: str, shown: str | None) -> float:
    """Return how long it takes to read this, which shows such a game."""
    with untraced():
        began = time.process_time()
        found = new_forbidden_use({"train.py": TRAIN}, {"train.py": TRAIN + text})
        spent = time.process_time() - began
    assert (found is None) == (shown is None)
    assert found is None or shown in found.reason  # type: ignore[operator]
    return spent


class TestSize:
    """What a proposer may write, a reader must get through: time grows with length alone."""

    @pytest.mark.parametrize("lines", [2_000, pytest.param(20_000, marks=pytest.mark.thorough)])
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            (lambda lines: "x = seed + 1\n" * lines, "`seed + 1`"),
            (lambda lines: "x = time.time()\n" * lines, "`time.time`"),
            (lambda lines: "def f():\n    a = b = c = time\n" * lines, "`time`"),
            (lambda lines: "m = torch\n" + "".join(f"m = m.a{at}\n" for at in range(lines)), None),
            (lambda lines: "m = torch\n" + "m = m.a\nm = m.b\n" * 30 + "m\n" * lines, None),
            (
                lambda lines: "".join(f"m{at} = m{at - 1} = torch.x\n" for at in range(lines // 2)),
                None,
            ),
            (lambda lines: ("f" + "(1)" * 200 + "\n") * (lines // 200), None),
            (lambda lines: ("x = torch" + ".a" * 300 + "\n") * (lines // 200), None),
        ],
    )
    def test_many_lines_are_read_in_little_time(
        self, text: Callable[[int], str], shown: str | None, lines: int
    ) -> None:
        # Four times the lines take four times as long, not sixteen; no hiccup comes every time.
        assert any(
            seconds(text(lines), shown) < 9 * seconds(text(lines // 4), shown) for _ in range(20)
        )

    def test_a_name_of_too_many_meanings_is_its_modules_handed_on_whole(self) -> None:
        many = "m = os\n" + "".join(f"m = m.a{at}\n" for at in range(40))
        found = [each.names for each in mentions(ast.parse(f"import os\n{many}m.environ\n"))]
        assert all(len(names) <= MAX_MEANINGS for names in found)
        assert "hands a whole module on" in refused(on_top(many))

    def test_the_middle_of_a_long_name_is_left_out(self) -> None:
        assert short("a.b.c.d.e.f.g.h") == "a.b.c.d.e.f.g.h"
        assert short("a.b.c.d.e.f.g.h.i.j") == "a.b.c.d.g.h.i.j"
        deep = in_loop("import prepare\nx = prepare" + ".a" * 99 + ".sys.argv")
        assert "`sys.argv` looks at the environment" in refused(deep)


def test_hostile_text_is_escaped() -> None:
    reason = refused(in_loop("x = open('/proc/\\x1b[31m\u202e' + 'a' * 9)"))
    assert "\x1b" not in reason
    assert "\u202e" not in reason


def test_code_too_deep_to_read_is_refused_or_read() -> None:
    for deep in ("x = " + "-" * 900 + "1", "x = " + "+".join("1" * 3000), "x = a" + ".a" * 900):
        result = verdict(in_loop(deep))
        assert isinstance(result, Patch) or "too deep" in result.reason or "syntax" in result.reason
