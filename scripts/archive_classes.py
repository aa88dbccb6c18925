"""Writes the archive of Spark's classes (class-data sharing) that lets every later session of this machine start sooner.

Usage: scripts/archive_classes.py FOLDER_OF_JARS
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from paylake.session import CLASS_ARCHIVE, JVM_OPTIONS, build_session


def use_what_jobs_use(spark: SparkSession, folder: Path) -> None:
    """Load the classes: a Delta table written, merged into, read as a stream and as a table."""
    place = str(folder / "table")
    rows = spark.range(10).select("id", (F.col("id") % 3).alias("k"), F.lit("{}").alias("text"))
    rows.groupBy("id", "k").agg(F.max("text").alias("text")).write.format("delta").save(place)
    rows.createOrReplaceTempView("news")
    spark.sql(f"MERGE INTO delta.`{place}` t USING news s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *")
    stream = spark.readStream.format("delta").load(place).writeStream.trigger(availableNow=True)
    query = stream.foreachBatch(lambda batch, number: batch.join(rows, "id").collect() and None)
    query.option("checkpointLocation", str(folder / "checkpoint")).start().awaitTermination()


def main() -> None:
    """Run a small session that leaves its classes behind when it ends."""
    archive = Path(sys.argv[1]) / CLASS_ARCHIVE
    archive.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        options = f"{JVM_OPTIONS} -XX:ArchiveClassesAtExit={archive.resolve()} -Xlog:cds*=off"
        settings = {"spark.driver.extraJavaOptions": options, "spark.sql.warehouse.dir": f"{folder}/warehouse"}
        spark = build_session("classes", settings)
        use_what_jobs_use(spark, Path(folder))
        gateway = spark.sparkContext._gateway
        spark.stop()
        # the archive is written as the JVM ends, which it does when its standard input is closed
        gateway.proc.stdin.close()
        if gateway.proc.wait(120) != 0 or not archive.exists():
            sys.exit(f"paylake: no archive of classes was written to {archive}; sessions start without it.")


if __name__ == "__main__":
    main()
