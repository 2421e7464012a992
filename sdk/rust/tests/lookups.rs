//! Lookup tables: the plan that names them, rows that are read and columns that are joined.

use millstream_sdk::lookup::{Join, Lookups, Table};
use millstream_sdk::plan::{ConfigProblem, DataType, Field, Input, TableUse};
use millstream_sdk::testing::{Values, lookup_table, run};
use millstream_sdk::{About, Error, Record, Row, Rows, Transform, Verdict, configure};
use serde::Deserialize;

const ABOUT: About = About { name: "t", version: "1", config_schema: None, example_config: "null" };

#[derive(Row)]
struct Passage<'a> {
    plate: Option<&'a str>,
    #[row(new)]
    said: Option<String>,
}

#[derive(Deserialize)]
struct Car {
    owner: Option<String>,
    wheels: i32,
}

#[derive(Record)]
struct Gate {
    road: Option<String>,
    lanes: i64,
}

struct Passages {
    cars: Table<Car>,
    gates: Join<Gate>,
    found: Vec<Option<Car>>,
    next: usize,
}

impl Transform for Passages {
    type Config = ();
    type Row = Passage<'static>;
    type Outcome = Verdict;
    const ABOUT: About = ABOUT;

    fn configure(_: ()) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self { cars: Table::new("cars"), gates: Join::new("gates", "gate"), found: vec![], next: 0 })
    }

    fn lookups(&mut self) -> Lookups<'_> {
        Lookups::none().and(&mut self.cars).and(&mut self.gates)
    }

    fn prepare(&mut self, rows: Rows<'_, Passage<'static>>) -> Result<(), Error> {
        (self.found, self.next) = (self.cars.get_many(rows.map(|row| row.plate)), 0);
        Ok(())
    }

    fn process(&mut self, row: &mut Passage<'_>) -> Verdict {
        let car = self.found[self.next].take();
        self.next += 1;
        row.said = car.map(|car| format!("{:?} {}", car.owner, car.wheels));
        if self.gates.is_found() { Verdict::Keep } else { Verdict::Reject("no such gate".into()) }
    }
}

fn field(name: &str, ty: DataType, nullable: bool) -> Field {
    Field { name: name.to_owned(), ty, nullable }
}

fn input(gate: DataType) -> Input {
    let fields = vec![field("plate", DataType::Utf8, true), field("gate", gate, true)];
    Input { name: "s".to_owned(), fields }
}

#[test]
fn the_plan_names_tables_and_their_columns() {
    let configured = configure::<Passages, _>("null", &[input(DataType::Int32)]).ok().unwrap();
    let plan = configured.plan();
    let used = |name: &str, columns: [&str; 2]| TableUse {
        name: name.to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
    };
    assert_eq!(plan.tables, [used("cars", ["owner", "wheels"]), used("gates", ["road", "lanes"])]);
    let own = &plan.inputs[0];
    assert_eq!(own.reads, [field("plate", DataType::Utf8, true), field("gate", DataType::Int32, true)]);
    let joined = [field("road", DataType::Utf8, true), field("lanes", DataType::Int64, true)];
    assert_eq!(own.writes[1..], joined, "what is joined may be null, whatever the record says");
}

#[test]
fn problems_name_the_column() {
    let check = |input: Input, expect: &str| {
        let problems = configure::<Passages, _>("null", &[input]).err().unwrap();
        assert_eq!(problems, [ConfigProblem::new("inputs.s.gate", expect)]);
    };
    let without = Input { fields: vec![field("plate", DataType::Utf8, true)], ..input(DataType::Utf8) };
    check(without, "the input has no column `gate`; it has `plate`");
    let expect = "lookup table `gates` is joined by column `gate`: a key is text, binary or an integer";
    check(input(DataType::Float64), expect);
}

fn give_tables(wheels: Option<i32>) {
    let owners = Values::of([Some("Ann"), None]);
    let cars =
        [("plate", Values::of(["a", "b"])), ("owner", owners), ("wheels", Values::of([Some(4), wheels]))];
    lookup_table("cars", "plate", &cars);
    let gates = [("id", Values::of([7])), ("road", Values::of(["M1"])), ("lanes", Values::of([3_i64]))];
    lookup_table("gates", "id", &gates);
}

fn passages() -> [(&'static str, Values); 2] {
    let plates = Values::of([Some("b"), None, Some("x"), Some("a")]);
    [("plate", plates), ("gate", Values::of([Some(7), Some(7), None, Some(8)]))]
}

#[test]
fn rows_are_read_and_columns_joined() {
    give_tables(Some(3));
    let outcome = run::<Passages, _>("null", &passages()).unwrap();
    let said = [Some("None 3"), None, None, Some("Some(\"Ann\") 4")];
    assert_eq!(outcome.written["said"], Values::of(said));
    assert_eq!(outcome.written["road"], Values::of([Some("M1"), Some("M1"), None, None]));
    assert_eq!(outcome.written["lanes"], Values::of([Some(3_i64), Some(3), None, None]));
    assert_eq!(outcome.kept, [0, 1]);
    assert_eq!(outcome.rejected["no such gate"], [2, 3]);
}

#[test]
#[should_panic(
    expected = "the row of `b` in lookup table `cars` is not as its type says: invalid type: null, expected i32"
)]
fn a_row_that_is_not_as_its_type_says_is_named() {
    give_tables(None);
    let _ = run::<Passages, _>("null", &passages());
}

/// Reads rows into what names no columns.
struct Shapeless(Table<Vec<i64>>);

impl Transform for Shapeless {
    type Config = ();
    type Row = Passage<'static>;
    type Outcome = ();
    const ABOUT: About = ABOUT;
    fn configure(_: ()) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self(Table::new("cars")))
    }
    fn lookups(&mut self) -> Lookups<'_> {
        Lookups::none().and(&mut self.0)
    }
    fn process(&mut self, _: &mut Passage<'_>) {}
}

#[test]
fn a_table_is_read_as_a_struct() {
    let problems = configure::<Shapeless, _>("null", &[input(DataType::Utf8)]).err().unwrap();
    assert_eq!(problems[0].message, "rows of lookup table `cars` are no struct: its fields name the columns");
}

#[derive(Row)]
struct Stopped {
    #[row(new)]
    stolen: bool,
}

#[derive(Deserialize)]
struct Theft {
    #[serde(rename = "stolen")]
    _stolen: bool,
}

#[derive(Record)]
struct Owner {
    owner: Option<String>,
}

#[derive(Record)]
struct Wheels {
    wheels: Option<i32>,
}

/// Uses table `cars` in two ways that write the same columns, or once and another table.
struct Twice {
    thefts: Table<Theft>,
    owners: Join<Owner>,
    wheels: Join<Wheels>,
}

impl Transform for Twice {
    type Config = [String; 3];
    type Row = Stopped;
    type Outcome = ();
    const ABOUT: About = ABOUT;

    fn configure([thefts, owners, wheels]: [String; 3]) -> Result<Self, Vec<ConfigProblem>> {
        let (owners, wheels) = (Join::new(owners, "plate"), Join::new(wheels, "plate"));
        Ok(Self { thefts: Table::new(thefts), owners, wheels })
    }

    fn lookups(&mut self) -> Lookups<'_> {
        Lookups::none().and(&mut self.thefts).and(&mut self.owners).and(&mut self.wheels)
    }

    fn process(&mut self, _: &mut Stopped) {}
}

/// The host's join writes whatever the plan looks up in the table and writes, whoever looks it up.
#[test]
fn no_column_is_written_by_a_join_and_something_else() {
    let check = |tables: &str, expect: &[(&str, &str)]| {
        let input = Input { fields: vec![field("plate", DataType::Utf8, false)], ..input(DataType::Utf8) };
        let problems = configure::<Twice, _>(tables, &[input]).err().unwrap_or_default();
        let expect: Vec<_> = expect.iter().map(|(path, text)| ConfigProblem::new(*path, *text)).collect();
        assert_eq!(problems, expect, "{tables}");
    };
    check(r#"["thefts", "owners", "wheels"]"#, &[]);
    check(
        r#"["thefts", "cars", "cars"]"#,
        &[("", "lookup table `cars` is joined twice: join it once, with all columns, by one key")],
    );
    let written = "column `stolen` is written by the plugin and, since it is looked up in table `cars`, by the join of \
                   that table: write it under another name";
    check(r#"["cars", "cars", "wheels"]"#, &[("inputs.s.stolen", written)]);
    check(r#"["cars", "owners", "cars"]"#, &[("inputs.s.stolen", written)]);
}

/// Asks before any row is in hand.
struct Early(Join<Gate>);

impl Transform for Early {
    type Config = ();
    type Row = Stopped;
    type Outcome = ();
    const ABOUT: About = ABOUT;

    fn configure(_: ()) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self(Join::new("gates", "gate")))
    }

    fn lookups(&mut self) -> Lookups<'_> {
        Lookups::none().and(&mut self.0)
    }

    fn prepare(&mut self, _: Rows<'_, Stopped>) -> Result<(), Error> {
        assert!(self.0.is_found_for(0), "row by row it can be asked");
        self.0.is_found();
        Ok(())
    }

    fn process(&mut self, _: &mut Stopped) {}
}

#[test]
#[should_panic(expected = "no row is in hand here: say which with `is_found_for`")]
fn no_row_is_in_hand_while_a_batch_is_prepared() {
    give_tables(None);
    let _ = run::<Early, _>("null", &passages());
}
