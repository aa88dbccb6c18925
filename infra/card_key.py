"""Make the key of the card tokens in AWS Secrets Manager: `infra/card_key.py paylake-dev/card-token-key`.

A custodian runs it once per stack. The key is drawn by AWS, put where the jobs read it, and shown to nobody. A new key makes
new tokens, which match none of the old: --replace is for a stack whose data may be read in again.
"""

from __future__ import annotations

import sys
from typing import Any

from paylake.errors import PaylakeError, SettingsError, SourceError

CHARACTERS = 64


def make(secrets: Any, name: str, replace: bool = False) -> bool:
    """Draw a key and keep it in the secret; False where it has one already. Raises SourceError where there is no secret."""
    try:
        if secrets.describe_secret(SecretId=name).get("VersionIdsToStages") and not replace:
            return False
    except secrets.exceptions.ResourceNotFoundException:
        raise SourceError(
            f"There is no secret {name}; name the stack's, which Terraform makes and shows as token_key."
        ) from None
    drawn = secrets.get_random_password(PasswordLength=CHARACTERS, ExcludePunctuation=True)["RandomPassword"]
    secrets.put_secret_value(SecretId=name, SecretString=drawn)
    return True


def main(argv: list[str]) -> int:
    """Make the key of the secret that is named."""
    names = [word for word in argv if not word.startswith("--")]
    if len(names) != 1 or set(argv) - {*names, "--replace"}:
        raise SettingsError("Name one secret: infra/card_key.py paylake-dev/card-token-key [--replace].")
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        made = make(boto3.client("secretsmanager"), names[0], replace="--replace" in argv)
    except (BotoCoreError, ClientError) as error:
        raise SourceError(f"AWS did not do it: {error}; run it as the stack's custodian.") from None
    sys.stdout.write(f"{names[0]}: {'made' if made else 'has a key already; --replace makes another'}\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except PaylakeError as failure:
        sys.exit(f"card_key: {failure}")
