import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from autoresearch.runtime.session import CHECKPOINT_FILES, file_digest
from autoresearch.workers.checkpoint import BadCheckpointError, copy_checkpoint

Header = dict[str, dict[str, object]]


def tensor(
    begin: object, end: object, shape: object = (1,), dtype: str = "F32"
) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def weights(header: object, size: int = 4) -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + bytes(size)


def save(out: Path, model: bytes, config: bytes = b"{}") -> None:
    out.mkdir(exist_ok=True)
    (out / "model.safetensors").write_bytes(model)
    (out / "config.json").write_bytes(config)


def digests(out: Path) -> dict[str, str]:
    return {name: file_digest(out / name) for name in CHECKPOINT_FILES}


GOOD = weights({"w": tensor(0, 4)})
GOOD_MODELS = {
    "one tensor": GOOD,
    "metadata": weights({"__metadata__": {"format": "pt"}, "w": tensor(0, 4)}),
    "any order": weights({"b": tensor(8, 12), "a": tensor(0, 8, (2, 1))}, 12),
    "scalar and empty": weights({"a": tensor(0, 0, (0, 5)), "b": tensor(0, 4, ())}),
    "half the bits": weights({"a": tensor(0, 4, (2,), "BF16")}),
    "nothing": weights({}, 0),
}
BAD_MODELS = {
    "empty": b"",
    "pickle": pickle.dumps([1] * 99),
    "cut short": GOOD[:-1],
    "too long": GOOD + b"more",
    "no header": bytes(8) + b"{}",
    "a list": weights([1, 2]),
    "a list of tensors": weights([tensor(0, 4)]),
    "a tensor of numbers": weights({"w": 4}),
    "no json": weights(b"{" * 20),
    "no text": weights(b"\xff" * 20),
    "too deep": weights(b"[" * 100_000),
    "longer than the file": b"\xff" * 8 + b"{}",
    "a gap before": weights({"w": tensor(4, 8)}, 8),
    "a gap between": weights({"a": tensor(0, 4), "b": tensor(8, 12)}, 12),
    "an overlap": weights({"a": tensor(0, 4), "b": tensor(0, 4)}),
    "backwards": weights({"w": tensor(4, 0)}),
    "below zero": weights({"w": tensor(-4, 0)}, 0),
    "wrong shape": weights({"w": tensor(0, 4, (2,))}),
    "shape below zero": weights({"w": tensor(0, 4, (-1, -1))}),
    "a million dimensions": weights({"w": tensor(0, 4, [1] * 1_000_000)}),
    "unknown type": weights({"w": tensor(0, 4, (1,), "F99")}),
    "boolean offset": weights({"w": tensor(False, 4)}),
    "text as offset": weights({"w": tensor("0", "4")}),
    "fractions": weights({"w": tensor(0.0, 4.0)}),
    "three offsets": weights({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2, 4]}}),
    "no offsets": weights({"w": {"dtype": "F32", "shape": [1]}}),
}


@pytest.mark.parametrize("name", GOOD_MODELS)
def test_good_models_are_copied_byte_by_byte(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    save(out, GOOD_MODELS[name], b'{"depth": 2}')
    taken = copy_checkpoint(out, digests(out), tmp_path / "checkpoint", limit=2**20)
    assert (taken / "model.safetensors").read_bytes() == GOOD_MODELS[name]
    assert json.loads((taken / "config.json").read_text()) == {"depth": 2}
    assert sorted(each.name for each in taken.iterdir()) == sorted(CHECKPOINT_FILES)


@pytest.mark.parametrize("name", BAD_MODELS)
def test_bad_models_are_refused_though_their_digests_are_right(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    save(out, BAD_MODELS[name])
    with pytest.raises(BadCheckpointError, match=r"model\.safetensors is"):
        copy_checkpoint(out, digests(out), tmp_path / "checkpoint", limit=2**30)


@pytest.mark.parametrize(
    "config", [b"", b"[]", b"1", b'{"a"', b"\xff", b"[" * 100_000, b" " * 2**20 + b"{}"]
)
def test_bad_configs(tmp_path: Path, config: bytes) -> None:
    out = tmp_path / "out"
    save(out, GOOD, config)
    with pytest.raises(BadCheckpointError, match=r"config\.json (holds no JSON object|has)"):
        copy_checkpoint(out, digests(out), tmp_path / "checkpoint", limit=2**30)


def hard_link(path: Path) -> None:
    os.link(path, path.with_name("other"))


def symlink(path: Path) -> None:
    path.rename(path.with_name("other"))
    path.symlink_to(path.with_name("other"))


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"!")


@pytest.mark.parametrize("name", CHECKPOINT_FILES)
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (hard_link, "is no plain file with one name"),
        (symlink, "cannot be opened"),
        (fifo, "is no plain file"),
        (folder, "cannot be opened"),
        (Path.unlink, "is missing"),
        (change, "changed after it was handed in"),
    ],
)
def test_files_that_are_not_what_was_handed_in(
    tmp_path: Path, name: str, spoil: Callable[[Path], None], reason: str
) -> None:
    out = tmp_path / "out"
    save(out, GOOD)
    told = digests(out)
    spoil(out / name)
    with pytest.raises(BadCheckpointError, match=f"{name} {reason}"):
        copy_checkpoint(out, told, tmp_path / "checkpoint", limit=2**20)


def test_too_large(tmp_path: Path) -> None:
    out = tmp_path / "out"
    save(out, weights({"w": tensor(0, 400, (100,))}, 400))
    with pytest.raises(BadCheckpointError, match="the limit is 100"):
        copy_checkpoint(out, digests(out), tmp_path / "checkpoint", limit=100)


def test_an_output_folder_that_is_a_link(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere", GOOD)
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadCheckpointError, match="symbolic link"):
        copy_checkpoint(
            tmp_path / "out", digests(tmp_path / "out"), tmp_path / "checkpoint", limit=2**20
        )


def test_what_safetensors_writes_is_good(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    from safetensors.numpy import save_file  # noqa: PLC0415 - after the skip

    out = tmp_path / "out"
    save(out, b"")
    arrays = {"a": numpy.zeros((3, 5), numpy.float16), "b": numpy.arange(7), "c": numpy.float32(1)}
    save_file(
        {name: numpy.asarray(each) for name, each in arrays.items()}, out / "model.safetensors"
    )
    copy_checkpoint(out, digests(out), tmp_path / "checkpoint", limit=2**20)
