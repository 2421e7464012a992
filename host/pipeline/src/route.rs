//! Which tables the rows behind the last step go to. Routes are planned once, with their predicates
//! compiled against the rows' columns; batches come in and leave as one batch for each table. Where the
//! rows came from and how tables are written is for others to know.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not, or};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use millstream_model::schema::type_name;
use millstream_model::{Offset, columns};

use crate::config::{Placed, RouteConfig, StreamConfig};
use crate::plan::{PlanError, StreamPlan, curated_fields, table};
use crate::predicate::{Predicate, PredicateError, did_you_mean, nearest};
use crate::sink::TableSpec;
use crate::stage::{offsets, project};
use crate::watermark::LatePolicy;

/// Where the rows of a stream go.
#[derive(Debug)]
pub struct Routing {
    routes: Vec<Route>,
    rest: Option<Arc<TableSpec>>,
    late: Option<Arc<TableSpec>>,
}

/// A table and the rows that go there.
#[derive(Debug)]
pub struct Route {
    /// The table.
    pub table: Arc<TableSpec>,
    /// What a row must match; none: all rows go there.
    pub condition: Option<Predicate>,
    /// Where the table is named in the configuration.
    pub(crate) origin: Placed<()>,
}

/// What is wrong with a route.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// Its predicate does not fit the rows.
    #[error(transparent)]
    Predicate(#[from] PredicateError),
    /// Its rows have no such column.
    #[error("no column `{column}`; {}the columns are {}", did_you_mean(nearest), known.join(", "))]
    UnknownColumn {
        /// The column.
        column: String,
        /// The column that may have been meant.
        nearest: Option<String>,
        /// All columns.
        known: Vec<String>,
    },
    /// Its table is fed from elsewhere, too, with other rows.
    #[error(
        "table `{table}` is filled by stream `{other}`, too, and {difference}; a table has one set of columns, in one order"
    )]
    OtherColumns {
        /// The table.
        table: String,
        /// The other stream.
        other: String,
        /// In what the rows differ.
        difference: String,
    },
}

impl Routing {
    /// Plans the routes of `stream`, whose rows behind the last step are of `schema`.
    pub(crate) fn new(stream: &StreamConfig, schema: &Schema) -> Result<Self, PlanError> {
        let event_time = stream.schema.event_time.as_ref().map(|event_time| event_time.column.as_str());
        let all = Arc::new(Schema::new(curated_fields(schema, event_time)));
        let routes = stream.routes.iter().map(|route| planned(route, schema, &all, event_time));
        let routes = routes.collect::<Result<Vec<_>, _>>()?;
        let leaves_rows = routes.iter().all(|route| route.condition.is_some());
        let own = |zone: &str| table(format!("{zone}.{}", stream.name), all.clone(), event_time);
        let keeps_late =
            stream.watermark.as_ref().is_some_and(|placed| placed.value.late == LatePolicy::Table);
        let (rest, late) = (leaves_rows.then(|| own("curated")), keeps_late.then(|| own("late")));
        Ok(Self { routes, rest, late })
    }

    /// The routes, in the order of the configuration.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Table of the rows that no route takes; none if a route takes all rows.
    pub fn rest(&self) -> Option<&Arc<TableSpec>> {
        self.rest.as_ref()
    }

    /// Tables that the stream alone fills: that of the rest, and that of late rows, if they have one.
    pub fn own(&self) -> impl Iterator<Item = &Arc<TableSpec>> {
        self.rest.iter().chain(&self.late)
    }

    /// Every table that rows go to.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableSpec>> {
        self.routes.iter().map(|route| &route.table).chain(self.own())
    }

    /// The rows of each table, where there are any. A row has the same `_ordinal` in all of them. `late` are the
    /// offsets of late messages, rising: where these have a table, their rows go there and nowhere else.
    pub fn distribute(
        &self,
        rows: &RecordBatch,
        late: &[Offset],
    ) -> Result<Vec<(Arc<TableSpec>, RecordBatch)>, ArrowError> {
        let Some(table) = self.late.as_ref().filter(|_| !late.is_empty()) else {
            return self.by_routes(rows);
        };
        let is_late = offsets(rows).iter().map(|offset| Some(late.binary_search(offset).is_ok()));
        let is_late: BooleanArray = is_late.collect();
        let mut tables = self.by_routes(&filter_record_batch(rows, &not(&is_late)?)?)?;
        // All rows of a message are late, or none, so each has its number here, too.
        let rows = filter_record_batch(rows, &is_late)?;
        if rows.num_rows() > 0 {
            tables.push((table.clone(), project(&rows, &table.schema)));
        }
        Ok(tables)
    }

    fn by_routes(&self, rows: &RecordBatch) -> Result<Vec<(Arc<TableSpec>, RecordBatch)>, ArrowError> {
        let mut tables = Vec::new();
        let mut send = |table: &Arc<TableSpec>, matched: Option<&BooleanArray>| {
            // Rows are numbered before they are chosen from.
            let mut rows = project(rows, &table.schema);
            if let Some(matched) = matched {
                rows = filter_record_batch(&rows, matched)?;
            }
            if rows.num_rows() > 0 {
                tables.push((table.clone(), rows));
            }
            Ok::<_, ArrowError>(())
        };
        let mut taken: Option<BooleanArray> = None;
        for route in &self.routes {
            let Some(condition) = &route.condition else {
                send(&route.table, None)?;
                continue;
            };
            let matched = condition.evaluate(rows).map_err(|error| {
                let table = &route.table.name;
                ArrowError::ComputeError(format!("the predicate of the route to table `{table}`: {error}"))
            })?;
            send(&route.table, Some(&matched))?;
            taken = Some(taken.map_or_else(|| Ok(matched.clone()), |taken| or(&taken, &matched))?);
        }
        if let Some(rest) = &self.rest {
            let left = taken.map(|taken| not(&taken)).transpose()?;
            send(rest, left.as_ref())?;
        }
        Ok(tables)
    }
}

/// Checks that a table that several streams feed has the same columns from all of them. Gives the tables
/// of all routes.
pub(crate) fn check_tables(
    plans: &[Arc<StreamPlan>],
) -> Result<BTreeMap<&String, &Arc<TableSpec>>, PlanError> {
    let mut fed: BTreeMap<&String, (&Arc<TableSpec>, &StreamPlan)> = BTreeMap::new();
    for plan in plans {
        let Some(routing) = &plan.routing else { continue };
        for route in &routing.routes {
            let name = &route.table.name;
            // A route to the stream's own curated table meets the rows that no route took.
            let own = routing.rest.iter().find(|rest| rest.name == *name);
            let known = fed.get(name).copied().or(own.map(|rest| (rest, &**plan)));
            if let Some((table, stream)) = known
                && let Some(difference) = difference(table, &route.table)
            {
                let (table, other) = (name.clone(), stream.name.to_string());
                return Err(wrong(&route.origin, RouteError::OtherColumns { table, other, difference }));
            }
            fed.entry(name).or_insert((&route.table, plan));
        }
    }
    Ok(fed.into_iter().map(|(name, (table, _))| (name, table)).collect())
}

/// In what the columns of two tables of one name differ, if they do. Their order matters: a writer knows the
/// columns by their places.
pub(crate) fn difference(left: &TableSpec, right: &TableSpec) -> Option<String> {
    let describe = |field: &Field| {
        format!("{}{}", type_name(field.data_type()), if field.is_nullable() { "" } else { " not null" })
    };
    for field in left.schema.fields() {
        match right.schema.field_with_name(field.name()) {
            Err(_) => return Some(format!("column `{}` is only there", field.name())),
            Ok(other) if describe(field) != describe(other) => {
                let (there, here) = (describe(field), describe(other));
                return Some(format!("column `{}` is {there} there and {here} here", field.name()));
            }
            Ok(_) => {}
        }
    }
    let mut more =
        right.schema.fields().iter().filter(|field| left.schema.field_with_name(field.name()).is_err());
    if let Some(field) = more.next() {
        return Some(format!("column `{}` is only here", field.name()));
    }
    let mut places = left.schema.fields().iter().zip(right.schema.fields());
    if let Some((there, here)) = places.find(|(there, here)| there.name() != here.name()) {
        return Some(format!(
            "its columns are in another order: where `{}` is there, `{}` is here",
            there.name(),
            here.name()
        ));
    }
    (left.event_time != right.event_time)
        .then(|| format!("its day is that of `{}` there and of `{}` here", left.event_time, right.event_time))
}

fn planned(
    route: &RouteConfig,
    rows: &Schema,
    all: &Schema,
    event_time: Option<&str>,
) -> Result<Route, PlanError> {
    let condition = route.condition.as_ref().map(|condition| {
        Predicate::parse(&condition.value, rows).map_err(|error| wrong(condition, error.into()))
    });
    let fields = match &route.columns {
        Some(names) => {
            projection(&names.value, rows, all, event_time).map_err(|error| wrong(names, error))?
        }
        None => all.fields().iter().map(|field| field.as_ref().clone()).collect(),
    };
    let Placed { value: name, place, key } = route.table.clone();
    Ok(Route {
        table: table(name, Arc::new(Schema::new(fields)), event_time),
        condition: condition.transpose()?,
        origin: Placed { value: (), place, key },
    })
}

/// Columns of a table that has only some of the rows' columns: the named ones, and what Millstream adds.
fn projection(
    names: &[String],
    rows: &Schema,
    all: &Schema,
    event_time: Option<&str>,
) -> Result<Vec<Field>, RouteError> {
    let known = || all.fields().iter().map(|field| field.name());
    if let Some(column) = names.iter().find(|name| !known().any(|known| known == *name)) {
        return Err(RouteError::UnknownColumn {
            column: column.clone(),
            nearest: nearest(column, known()),
            known: known().cloned().collect(),
        });
    }
    let system = columns::of_batch();
    let is_kept = |field: &Field| {
        names.contains(field.name())
            || field.name() == columns::LATE
            || system.iter().any(|system| system.name() == field.name())
    };
    let fields = rows.fields().iter().filter(|field| is_kept(field)).cloned();
    Ok(curated_fields(&Schema::new(fields.collect::<Vec<_>>()), event_time))
}

fn wrong<T>(at: &Placed<T>, source: RouteError) -> PlanError {
    PlanError::Route { place: at.place.clone(), key: at.key.clone(), source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Array as _, ArrayRef, AsArray as _, BinaryArray, Int32Array, Int64Array, StringArray,
    };
    use arrow::array::{TimestampMicrosecondArray, new_null_array};
    use arrow::datatypes::{Int32Type, Int64Type};

    use super::*;

    /// Rows of one offset each two, with `values` in column `v`.
    fn rows(values: &[Option<i64>]) -> RecordBatch {
        let count = values.len();
        let times = TimestampMicrosecondArray::from(vec![0; count]).with_timezone("UTC");
        let times: ArrayRef = Arc::new(times);
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(values.to_vec())),
            Arc::new(StringArray::from(vec!["t"; count])),
            Arc::new(Int32Array::from(vec![0; count])),
            Arc::new((0..count as i64).map(|row| Some(row / 2)).collect::<Int64Array>()),
            times.clone(),
            new_null_array(times.data_type(), count),
            Arc::new(BinaryArray::from(vec![None; count])),
        ];
        let fields = std::iter::once(Field::new("v", arrow::datatypes::DataType::Int64, true));
        let schema = Schema::new(fields.chain(columns::of_batch()).collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
    }

    fn routing(rows: &RecordBatch, conditions: &[Option<&str>], late: bool) -> Routing {
        let schema = Arc::new(Schema::new(curated_fields(&rows.schema(), None)));
        let routes = conditions.iter().enumerate().map(|(index, condition)| Route {
            table: table(format!("route-{index}"), schema.clone(), None),
            condition: condition.map(|text| Predicate::parse(text, &rows.schema()).unwrap()),
            origin: Placed { value: (), place: String::new(), key: String::new() },
        });
        let rest = conditions.iter().all(Option::is_some);
        Routing {
            routes: routes.collect(),
            rest: rest.then(|| table("rest".to_owned(), schema.clone(), None)),
            late: late.then(|| table("late".to_owned(), schema.clone(), None)),
        }
    }

    /// `expect`: for each table its name and the offset and ordinal of each of its rows.
    #[track_caller]
    fn check(conditions: &[Option<&str>], expect: &[(&str, &[(i64, i32)])]) {
        check_late(conditions, None, expect);
    }

    /// As [`check`], where messages of the offsets `late` are late and have a table.
    #[track_caller]
    fn check_late(conditions: &[Option<&str>], late: Option<&[i64]>, expect: &[(&str, &[(i64, i32)])]) {
        let rows = rows(&[Some(1), Some(2), None, Some(2), Some(3)]);
        let routing = routing(&rows, conditions, late.is_some());
        let tables = routing.distribute(&rows, late.unwrap_or(&[1])).unwrap();
        let identities = tables.iter().map(|(table, rows)| {
            let offsets = rows.column_by_name(columns::OFFSET).unwrap().as_primitive::<Int64Type>().values();
            let ordinals =
                rows.column_by_name(columns::ORDINAL).unwrap().as_primitive::<Int32Type>().values();
            (table.name.as_str(), offsets.iter().copied().zip(ordinals.iter().copied()).collect::<Vec<_>>())
        });
        let expect: Vec<_> = expect.iter().map(|(table, rows)| (*table, rows.to_vec())).collect();
        assert_eq!(identities.collect::<Vec<_>>(), expect, "{conditions:?}");
    }

    #[test]
    fn a_row_goes_to_every_route_that_it_matches_and_else_to_the_rest() {
        let all = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)];
        check(&[], &[("rest", &all)]);
        check(&[Some("v = 2")], &[("route-0", &[(0, 1), (1, 1)]), ("rest", &[(0, 0), (1, 0), (2, 0)])]);
        check(
            &[Some("v >= 2"), Some("v = 3 or v is null")],
            &[("route-0", &[(0, 1), (1, 1), (2, 0)]), ("route-1", &[(1, 0), (2, 0)]), ("rest", &[(0, 0)])],
        );
        check(&[Some("v > 9")], &[("rest", &all)]);
        check(&[Some("v <> 2")], &[("route-0", &[(0, 0), (2, 0)]), ("rest", &[(0, 1), (1, 0), (1, 1)])]);
        check(&[Some("true")], &[("route-0", &all)]);
        check(&[Some("v = 1"), None], &[("route-0", &[(0, 0)]), ("route-1", &all)]);
    }

    #[test]
    fn late_rows_go_to_their_table_and_nowhere_else() {
        let on_time = [(0, 0), (0, 1), (2, 0)];
        check_late(&[], Some(&[1]), &[("rest", &on_time), ("late", &[(1, 0), (1, 1)])]);
        let late = [(0, 0), (0, 1), (2, 0)];
        check_late(
            &[Some("v = 2")],
            Some(&[0, 2]),
            &[("route-0", &[(1, 1)]), ("rest", &[(1, 0)]), ("late", &late)],
        );
        check_late(&[None], Some(&[0, 1, 2]), &[("late", &[(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)])]);
        check_late(&[None], Some(&[7]), &[("route-0", &[(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)])]);
    }
}
