"""Files are written whole, reach the disk with their names, and belong to their user."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from data.files import open_to_readers_of_its_folder, write_text


@pytest.mark.checkout
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_it_is_said(
    tmp_path: Path,
) -> None:
    write = f"write_text(Path({str(tmp_path / 'a.txt')!r}), 'x')"
    code = f"from pathlib import Path; from data.files import write_text; {write}"
    trace = tmp_path / "trace"
    calls = "write,fsync,rename,renameat,renameat2"
    subprocess.run(
        [
            "strace",
            "-f",
            "-y",
            "-qq",
            "-o",
            trace,
            "-e",
            f"trace={calls}",
            sys.executable,
            "-c",
            code,
        ],
        cwd=Path(__file__).parents[2],
        check=True,
        timeout=120,
    )
    ours = [line for line in trace.read_text().splitlines() if str(tmp_path) in line]
    names = [re.sub(r"^\d+ +", "", line).partition("(")[0] for line in ours]
    assert [name.replace("at2", "") for name in names] == ["write", "fsync", "rename", "fsync"]
    assert f"<{tmp_path}>" in ours[-1]


def test_no_thread_sees_another_umask_while_files_are_written(tmp_path: Path) -> None:
    before, over = os.umask(0o077), threading.Event()

    def write(name: str) -> None:
        while not over.is_set():
            write_text(tmp_path / name, "x")

    writers = [threading.Thread(target=write, args=(f"{i}.txt",)) for i in range(3)]
    try:
        for each in writers:
            each.start()
        for i in range(300):
            (tmp_path / f"other{i}").touch()
    finally:
        over.set()
        for each in writers:
            each.join()
        left = os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert (modes, left) == ({0o600}, 0o077)


def test_a_new_file_is_as_the_umask_says_and_an_old_one_keeps_its_readers(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        file = write_text(tmp_path / "a.txt", "x")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        file.chmod(0o640)
        write_text(file, "y")
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        tmp_path.chmod(0o755)
        assert stat.S_IMODE(open_to_readers_of_its_folder(file).stat().st_mode) == 0o644
        tmp_path.chmod(0o700)
        assert stat.S_IMODE(open_to_readers_of_its_folder(file).stat().st_mode) == 0o644
    finally:
        os.umask(before)
