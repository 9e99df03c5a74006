"""A request to stop reaches a night wherever it falls, also while it starts."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
import weakref

import pytest

from serving.writeback.stop import Interrupt


class Held:
    """Something that a weak reference may point at."""


def test_a_signal_that_falls_into_a_callback_is_raised_anew(capsys):
    held = Held()
    reference = weakref.ref(held, lambda _: os.kill(os.getpid(), signal.SIGTERM) or time.sleep(0))
    with Interrupt() as interrupt:
        interrupt.begin()
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - where it comes is not known
            del held
            gc.collect()
            time.sleep(5)
        interrupt.over = True
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)
    assert reference() is None
    assert "Exception ignored" not in capsys.readouterr().err


def test_a_signal_before_all_is_imported_waits():
    with Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)
        with pytest.raises(KeyboardInterrupt):
            interrupt.begin()


@pytest.mark.parametrize("moment", ["night_result", "night", "session"])
def test_sigterm_while_a_night_starts_is_answered_with_the_line_and_4(tmp_path, moment):
    """The signal comes while the night imports a module."""
    stop = Interrupt.__module__
    module = f"{stop.removesuffix('.writeback.stop')}.{moment}"
    script = (
        "import os, signal, sys\n"
        "def hook(event, args):\n"
        f"    if event == 'import' and args[0] == {module!r} and {stop!r} in sys.modules:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.addaudithook(hook)\n"
        "sys.argv = ['leadscore', 'night', 'acme.toml']\n"
        "from leadscore import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4, done.stderr
    answer = json.loads(done.stdout)
    assert answer["exit_code"] == 4
    assert answer["error"] == "stopped by a signal; run again"
    assert "Traceback" not in done.stderr
