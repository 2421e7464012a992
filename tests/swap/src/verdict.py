"""Holds the rows of a table against what the log says, with DuckDB. JSON comes in: the table's live files, how many
ids there must be from 0 on, how many partitions, and spans of offsets [partition, start, end, mark]. JSON goes out:
rows, ids that are there, and rows that are not where they should be or of another mark than their span's."""

import json
import sys

import duckdb

request = json.load(sys.stdin)
connection = duckdb.connect()
connection.execute("set enable_progress_bar = false")
connection.execute("create table spans (partition integer, first bigint, behind bigint, mark bigint)")
partition, first, behind, mark = ([span[at] for span in request["spans"]] for at in range(4))
connection.execute(
    "insert into spans select unnest(?::integer[]), unnest(?::bigint[]), unnest(?::bigint[]), unnest(?::bigint[])",
    [partition, first, behind, mark],
)
expected, partitions = request["expected"], request["partitions"]
query = f"""
select count(*),
  count(distinct id) filter (id between 0 and {expected - 1}),
  count(*) filter (spans.mark is distinct from t.mark or _offset >= behind or id <> _offset * {partitions} + _partition)
from read_parquet($files) t asof left join spans on t._partition = spans.partition and t._offset >= spans.first
"""
rows, ids, wrong = 0, 0, 0
if request["files"]:
    rows, ids, wrong = connection.execute(query, {"files": request["files"]}).fetchone()
print(json.dumps({"rows": rows, "ids": ids, "wrong": wrong}))
