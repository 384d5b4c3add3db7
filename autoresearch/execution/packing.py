"""A folder as bytes, to cross to another machine: files of any bytes, links, modes."""

import io
import tarfile
from pathlib import Path


def pack(folder: Path) -> bytes:
    """Return all that is in a folder. The same content gives the same bytes.

    Raises:
        OSError: it cannot be read.
    """
    stream = io.BytesIO()
    # GNU's format takes file names of any bytes; the other one wants them to be text.
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name, filter=_nobodys)
    return stream.getvalue()


def unpack(data: bytes, folder: Path, *, links: bool = True) -> None:
    """Write what `pack` returned into a folder, which need not be there.

    Nothing is written outside of the folder. Links may point there, unless `links` is false.

    Raises:
        OSError: it cannot be written.
        tarfile.TarError: it is nothing of `pack`'s, or has such links.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="tar" if links else "data")  # noqa: S202 - it is filtered


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member
