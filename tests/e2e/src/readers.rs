//! Reads tables with readers that are not ours: pyarrow and DuckDB, in Python.

use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::S3;

/// Runs `script` with pyarrow at hand; the file names come as `FILES`, and it prints one JSON value.
#[track_caller]
pub fn pyarrow(files: &[String], script: &str) -> Value {
    let head = "import pyarrow as pa, pyarrow.parquet as pq, pyarrow.dataset as ds\n\
                TABLE = ds.dataset(FILES, format='parquet').to_table() if FILES else None\n";
    read(files, &format!("{head}{script}"))
}

/// Runs one query with DuckDB over the files, as table `t`; gives its rows as lists.
#[track_caller]
pub fn duckdb(files: &[String], query: &str) -> Value {
    let script = format!(
        "import duckdb\n\
         connection = duckdb.connect()\n\
         connection.execute(\"SET TimeZone='UTC'\")\n\
         t = connection.read_parquet(FILES, union_by_name=True)\n\
         print(json.dumps(connection.sql({query:?}).fetchall(), default=str))"
    );
    read(files, &script)
}

/// As [`duckdb`], over `s3://` URLs that pyarrow reads from `server`.
#[track_caller]
pub fn duckdb_over_s3(server: &S3, files: &[String], query: &str) -> Value {
    let (endpoint, (access_key, secret_key)) = (&server.endpoint, S3::KEYS);
    let script = format!(
        "import duckdb, pyarrow.dataset as ds, pyarrow.fs as fs\n\
         store = fs.S3FileSystem(endpoint_override={endpoint:?}, region='us-east-1',\n\
           access_key={access_key:?}, secret_key={secret_key:?})\n\
         assert all(file.startswith('s3://') for file in FILES), FILES\n\
         keys = [file.removeprefix('s3://') for file in FILES]\n\
         t = ds.dataset(keys, filesystem=store, format='parquet').to_table()\n\
         connection = duckdb.connect()\n\
         print(json.dumps(connection.sql({query:?}).fetchall(), default=str))"
    );
    read(files, &script)
}

/// As [`duckdb`], over files that anybody can fetch at these URLs, and Python's own client does.
#[track_caller]
pub fn duckdb_over_http(files: &[String], query: &str) -> Value {
    let script = format!(
        "import duckdb, io, urllib.request, pyarrow as pa, pyarrow.parquet as pq\n\
         def read(url):\n\
         \x20 with urllib.request.urlopen(url, timeout=60) as answer: return pq.read_table(io.BytesIO(answer.read()))\n\
         t = pa.concat_tables([read(url) for url in FILES], promote_options='default')\n\
         connection = duckdb.connect()\n\
         print(json.dumps(connection.sql({query:?}).fetchall(), default=str))"
    );
    read(files, &script)
}

#[track_caller]
fn read(files: &[String], script: &str) -> Value {
    let names = serde_json::to_string(files).expect("names are text");
    let script = format!("import json\nFILES = json.loads({names:?})\n{script}\n");
    let output = Command::new(python()).arg("-c").arg(&script).output().expect("python is there");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{stderr}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {:?}", output.stdout))
}

/// A Python that has pyarrow and DuckDB.
pub fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let output = Command::new(crate::repository().join("scripts/python-env")).output();
        let output = output.expect("scripts/python-env is a bash script");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}
