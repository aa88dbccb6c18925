"""The secret key of the card tokens: from a file that only its owner reads, or from AWS Secrets Manager."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from paylake.errors import SettingsError

MIN_KEY_BYTES = 32


def read_key(place: str) -> bytes:
    """The key that a file, or the secret `aws-secret:NAME`, holds; SettingsError where there is none that is fit."""
    if place.startswith("aws-secret:"):
        return _fit(_from_secrets_manager(place.removeprefix("aws-secret:")), place)
    path = Path(place)
    if not path.is_file():
        raise SettingsError(f"There is no token key at {place}; make one with `paylake key create {place}`.")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"The token key {place} can be read by others; run `chmod 600 {place}`.")
    return _fit(path.read_bytes().strip(), place)


def create_key_file(path: Path) -> bool:
    """Make a random key file, readable by its owner only; False where there is one already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_hex(MIN_KEY_BYTES).encode())
    return True


def _fit(key: bytes, place: str) -> bytes:
    if len(key) < MIN_KEY_BYTES:
        raise SettingsError(f"The token key {place} is shorter than {MIN_KEY_BYTES} bytes; make a longer one.")
    return key


def _from_secrets_manager(name: str) -> bytes:
    try:
        import boto3
    except ImportError as error:
        raise SettingsError("Reading the token key from AWS needs boto3; install paylake[aws].") from error
    try:
        secret = boto3.client("secretsmanager").get_secret_value(SecretId=name)
    except Exception as error:  # whatever AWS answers, the person needs one sentence and no key material
        raise SettingsError(
            f"AWS Secrets Manager gave no secret {name} ({type(error).__name__}); check name and role."
        ) from error
    return bytes(secret.get("SecretBinary") or secret["SecretString"].encode())
