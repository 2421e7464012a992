//! The routes of a stream: which tables its rows go to. Names of tables are checked here; predicates and
//! columns with the plan, which knows what the rows behind the steps are.

use std::collections::HashSet;

use super::check::is_name;
use super::{RouteConfig, typed};
use crate::dead_letter;
use millstream_settings::{ConfigError, Document};

/// Checks the routes of `stream`; `streams` are the names of all streams.
pub fn routes(
    document: &Document,
    stream: &str,
    streams: &[String],
    typed: Vec<typed::Route>,
) -> Result<Vec<RouteConfig>, ConfigError> {
    let mut tables = HashSet::new();
    let mut routes = Vec::new();
    for (index, route) in typed.into_iter().enumerate() {
        let index = index.to_string();
        let keys = |key| ["streams", stream, "routes", &index, key];
        let refused = |message: String| document.error(&keys("table"), message);
        if !is_table(&route.table) {
            let message = "not a table's name; expected names with dots between them, such as curated.fires";
            return Err(refused(message.to_owned()));
        }
        if let Some(reason) = reserved(&route.table, stream, streams) {
            return Err(refused(format!("`{}` is reserved: {reason}", route.table)));
        }
        if !tables.insert(route.table.clone()) {
            let message = format!(
                "a second route of this stream to `{}` would bring rows there twice; join the conditions with `or`",
                route.table
            );
            return Err(refused(message));
        }
        routes.push(RouteConfig {
            table: document.placed(&keys("table"), route.table),
            condition: route.r#where.map(|text| document.placed(&keys("where"), text)),
            columns: route.columns.map(|names| document.placed(&keys("columns"), names)),
        });
    }
    Ok(routes)
}

/// True for what a table can be called: names with dots between them. Folders that begin with an
/// underscore are for what is no table.
pub fn is_table(name: &str) -> bool {
    name.split('.').all(is_name) && !name.starts_with('_')
}

/// Why `table` cannot be that of a route, if it cannot.
fn reserved(table: &str, stream: &str, streams: &[String]) -> Option<String> {
    if table == dead_letter::TABLE {
        return Some("it holds what could not be processed".to_owned());
    }
    if table == "raw" || table.starts_with("raw.") {
        return Some("raw tables hold every message as it came".to_owned());
    }
    let late = table.strip_prefix("late.").filter(|name| streams.iter().any(|stream| stream == name));
    if let Some(stream) = late {
        return Some(format!("it is for the late rows of stream `{stream}`"));
    }
    let other = table.strip_prefix("curated.").filter(|name| *name != stream);
    let other = other.filter(|name| streams.iter().any(|stream| stream == name));
    other.map(|other| format!("it holds the rows of stream `{other}` that none of its routes took"))
}
