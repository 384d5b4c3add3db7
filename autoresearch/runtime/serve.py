"""``python -m autoresearch.runtime.serve FD TREE ENTRY [LIBRARY]``: the untrusted model server.

It greets the evaluator on the socket FD, with the library of the model's arrays (torch or numpy) in
memory if that was asked for. There need be no tree yet: the first request that needs it (``load``
or ``tokenizer``) takes the server there. Then it imports the tree's code and answers the
evaluator's requests, one at a time: ``load``, ``score`` (log-probabilities of given next tokens),
``vectors`` (whole logit vectors at given places), ``tokenizer`` and ``encode``. Nothing it says is
believed: the code it imports may have replaced any of it. A request that fails is answered with the
exception's type and kind, and the server ends.
"""

import gc
import importlib.util
import itertools
import os
import socket
import struct
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Protocol

from autoresearch.runtime import accelerator, arrays, wire
from autoresearch.runtime.launch import kind_of


class TreeTokenizer(Protocol):
    """What the tree's ``load_tokenizer(directory)`` returns: any lossless tokenizer is fair.

    `table[i]` is the bytes of token i; `bos` begins every document and is never charged.
    """

    table: list[bytes]
    bos: int

    def encode(self, data: bytes) -> list[int]:
        """Return tokens whose bytes concatenate to `data`."""
        ...


Header = dict[str, object]
Reply = tuple[Header, bytes]


class ModelServer:
    """The tree's model or tokenizer, and the requests it answers."""

    def __init__(self, tree: Path, entry: str) -> None:
        self._tree = tree
        self._entry = tree / entry
        self._model: arrays.LoadedModel
        self._tokenizer: TreeTokenizer

    def load(self, header: Header, payload: bytearray) -> Reply:
        """Build the model from the checkpoint; a first forward of one row tells its vocabulary."""
        kind, device = str(header["arrays"]), str(header["device"])
        # It may take PyTorch to look for it, which a model of another library is to do without.
        ask = accelerator.fault if kind == arrays.TORCH else accelerator.fault_in_child
        if why := ask(device):  # before any code that could be blamed for it
            raise accelerator.AcceleratorError(why)
        program, threads = self._enter(), wire.integer(header, "threads")
        self._model = arrays.MODELS[kind](program, Path(str(header["checkpoint"])), device, threads)
        return {"vocab": self._model.vocabulary(payload)}, b""

    def score(self, header: Header, payload: bytearray) -> Reply:
        """Return float32 [B, T]: of rows of T + 1 tokens, how likely each token after the first."""
        return {}, self._model.score(payload, wire.integer(header, "rows"))

    def vectors(self, header: Header, payload: bytearray) -> Reply:
        """Return float32 [B, V]: the logits of B rows, each at the place its last number gives."""
        return {}, self._model.vectors(payload, wire.integer(header, "rows"))

    def tokenizer(self, header: Header, payload: bytearray) -> Reply:
        """Return the table, uint32 lengths and then the bytes, before any document is seen."""
        del payload
        loader = self._enter().load_tokenizer
        self._tokenizer = loader(Path(str(header["checkpoint"])))
        table = [bytes(token) for token in self._tokenizer.table]
        lengths = struct.pack(f"<{len(table)}I", *map(len, table))
        return {"bos": int(self._tokenizer.bos), "size": len(table)}, lengths + b"".join(table)

    def encode(self, header: Header, payload: bytearray) -> Reply:
        """Return the tokens of some documents: uint32 counts, then uint32 ids."""
        count = wire.integer(header, "documents")
        ends = list(itertools.accumulate(struct.unpack_from(f"<{count}I", payload), initial=0))
        text = bytes(payload[4 * count :])
        found = [self._tokenizer.encode(text[start:end]) for start, end in itertools.pairwise(ends)]
        counts = struct.pack(f"<{count}I", *map(len, found))
        return {}, counts + array("I", itertools.chain.from_iterable(found)).tobytes()

    def _enter(self) -> ModuleType:
        os.chdir(self._tree)
        sys.path.insert(0, str(self._tree))
        return import_entry(self._entry)


def import_entry(entry: Path) -> ModuleType:
    """Import the tree's program, once, as a module named after its file."""
    known = sys.modules.get(entry.stem)
    if known is not None and getattr(known, "__file__", None) == str(entry):
        return known
    spec = importlib.util.spec_from_file_location(entry.stem, entry)
    if spec is None or spec.loader is None:
        raise ImportError(entry.name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[entry.stem] = module
    spec.loader.exec_module(module)
    return module


def serve(channel: socket.socket, server: ModelServer) -> None:
    """Answer requests until one fails or the evaluator hangs up."""
    while True:
        header = wire.read_head(lambda size: _receive(channel, size))
        payload = _receive(channel, wire.integer(header, "bytes"))
        echo: Header = {"nonce": header["nonce"]}
        try:
            operation: Callable[[Header, bytearray], Reply] = getattr(server, str(header["op"]))
            fields, data = operation(header, payload)
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - the evaluator is told its type
            channel.sendall(wire.head({**echo, **_told(fault, str(header["op"]))}, 0))
            return
        channel.sendall(wire.head({**echo, **fields}, len(data)))
        channel.sendall(data)


def _told(fault: BaseException, operation: str) -> Header:
    """Return a fault's type and kind, and its message while no sealed text has been seen."""
    told: Header = {"error": type(fault).__name__[:200], "kind": kind_of(fault)}
    if operation in wire.BEFORE_TEXT:
        plain = str(fault).encode("ascii", "backslashreplace").decode()
        told["message"] = plain[:1000]  # in a header of 4096 bytes a character may take two
    return told


def _receive(channel: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view, have = memoryview(data), 0
    while have < size:
        got = channel.recv_into(view[have:])
        if got == 0:
            raise EOFError
        have += got
    return data


def import_torch() -> None:
    """Import torch without looking for garbage meanwhile: a twelfth faster, and none is made."""
    gc.disable()
    import torch  # noqa: F401, PLC0415 - it stays in memory

    gc.freeze()
    gc.enable()


def main() -> None:
    """Serve as the command line says."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    server = ModelServer(Path(sys.argv[2]), sys.argv[3])
    if sys.argv[4:] == [arrays.TORCH]:
        import_torch()
    elif sys.argv[4:] == [arrays.NUMPY]:
        import numpy  # noqa: F401, PLC0415 - it stays in memory
    channel.sendall(wire.head({"hello": True}, 0))  # no code of the tree has run so far
    try:
        serve(channel, server)
    except (EOFError, OSError):
        os._exit(0)  # the evaluator has hung up; threads of the tree must not keep this alive


if __name__ == "__main__":
    main()
