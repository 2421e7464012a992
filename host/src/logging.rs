//! The log on standard error: text for people, or one JSON object a line, in which the stream, step and
//! plugin that a line is about stand beside its message, whether they come from the line or from the
//! spans around it.

use std::io::IsTerminal as _;

use millstream_pipeline::config::ConfigError;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::args::LogFormat;

/// Variable that says what is logged.
const VARIABLE: &str = "MILLSTREAM_LOG";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Begins to log. Logs go to standard error, so that standard output holds results alone; `MILLSTREAM_LOG`
/// sets what is logged, and the default is `info`.
pub fn start(format: LogFormat) -> Result<(), ConfigError> {
    let filter = match std::env::var_os(VARIABLE) {
        Some(text) => filter(&text.to_string_lossy())?,
        None => EnvFilter::new("info"),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init();
        }
        LogFormat::Json => builder.fmt_fields(JsonFields::new()).event_format(JsonLines).init(),
    }
    Ok(())
}

/// The filter that `text` means. A lone word that is no level would be taken for the name of a module, and
/// nothing would be logged: it is refused.
fn filter(text: &str) -> Result<EnvFilter, ConfigError> {
    let invalid = |problem: &str| ConfigError::Invalid {
        place: format!("environment variable {VARIABLE}"),
        key: String::new(),
        message: format!(
            "`{text}`: {problem}; expected a level ({}) or levels of modules, as in \
             `info,millstream_pipeline=debug`",
            LEVELS.join(", ")
        ),
    };
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    if let Some(word) = words.clone().find(|word| !word.contains(['=', '[']) && !is_level(word)) {
        return Err(invalid(&format!("`{word}` is no level")));
    }
    if words.count() == 0 {
        return Ok(EnvFilter::new("info"));
    }
    EnvFilter::try_new(text).map_err(|error| invalid(&error.to_string()))
}

/// One JSON object a line.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut line = Map::new();
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        line.insert("timestamp".to_owned(), timestamp.into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>();
            let fields = fields.and_then(|fields| serde_json::from_str(&fields.fields).ok());
            line.extend(fields.unwrap_or_else(Map::new));
        }
        event.record(&mut Fields(&mut line));
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// Takes an event's fields over into a JSON object.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::filter;

    /// A level that was misspelt once silenced the whole log.
    #[test]
    fn a_filter_that_would_log_nothing_by_mistake_is_refused() {
        for good in ["info", "WARN", "", "warn,millstream_pipeline=debug", "off", "millstream::plugin=trace"]
        {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["infoo", "millstream_pipeline", "info,deubg", "millstream_pipeline=deubg", "a=b=c"] {
            let error = filter(bad).unwrap_err().to_string();
            assert!(error.starts_with("environment variable MILLSTREAM_LOG: `"), "{error}");
            assert!(error.contains("debug, trace"), "{error}");
        }
    }
}
