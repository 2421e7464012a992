//! Which column says when a thing happened. Proposed columns enter, the best one leaves; names count for
//! less than what the values are.

use arrow::datatypes::TimeUnit;
use serde::Serialize;

use super::infer::{ProposedColumn, TimeKind};
use super::shape::last_name;

/// Names that event time usually has, best first, in lower case and without `_` and `-`.
const NAMES: [&str; 8] =
    ["eventtime", "timestamp", "occurredat", "time", "ts", "datetime", "createdat", "date"];
/// First and last second that an epoch number may mean: the years 2001 to 2096.
const SECONDS: (i64, i64) = (1_000_000_000, 4_000_000_000);

/// Event time as proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProposedEventTime {
    /// The column.
    pub column: String,
    /// Its texts state no zone, and none was given: without it they are no instants.
    pub zone_missing: bool,
    /// Unit of its numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<&'static str>,
}

/// The column that is event time, if one can be.
pub(super) fn propose(columns: &[ProposedColumn], zone: Option<&str>) -> Option<ProposedEventTime> {
    let rank = |column: &ProposedColumn| {
        let name = folded(&column.name);
        let named = NAMES.iter().position(|usual| name == *usual).unwrap_or(NAMES.len());
        let is_number = matches!(column.time, Some(TimeKind::Epoch(_)));
        (!column.required, named, is_number)
    };
    let best = columns.iter().filter(|column| column.time.is_some()).min_by_key(|column| rank(column))?;
    Some(ProposedEventTime {
        column: best.name.clone(),
        zone_missing: best.time == Some(TimeKind::Local) && zone.is_none(),
        epoch: match best.time {
            Some(TimeKind::Epoch(unit)) => Some(unit_name(unit)),
            _ => None,
        },
    })
}

/// The unit that integers of this range may count since 1970, if the field's name speaks of time.
pub(super) fn epoch(name: &str, (least, greatest): (i64, i64)) -> Option<TimeUnit> {
    let name = folded(name);
    let speaks_of_time = NAMES.contains(&name.as_str())
        || ["time", "timestamp", "date", "epoch"].iter().any(|ending| name.ends_with(ending))
        || last_name(&name).ends_with("at");
    let units = [
        (TimeUnit::Second, 1),
        (TimeUnit::Millisecond, 1_000),
        (TimeUnit::Microsecond, 1_000_000),
        (TimeUnit::Nanosecond, 1_000_000_000),
    ];
    let fits = |(_, each): &(TimeUnit, i64)| {
        SECONDS.0.saturating_mul(*each) <= least && greatest <= SECONDS.1.saturating_mul(*each)
    };
    units.iter().filter(|_| speaks_of_time).find(|unit| fits(unit)).map(|(unit, _)| *unit)
}

/// The unit as the configuration writes it.
pub(super) fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

fn folded(name: &str) -> String {
    last_name(name).chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}
