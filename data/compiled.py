"""Compiles the numeric loops of the product, and keeps the machine code where that can be written.

Numba keeps it beside the source, in the user's cache folder, or in the folder that the environment
variable NUMBA_CACHE_DIR names. Where none of them can be written (a read-only installation run by
a user without a home) each process compiles anew. `models/predictor.py` has its own copy of this,
because it travels alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal, overload

import numba

LOG = logging.getLogger("leadscore.compiled")

Function = Callable[..., Any]
ErrorModel = Literal["python", "numpy"]


@overload
def compiled(function: Function) -> Function: ...
@overload
def compiled(*, error_model: ErrorModel) -> Callable[[Function], Function]: ...
def compiled(function: Function | None = None, *, error_model: ErrorModel = "python") -> Any:
    """Compile a function that lets other threads run while it works.

    With the error model "numpy" a division by zero gives inf or NaN; with "python" it raises.
    """
    if function is None:
        return lambda each: _compile(each, error_model)
    return _compile(function, error_model)


def _compile(function: Function, error_model: ErrorModel) -> Any:
    try:
        return numba.njit(function, nogil=True, cache=True, error_model=error_model)
    except RuntimeError:  # no folder that can be written; nothing is compiled before the first call
        LOG.info("no folder for compiled code; %s is compiled anew", function.__name__)
    return numba.njit(function, nogil=True, error_model=error_model)
