"""Counts ids in tables with DuckDB. A line of JSON comes in: the files of each table, and how many ids there must
be from 0 on. A line goes out: rows, and ids that are there, for the raw table and for curated and dead letters."""

import json
import sys

import duckdb

CONNECTION = duckdb.connect(config={"threads": 1})
# It would be drawn on standard output, between the answers.
CONNECTION.execute("set enable_progress_bar = false")
# A message that was not decoded has its id in its bytes only.
IDS = {
    "raw.vehicle": """coalesce(id, regexp_extract(decode(_bytes), '"id": "([0-9]+)"', 1))""",
    "curated.vehicle": "id",
    "dead_letters": """regexp_extract(decode(_value), '"id": "([0-9]+)"', 1)""",
}


def count(tables, expected):
    parts = [f"select {IDS[table]} as id from read_parquet({files!r})" for table, files in tables if files]
    if not parts:
        return {"rows": 0, "ids": 0}
    known = f"try_cast(id as bigint) between 0 and {expected - 1}"
    query = f"select count(*), count(distinct id) filter ({known}) from ({' union all '.join(parts)})"
    rows, ids = CONNECTION.sql(query).fetchone()
    return {"rows": rows, "ids": ids}


for line in sys.stdin:
    request = json.loads(line)
    tables = request["tables"]
    answer = {
        "raw": count([("raw.vehicle", tables["raw.vehicle"])], request["expected"]),
        "processed": count(
            [(table, tables[table]) for table in ("curated.vehicle", "dead_letters")], request["expected"]
        ),
    }
    print(json.dumps(answer), flush=True)
