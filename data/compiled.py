"""Numeric loops: compiled when they are first needed, or run as they stand where little is to do.

Loading the compiler takes a second. A loop over the events of one lead takes milliseconds without
it, and gives the same bits: it is the same Python function. So nothing is compiled for a few steps,
until so many of them were run that loading the compiler would have cost less.

Numba keeps machine code beside the source, in the user's cache folder, or in the folder that the
environment variable NUMBA_CACHE_DIR names. Where none of them can be written (a read-only
installation run by a user without a home) each process compiles anew. `models/predictor.py` has its
own copy of this, because it travels alone.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import Any, ClassVar, Final, Literal, cast, overload

import numpy as np

LOG = logging.getLogger("leadscore.compiled")
WORTH_LOADING: Final = 1_000_000
"""Steps that take about as long uncompiled as loading the compiler does."""
MANY: Final = WORTH_LOADING // 10
"""Steps at once: more of the kind are to come."""

Function = Callable[..., Any]
ErrorModel = Literal["python", "numpy"]


class _Thread(threading.local):
    """Whether this thread is inside a loop that runs as it stands."""

    uncompiled = False


_THREAD = _Thread()


class NumericLoop:
    """A function that is compiled when it is first called, and lets other threads run meanwhile."""

    steps_uncompiled: ClassVar[int] = 0  # in this process

    def __init__(self, function: Function, error_model: ErrorModel) -> None:
        update_wrapper(self, function)
        self._function, self._error_model = function, error_model

    def __call__(self, *values: Any) -> Any:
        """Run the machine code; the function itself inside a loop that runs as it stands."""
        return self._function(*values) if _THREAD.uncompiled else self.machine_code(*values)

    def for_steps(self, steps: int) -> Function:
        """Choose how to run: as it stands where so few steps don't pay for the compiler."""
        done = NumericLoop.steps_uncompiled
        if "numba" in sys.modules or steps > MANY or done + steps > WORTH_LOADING:
            return cast("Function", self.machine_code)
        NumericLoop.steps_uncompiled += steps
        return self.as_it_stands

    def as_it_stands(self, *values: Any) -> Any:
        """Run the function uncompiled, and the loops that it calls; numbers wrap as compiled."""
        divide: Literal["ignore", "raise"] = "ignore" if self._error_model == "numpy" else "raise"
        before, _THREAD.uncompiled = _THREAD.uncompiled, True
        try:
            with np.errstate(all="ignore", divide=divide):
                return self._function(*values)
        finally:
            _THREAD.uncompiled = before

    @cached_property
    def machine_code(self) -> Any:
        """Load the compiler; the machine code is read, or made, when this is called."""
        import numba

        function, model = self._function, self._error_model
        try:
            return numba.njit(function, nogil=True, cache=True, error_model=model)
        except RuntimeError:  # no folder that can be written; nothing is compiled before a call
            LOG.info("no folder for compiled code; %s is compiled anew", function.__name__)
        return numba.njit(function, nogil=True, error_model=model)

    @property
    def _numba_type_(self) -> Any:
        """Tell the compiler, where another loop calls this one, what stands here."""
        return self.machine_code._numba_type_


def load_compiler() -> None:
    """Load it at once: for a program that answers again and again, however small each answer."""
    import numba  # noqa: F401


@overload
def compiled(function: Function) -> NumericLoop: ...
@overload
def compiled(*, error_model: ErrorModel) -> Callable[[Function], NumericLoop]: ...
def compiled(function: Function | None = None, *, error_model: ErrorModel = "python") -> Any:
    """Mark a function as a numeric loop.

    With the error model "numpy" a division by zero gives inf or NaN; with "python" it raises.
    """
    if function is None:
        return lambda each: NumericLoop(each, error_model)
    return NumericLoop(function, error_model)
