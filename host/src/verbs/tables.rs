//! `millstream tables`: lists tables and their live files, and shows rows. Everything is read through
//! the log, so files that no entry names are not seen.

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use millstream_model::SystemClock;
use millstream_pipeline::{sink, start};
use serde_json::json;

use crate::args::{LakeOrConfig, Tables};
use crate::summary::count;
use crate::tables;

/// Runs one of the table verbs.
pub async fn tables(verb: Tables) -> anyhow::Result<()> {
    match verb {
        Tables::List { lake } => list(&lake).await,
        Tables::Files { table, lake } => files(&table, &lake).await,
        Tables::Show { table, limit, lake } => show(&table, limit, &lake).await,
    }
}

async fn list(args: &LakeOrConfig) -> anyhow::Result<()> {
    let log = start::open_log(&super::open_lake(args).await?, Arc::new(SystemClock)).await?;
    for (table, files) in log.state().files() {
        let (files, rows, bytes) = tables::totals(files);
        if args.json {
            println!("{}", json!({ "table": table, "files": files, "rows": rows, "bytes": bytes }));
        } else {
            println!(
                "{table:<24} {:>12} rows {:>8} files {:>14} bytes",
                count(rows),
                count(files as u64),
                count(bytes)
            );
        }
    }
    Ok(())
}

async fn files(table: &str, args: &LakeOrConfig) -> anyhow::Result<()> {
    let lake = super::open_lake(args).await?;
    let log = start::open_log(&lake, Arc::new(SystemClock)).await?;
    for file in tables::files(log.state(), table)?.values() {
        let path = lake.display_path(&file.path);
        if args.json {
            let json = json!({ "path": path, "rows": file.rows, "bytes": file.bytes, "partition": file.partition_values });
            println!("{json}");
        } else {
            println!("{path}");
        }
    }
    Ok(())
}

async fn show(table: &str, limit: usize, args: &LakeOrConfig) -> anyhow::Result<()> {
    let lake = super::open_lake(args).await?;
    let log = start::open_log(&lake, Arc::new(SystemClock)).await?;
    let files: Vec<_> = tables::files(log.state(), table)?.values().cloned().collect();
    let rows = sink::read::first_rows(&lake.store(), &files, limit).await?;
    if args.json {
        let mut writer = arrow::json::LineDelimitedWriter::new(std::io::stdout());
        writer.write_batches(&rows.iter().collect::<Vec<_>>())?;
        writer.finish()?;
    } else {
        println!("{}", pretty_format_batches(&rows)?);
    }
    Ok(())
}
