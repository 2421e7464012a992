//! `millstream tables`: lists tables and their live files, and shows rows. Everything is read through
//! the log, so files that no entry names are not seen.

use millstream_pipeline::sink;
use serde_json::json;

use crate::args::{LakeOrConfig, Tables};
use crate::units::count;
use crate::{out, show, tables};

/// Runs one of the table verbs.
pub async fn tables(verb: Tables) -> anyhow::Result<()> {
    match verb {
        Tables::List { lake } => list(&lake).await,
        Tables::Files { table, lake } => files(&table, &lake).await,
        Tables::Merge(args) => super::merge::merge(&args).await,
        Tables::Show { table, limit, lake } => show(&table, limit, &lake).await,
        Tables::Clean(clean) => super::clean::clean(&clean).await,
    }
}

async fn list(args: &LakeOrConfig) -> anyhow::Result<()> {
    let (_, log) = super::open_log(args).await?;
    for (table, files) in log.state().files() {
        let (files, rows, bytes) = tables::totals(files);
        if args.json {
            out::line(json!({ "table": table, "files": files, "rows": rows, "bytes": bytes }))?;
        } else {
            let (rows, files, bytes) = (count(rows), count(files as u64), count(bytes));
            out::line(format_args!("{table:<24} {rows:>12} rows {files:>8} files {bytes:>14} bytes"))?;
        }
    }
    Ok(())
}

async fn files(table: &str, args: &LakeOrConfig) -> anyhow::Result<()> {
    let (lake, log) = super::open_log(args).await?;
    for file in tables::files(log.state(), table)?.values() {
        let path = lake.display_path(&file.path);
        if args.json {
            let json = json!({ "path": path, "rows": file.rows, "bytes": file.bytes, "partition": file.partition_values });
            out::line(json)?;
        } else {
            out::line(path)?;
        }
    }
    Ok(())
}

async fn show(table: &str, limit: usize, args: &LakeOrConfig) -> anyhow::Result<()> {
    let (lake, log) = super::open_log(args).await?;
    let files: Vec<_> = tables::files(log.state(), table)?.values().cloned().collect();
    let rows = sink::read::first_rows(&lake.store(), &files, limit).await?;
    if args.json {
        let mut writer = arrow::json::LineDelimitedWriter::new(std::io::stdout());
        writer.write_batches(&rows.iter().collect::<Vec<_>>())?;
        return Ok(writer.finish()?);
    }
    out::text(show::rows(&rows)?)
}
