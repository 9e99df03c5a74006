"""Signs and checks the manifest of an artifact, and with its hashes every file of it.

HMAC-SHA256 (RFC 2104) over format, hashes, and the loader that MLflow executes, kept in the
manifest itself. A second one, kept as a tag in the registry, binds the content to the name and
number of its version, so that two signed folders cannot be swapped. Whoever can check can also
sign: the key belongs to the jobs that train and score, not to readers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from data.errors import InputError
from data.files import write_text
from models.predictor import MANIFEST, PredictorError, parse_json

LEAST_LENGTH: Final = 32
LOADER_HASH: Final = "loader"
"""The manifest's key with the sha256 of the module with which MLflow loads the model."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Keys of trusted artifacts: the first one signs, all are accepted, so that keys can rotate.

    Where signatures are `demanded` an unsigned artifact is refused; where they are not, a signature
    that is present must still be by one of the keys. With neither, nothing is checked.
    """

    keys: tuple[bytes, ...] = field(default=(), repr=False)
    demanded: bool = False

    @classmethod
    def of(cls, text: str, *, demanded: bool, variable: str) -> Trust:
        """Read keys, parted by white space, as the environment variable holds them."""
        keys = tuple(key.encode() for key in text.split())
        if demanded and not keys:
            raise InputError(
                f"signatures are demanded and the environment variable {variable} is not set",
                column="artifact.signed",
                cure=f"export {variable}=… (the key that signs, then older ones that still vouch)",
            )
        if any(len(key) < LEAST_LENGTH for key in keys):
            raise InputError(
                f"a key in {variable} has less than {LEAST_LENGTH} characters",
                column="artifact.key",
                cure="make one: python -c 'import secrets; print(secrets.token_hex(32))'",
            )
        return cls(keys, demanded)

    def sign(self, folder: Path) -> None:
        """Put the signature by the first key into the manifest; without keys leave it as it is."""
        if self.keys:
            manifest = _manifest(folder)
            key = self.keys[0]
            manifest["signature"] = {"key": name_of(key), "hmac_sha256": _digest(key, manifest)}
            write_text(folder / MANIFEST, json.dumps(manifest, sort_keys=True, indent=1))

    def bind(self, name: str, version: str, folder: Path) -> str:
        """Sign that a registered version is the content of `folder`; "" without keys."""
        if not self.keys:
            return ""
        return f"{name_of(self.keys[0])}:{_binding(self.keys[0], name, version, folder)}"

    def check_bound(self, name: str, version: str, folder: Path, bound: str) -> None:
        """Raise InputError where a registered version is not the content that was signed for it.

        What was signed before versions were bound passes where signatures are not demanded.
        """
        if not self.keys or not (bound or self.demanded):
            return
        named, _, given = bound.partition(":")
        own = [key for key in self.keys if hmac.compare_digest(name_of(key), named)]
        if not own or not hmac.compare_digest(_binding(own[0], name, version, folder), given):
            raise _refused(f"is not what was signed as version {version} of {name}")

    def check(self, folder: Path) -> None:
        """Raise InputError where an artifact is unsigned, changed, or signed by an unknown key."""
        if not self.keys:
            return
        manifest = _manifest(folder)
        signature = manifest.get("signature")
        if signature is None and not self.demanded:
            return
        if not isinstance(signature, dict):
            raise _refused("is not signed, and the project file demands it ([artifact] signed)")
        named, given = str(signature.get("key")), str(signature.get("hmac_sha256"))
        own = [key for key in self.keys if hmac.compare_digest(name_of(key), named)]
        if not own:
            raise _refused(f"is signed by an unknown key, {named[:20]!r}")
        if not hmac.compare_digest(_digest(own[0], manifest), given):
            raise _refused("the signature does not fit: it was changed after it was signed")


ANYONE: Final = Trust()
"""Takes every artifact whose hashes are right."""


def name_of(key: bytes) -> str:
    """Name a key without revealing it: the first 16 digits of its hash."""
    return hashlib.sha256(b"leadscore key name:" + key).hexdigest()[:16]


def _digest(key: bytes, manifest: Mapping[str, Any]) -> str:
    signed = {name: manifest.get(name) for name in ("format", "files")}
    signed |= {name: manifest[name] for name in (LOADER_HASH,) if name in manifest}
    return hmac.new(key, json.dumps(signed, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def _binding(key: bytes, name: str, version: str, folder: Path) -> str:
    text = json.dumps([name, version, _digest(key, _manifest(folder))])
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        return parse_json((folder / MANIFEST).read_bytes())
    except (OSError, PredictorError) as error:
        raise InputError(f"cannot be read: {error}", file=MANIFEST) from None


def _refused(cause: str) -> InputError:
    return InputError(
        cause, file=MANIFEST, cure="train again, or take the model from whom you trust"
    )
