"""Run by the EMR twin's Python: the night's jobs that read no Kafka, in one session. Prints what they wrote as JSON.

Arguments: a folder to work in, the address of a stand-in of Glue, and the folder of the packages that the batch image has
beside EMR's own. DynamoDB is where AWS_ENDPOINT_URL_DYNAMODB says.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_type_hints


def main(folder: Path, glue: str) -> dict[str, Any]:
    """Run every job, and say what it wrote: rows by table, exit codes by command, seconds by job."""
    import pyspark
    from pyspark.sql import functions as F

    from paylake import catalog_command, maintain_erasure, pipeline, quality_command, tables
    from paylake.contracts import ALL, FRAUD_REVIEW_QUEUE, MERCHANT_INDEX, OPERATIONS_INDEX, RUN_CONTROLS, USER_SPEND_INDEX
    from paylake.maintenance.erasing import Request
    from paylake.session import build_session
    from paylake.settings import parse_settings
    from tests.builders import NOON
    from tests.jobs import test_ingest_dimensions, test_ingest_statements, test_queue_reviews
    from tests.slow import test_publish_serving as serving

    lake, seconds = str(folder / "lake"), dict[str, float]()
    spark = build_session("night")

    def run(job: str, *flags: str) -> None:
        began, module = time.monotonic(), pipeline.job(job)
        module.main(spark, parse_settings(get_type_hints(module.main)["settings"], (*flags, "--lake", lake), environ={}))
        seconds[job] = round(time.monotonic() - began, 1)

    def command(name: str, entry: Any, argv: Sequence[str]) -> int:
        began = time.monotonic()
        code = int(entry(argv))
        seconds[name] = round(time.monotonic() - began, 1)
        return code

    def incoming(kind: str, files: dict[str, str]) -> str:
        place = folder / "incoming" / kind
        place.mkdir(parents=True)
        for name, text in files.items():
            (place / name).write_bytes(text.encode())
        return str(place)

    run("batch/ingest_statements.py", "--files", incoming("statements", test_ingest_statements.FILES))
    run("batch/ingest_dimensions.py", "--files", incoming("dimensions", test_ingest_dimensions.FILES))
    payments = test_queue_reviews.scored(spark, *test_queue_reviews.BEFORE, *test_queue_reviews.OF_DATE)
    test_queue_reviews.written(spark, lake, payments)
    run("batch/queue_reviews.py", "--date", "2026-03-31", "--most", "10", "--no-neural")
    there = [contract for contract in ALL if tables.exists(spark, lake, contract)]
    rows = {contract.name: tables.read(spark, lake, contract).count() for contract in there}
    quality = ["--lake", lake, "--out", str(folder / "quality"), "--tables", "statement_files,statement_lines"]
    register = ["register", "--lake", "s3a://money/lake", "--region", "us-east-1", "--endpoint-url", glue]
    codes = {
        "quality": command("quality", quality_command.main, quality),
        "catalog": command("catalog", catalog_command.main, [*register, "--create-database"]),
    }
    tables.create(spark, lake, MERCHANT_INDEX, USER_SPEND_INDEX, OPERATIONS_INDEX, RUN_CONTROLS)
    serving.say(spark, lake, MERCHANT_INDEX, {"run_id": serving.FIRST, "approved_amount": serving.MONEY})
    serving.publish_run(spark, lake, serving.FIRST)
    places = ("--dynamodb", serving.PREFIX, "--region", serving.REGION)
    run("aggregate/publish_serving.py", "--business-date", str(serving.DAY), *places)
    queued = tables.read(spark, lake, FRAUD_REVIEW_QUEUE).orderBy("user_id")
    asked = Request("ab" * 16, queued.first()["user_id"], "dpo", NOON, "ticket 4711")
    maintain_erasure.ask(spark, lake, asked)
    run("batch/maintain_tables.py", "--as-of", "2026-04-01", "--purge-now")
    left = maintain_erasure.remains(spark, lake, FRAUD_REVIEW_QUEUE, asked)
    erased = {"rows": queued.where(F.col("user_id") == asked.subject).count(), "files": len(left)}
    return {"spark": pyspark.__version__, "rows": rows, "codes": codes, "erased": erased, "seconds": seconds}


if __name__ == "__main__":
    sys.path.append(sys.argv[3])
    sys.path.insert(0, str(Path(__file__).parents[2]))
    sys.stdout.write("\n" + json.dumps(main(Path(sys.argv[1]), sys.argv[2])) + "\n")
