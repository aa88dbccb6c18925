"""Writes an environment's settings, paylake.env and serving.env, from the outputs of its Terraform stack."""

# people run it, and read what it says
# ruff: noqa: T201

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

USAGE = "usage: terraform -chdir=infra/terraform/live/dev output -json | python3 k8s/settings.py REGION FOLDER"


def settings(stack: Mapping[str, Any], region: str) -> dict[str, str]:
    """File name -> its text, from the outputs of a stack. Raises ValueError where the stack has no Kafka."""
    if not stack.get("bootstrap_servers"):
        raise ValueError("This stack has no Kafka now: let Terraform start it (running and stream_enabled), then ask again.")
    place = {"PAYLAKE_LAKE": f"{stack['lake']}", "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    kafka = {
        "KAFKA_BOOTSTRAP_SERVERS": stack["bootstrap_servers"],
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "AWS_MSK_IAM",
        "PAYLAKE_LANDING": stack["landing"],
        "PAYLAKE_TOKEN_KEY_FILE": stack["token_key"],
    }
    cache = {}
    if address := stack.get("cache_address"):
        # the user and the group that modules/serving makes; its password is a request that the pod's role has signed
        url = f"rediss://{stack['name']}-serving@{address}:6379/0"
        cache = {"PAYLAKE_REDIS_URL": url, "PAYLAKE_REDIS_IAM": stack["name"]}
    return {
        name: "".join(f"{key}={value}\n" for key, value in values.items())
        for name, values in {"paylake.env": kafka | cache | place, "serving.env": place | cache}.items()
    }


def main() -> int:
    """Read Terraform's outputs from the standard input, and write both files."""
    if len(sys.argv) != 3:
        print(USAGE, file=sys.stderr)
        return 2
    region, folder = sys.argv[1], Path(sys.argv[2])
    try:
        made = settings(json.load(sys.stdin)["stack"]["value"], region)
    except (json.JSONDecodeError, KeyError):
        print(f"settings.py: these are no outputs of a stack. {USAGE}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"settings.py: {error}", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    print(f"wrote {' and '.join(made)} to {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
