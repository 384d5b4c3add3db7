"""Which changes leave a learning curve comparable with the incumbent's."""

import pytest

from autoresearch.patching import steering_change
from autoresearch.scaffold import render

TRAIN = render("gpt", "cpu")["train.py"]
STEERED = {
    "the warm-down": ("WARMDOWN_RATIO = 0.7", "WARMDOWN_RATIO = 0.3", "WARMDOWN_RATIO"),
    "the warm-up": ("WARMUP_RATIO = 0.0", "WARMUP_RATIO = 0.1", "WARMUP_RATIO"),
    "a learning rate": ("MATRIX_LR = 0.04", "MATRIX_LR = 0.02", "MATRIX_LR"),
    "weight decay": ("WEIGHT_DECAY = 0.2", "WEIGHT_DECAY = 0.0", "WEIGHT_DECAY"),
    "momentum": ("MUON_MOMENTUM = 0.95", "MUON_MOMENTUM = 0.9", "MUON_MOMENTUM"),
    "the batch": ("TOTAL_BATCH_SIZE = 2048", "TOTAL_BATCH_SIZE = 4096", "TOTAL_BATCH_SIZE"),
    "the soft-cap": ("SOFTCAP = 15.0", "SOFTCAP = 0.0", "SOFTCAP"),
    "the schedule itself": ("left = 1 - min(", "left = 1 - max(", "lr_scale"),
    "the optimizer": ("beta1, beta2 = min", "beta2, beta1 = min", "adam_step"),
    "what the optimizer uses": ("* 1.02 + 1e-7", "* 1.1", "orthogonalise"),
    "the loss": ('reduction="sum")', 'reduction="sum", label_smoothing=0.1)', "GPT.loss"),
    "what is a target": (
        "stream, targets = self.stream_of(tokens)",
        "stream, targets = self.stream_of(tokens * 1)",
        "Trainer._learn",
    ),
    "dropout": (
        "self.down(hidden * hidden)",
        "F.dropout(self.down(hidden * hidden))",
        "Block.forward",
    ),
    "the loop": ("step += 1", "step += 2", "train"),
    "the context of the model": (
        "context: int = MAX_SEQ_LEN",
        "context: int = 64",
        "Shape.context",
    ),
    "a statement with the vocabulary": ("scale=0.001 * shape", "scale=0.1 * shape", "GPT.__init__"),
    "a new rate": ("DEPTH = 2 ", "LR_SWING = 2\nDEPTH = 2 ", "LR_SWING"),
    "a loss from outside": ("DEPTH = 2 ", "F.cross_entropy = print\nDEPTH = 2 ", "Assign"),
    "a name in a text": (
        "DEPTH = 2 ",
        'object.__getattribute__(F, "cross_entropy")\nDEPTH = 2 ',
        "Expr",
    ),
}
FREE = {
    "depth": ("DEPTH = 2 ", "DEPTH = 3 "),
    "the activation": ("F.relu(self.up(norm(x)))", "F.gelu(self.up(norm(x)))"),
    "attention": (
        "q = norm(rotate(self.query(x).view(split), cos, sin))",
        "q = norm(self.query(x).view(split))",
    ),
    "an initialisation": ("INIT_SCALE = 0.7", "INIT_SCALE = 1.0"),
    "the model's __init__": (
        "torch.full((shape.depth,), X0_INIT)",
        "torch.full((shape.depth,), 0.1)",
    ),
    "a docstring of the schedule": ('"""Return the factor of all', '"""Give the factor of all'),
    "a comment in the loop": ("step += 1", "step += 1  # again"),
    "a new class": (
        "class Block(nn.Module)",
        "class Shift(nn.Module):\n    pass\n\n\nclass Block(nn.Module)",
    ),
}


def changed(old: str, new: str) -> str:
    assert TRAIN.count(old) == 1
    return TRAIN.replace(old, new)


@pytest.mark.parametrize("name", STEERED)
def test_what_steers_is_found(name: str) -> None:
    old, new, place = STEERED[name]
    assert steering_change({"train.py": TRAIN}, {"train.py": changed(old, new)}) == place
    assert steering_change({"train.py": changed(old, new)}, {"train.py": TRAIN}) == place


@pytest.mark.parametrize("name", FREE)
def test_architecture_is_free(name: str) -> None:
    old, new = FREE[name]
    assert steering_change({"train.py": TRAIN}, {"train.py": changed(old, new)}) is None


def test_a_helper_of_the_schedule_steers_whatever_it_is_called() -> None:
    before = "SLOPE = 1\ndef ramp(t):\n    return SLOPE * t\ndef lr(t):\n    return ramp(t)\n"
    for after in (before.replace("= 1", "= 2"), before.replace("* t", "* t * t")):
        assert steering_change({"a.py": before}, {"a.py": after}) in ("SLOPE", "ramp")
    unused = before.replace("return ramp(t)", "return t")
    assert steering_change({"a.py": unused}, {"a.py": unused.replace("= 1", "= 2")}) is None


def test_a_variable_at_the_top_steers_where_the_loop_uses_it() -> None:
    before = "DEPTH = 2\nmodel = GPT(DEPTH)\nwhile True:\n    loss = model(batch)\n"
    assert steering_change({"a.py": before}, {"a.py": before.replace("= 2", "= 3")}) == "DEPTH"


def test_in_doubt_a_change_steers() -> None:
    assert steering_change({"a.py": "x = 1"}, {"a.py": "x = ("}) == "a.py"
    assert steering_change({"notes.txt": "x"}, {"notes.txt": "y"}) == "notes.txt"
    for much in ("-" * 5000 + "1", "0x" + "f" * 5000):
        assert steering_change({"a.py": "x = 1"}, {"a.py": f"x = {much}"}) == "a.py"


def test_the_same_files_are_of_one_family() -> None:
    assert steering_change({"a.py": "x = 1", "b": "?"}, {"a.py": "x = 1", "b": "?"}) is None
    assert steering_change({}, {"new.py": "def shift(x):\n    return x\n"}) is None
