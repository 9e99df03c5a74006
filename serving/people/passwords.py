"""Passwords: argon2id hashes, checked in the same time whether or not the user exists."""

from __future__ import annotations

import secrets
import unicodedata
from functools import cache
from typing import Final, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from data.errors import InputError

MIN_LETTERS: Final = 12
MAX_LETTERS: Final = 1_000
_HASHER: Final = PasswordHasher()  # argon2id with the memory and rounds of RFC 9106, 64 MiB


def hash_password(password: str, name: str) -> str:
    """Hash a password for storage; InputError where it is too short, or the name itself."""
    count, weakness = len(password), weakness_of(password, name)
    if weakness == "short":
        raise InputError(
            f"the password has {count} letters", cure=f"choose one of {MIN_LETTERS} or more"
        )
    if weakness == "long":
        raise InputError(f"the password has {count} letters, at most {MAX_LETTERS} are taken")
    if weakness == "guessed":
        raise InputError("the password is easily guessed", cure="choose another one")
    return _HASHER.hash(_same_letters(password))


def weakness_of(password: str, name: str) -> Literal["short", "long", "guessed", ""]:
    """Say why a password is not taken; "" where it is."""
    if not MIN_LETTERS <= len(password) <= MAX_LETTERS:
        return "short" if len(password) < MIN_LETTERS else "long"
    guessed = len(set(password)) < 4 or password.casefold() == name.casefold()
    return "guessed" if guessed else ""


def is_password(kept: str | None, password: str) -> bool:
    """Tell whether a password is the one that was hashed; as slow where there is no hash."""
    try:
        fits = _HASHER.verify(kept or _nobodys(), _same_letters(password[:MAX_LETTERS]))
    except (VerificationError, InvalidHashError):
        return False
    return fits and kept is not None


@cache
def _nobodys() -> str:
    """Hash a password that nobody has, to be compared with where a name is unknown."""
    return _HASHER.hash(secrets.token_urlsafe(32))


def _same_letters(password: str) -> bytes:
    """Write letters one way: keyboards send accents composed or not."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
