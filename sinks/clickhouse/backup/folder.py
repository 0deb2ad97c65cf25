"""The directory of backups: who may look into it, which backups are there, and whether one is whole.

Reads     the directory: a folder per backup, `manifest.json` and what ClickHouse wrote
Writes    the manifest, last; rights of files and folders
Promises  a backup without its manifest is none, and the manifest is written once all else is on the disk; any byte
          that was changed, any file that is missing or was added is found, in a backup and in all that it is based
          on; nobody but owner and group can read it (O9-4.5, O9-5.1; box: sinks/clickhouse)
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from typing import TYPE_CHECKING

from esep.errors import FileUnusable, UsageError
from esep.sinks.clickhouse.backup.manifest import File, decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from esep.sinks.clickhouse.backup.manifest import Manifest

MANIFEST = "manifest.json"
DATA = "data"  # What ClickHouse wrote, below a backup's folder.
OTHERS = 0o007
PIECE_BYTES = 1024 * 1024


class Backups:
    """A directory of backups. It is made, for its owner alone, if it is not there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_mode & OTHERS:
            raise UsageError(
                f"everybody on this machine may look into {directory}",
                detail="a backup holds persons' bets",
                hint=f"chmod o-rwx {directory}",
            )

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from taking or restoring a backup at the same time; the kernel ends it with the process."""
        with (self.directory / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(f"another backup or restore is at work in {self.directory}") from error
            yield

    def names(self) -> list[str]:
        """Return the names of all folders, oldest first, whole or not."""
        return sorted(path.name for path in self.directory.iterdir() if path.is_dir())

    def whole(self) -> list[Manifest]:
        """Return the manifests of all backups, oldest first, without those that are `unusable`."""
        found = []
        for name in self.names():
            with contextlib.suppress(FileUnusable):
                found.append(self.manifest(name))
        return found

    def unusable(self) -> list[str]:
        """Return the names of those that were cut short, or whose manifest is damaged: they are no backups."""
        return sorted(set(self.names()) - {manifest.name for manifest in self.whole()})

    def manifest(self, name: str) -> Manifest:
        """Return what a backup says of itself; FileUnusable if it is none, or its manifest is damaged."""
        try:
            data = (self.directory / name / MANIFEST).read_bytes()
        except OSError as error:
            raise FileUnusable(
                f"there is no whole backup {name}",
                detail=f"{self.directory / name / MANIFEST}: {error.strerror}",
                hint="`esep backup list` shows what there is; one that was cut short has no manifest",
            ) from error
        return decode(data, name)

    def chain(self, name: str) -> list[Manifest]:
        """Return a backup and all that it is based on, newest first; FileUnusable if one is missing or another."""
        chain = [self.manifest(name)]
        while (base := chain[-1].base) is not None:
            manifest = self.manifest(base.name)
            if manifest.sha256 != base.sha256:
                raise FileUnusable(
                    f"backup {chain[-1].name} is based on another {base.name}", hint="put the one back that it knew"
                )
            chain.append(manifest)
        return chain

    def begin(self, name: str) -> Path:
        """Make the folder of a new backup, with the rights of the directory itself, and return it."""
        folder = self.directory / name
        folder.mkdir()
        folder.chmod(self.directory.stat().st_mode & 0o2770)
        return folder

    def files(self, name: str) -> tuple[File, ...]:
        """Return all files of a backup but its manifest, each hashed, and from now on surely on the disk."""
        folder = self.directory / name
        found = []
        for path in self._paths(folder):
            digest, size = _read(path)
            _sync(path)
            found.append(File(path=path.relative_to(folder).as_posix(), size=size, sha256=digest))
        for directory in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
            _sync(directory)
        return tuple(found)

    def seal(self, manifest: Manifest) -> None:
        """Write the manifest of a backup: from now on it is one."""
        folder = self.directory / manifest.name
        draft = folder / f"{MANIFEST}.draft"
        draft.write_bytes(manifest.encode())
        draft.chmod(0o640 & (folder.stat().st_mode | 0o600))
        _sync(draft)
        draft.replace(folder / MANIFEST)
        _sync(folder)
        _sync(self.directory)

    def faults(self, name: str) -> list[str]:
        """Return what is wrong with a backup and those that it is based on, in words; nothing if they are whole.

        All bytes are read. FileUnusable if a manifest is missing or damaged.
        """
        return [fault for manifest in self.chain(name) for fault in self._faults_of(manifest)]

    def _faults_of(self, manifest: Manifest) -> Iterator[str]:
        folder = self.directory / manifest.name
        there = {path.relative_to(folder).as_posix(): path for path in self._paths(folder)}
        for file in manifest.files:
            path = there.pop(file.path, None)
            if path is None:
                yield f"{manifest.name}/{file.path} is missing"
            elif path.is_symlink() or _read(path) != (file.sha256, file.size):
                yield f"{manifest.name}/{file.path} is not what was written"
        yield from (f"{manifest.name}/{path} was added" for path in sorted(there))

    @staticmethod
    def _paths(folder: Path) -> list[Path]:
        """Return all files below a backup's folder but its manifest, links among them."""
        paths = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
        return sorted(path for path in paths if path != folder / MANIFEST)


def _read(path: Path) -> tuple[str, int]:
    """Return the SHA-256 and the size of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
    return digest.hexdigest(), size


def _sync(path: Path) -> None:
    """Have on the disk what was written to a file, or which files a directory has, whoever wrote it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
