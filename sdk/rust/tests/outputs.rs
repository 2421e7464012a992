//! Rows that a plugin originates: the plan that declares them, and what the host is given.

use millstream_sdk::plan::{ConfigProblem, DataType, Field, Input};
use millstream_sdk::testing::{Emitted, INPUT, Values, process, run};
use millstream_sdk::{About, Error, Output, Outputs, Record, Row, Rows, Transform, Verdict, configure};

const ABOUT: About = About { name: "t", version: "1", config_schema: None, example_config: "null" };

#[derive(Row)]
struct Message<'a> {
    words: &'a str,
}

#[derive(Record)]
#[row(rename_all = "camelCase")]
struct Word<'a> {
    one_word: &'a str,
    length: Option<i64>,
    #[row(name = "is.capital")]
    capital: bool,
}

/// Each word becomes a row; long ones are noted in another table, in which the row has all its columns.
struct Split {
    words: Output<Word<'static>>,
    long: Output<Word<'static>>,
}

impl Transform for Split {
    type Config = Vec<String>;
    type Row = Message<'static>;
    type Outcome = Verdict;
    const ABOUT: About = ABOUT;

    fn configure(inherited: Vec<String>) -> Result<Self, Vec<ConfigProblem>> {
        let long = Output::named("long");
        let long = if inherited.is_empty() { long.inheriting_all() } else { long.inheriting(inherited) };
        Ok(Self { words: Output::stream(), long })
    }

    fn outputs(&mut self) -> Outputs<'_> {
        Outputs::none().and(&mut self.words).and(&mut self.long)
    }

    fn process(&mut self, message: &mut Message<'_>) -> Verdict {
        for one_word in message.words.split_whitespace() {
            let long = one_word.len() > 5;
            let word = || Word {
                one_word,
                length: (!long).then_some(one_word.len() as i64),
                capital: one_word.starts_with(char::is_uppercase),
            };
            self.words.emit(word());
            if long {
                self.long.emit(word());
            }
        }
        if message.words.is_empty() { Verdict::Reject("no words".into()) } else { Verdict::Drop }
    }
}

fn columns() -> [(&'static str, Values); 2] {
    [("words", Values::of(["One word", "", "Nineteen letters", "x"])), ("n", Values::of([1_i64, 2, 3, 4]))]
}

fn emitted(rows: &[(usize, &str, Option<i64>, bool)]) -> Emitted {
    let written = [
        ("oneWord", Values::of(rows.iter().map(|row| row.1))),
        ("length", Values::of(rows.iter().map(|row| row.2))),
        ("is.capital", Values::of(rows.iter().map(|row| row.3))),
    ];
    let written = written.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
    Emitted { parents: rows.iter().map(|row| row.0).collect(), written }
}

#[test]
fn one_becomes_many_and_some_go_elsewhere() {
    let outcome = run::<Split, _>("[]", &columns()).unwrap();
    assert!(outcome.kept.is_empty());
    assert_eq!(outcome.rejected["no words"], [1]);
    let words = [
        (0, "One", Some(3), true),
        (0, "word", Some(4), false),
        (2, "Nineteen", None, true),
        (2, "letters", None, false),
        (3, "x", Some(1), false),
    ];
    assert_eq!(outcome.emitted[INPUT], emitted(&words));
    assert_eq!(outcome.emitted["long"], emitted(&words[2..4]));
}

/// Twenty rows, with nulls and bits in the third byte: builders grow.
#[test]
fn nothing_of_a_batch_is_left_to_the_next() {
    let mut split = Split::configure(vec![]).unwrap();
    let many = [("words", Values::of([["a longest"; 10].join(" ")])), ("n", Values::of([1_i64]))];
    let outcome = process(&mut split, &many);
    let words: Vec<_> = [(0, "a", Some(1), false), (0, "longest", None, false)].repeat(10);
    assert_eq!(outcome.emitted[INPUT], emitted(&words));
    let outcome = process(&mut split, &columns());
    assert_eq!(outcome.emitted[INPUT].parents, [0, 0, 2, 2, 3]);
    let none = [("words", Values::of([""])), ("n", Values::of([1_i64]))];
    assert!(process(&mut split, &none).emitted.is_empty());
}

fn field(name: &str, ty: DataType, nullable: bool) -> Field {
    Field { name: name.to_owned(), ty, nullable }
}

fn input() -> Input {
    let fields = vec![
        field("words", DataType::Utf8, false),
        field("length", DataType::Int64, true),
        field("_offset", DataType::Int64, false),
    ];
    Input { name: "texts".to_owned(), fields }
}

#[test]
fn a_plan_declares_outputs_and_new_columns() {
    let check = |config: &str, long: &[&str]| {
        let configured = configure::<Split, _>(config, &[input()]).unwrap_or_else(|_| panic!("{config}"));
        let plan = configured.plan();
        assert!(!plan.inputs[0].row_preserving);
        let names = |fields: &[Field]| fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&plan.inputs[0].writes), ["oneWord", "is.capital"], "`length` is the stream's");
        let outputs: Vec<_> = plan.outputs.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(outputs, ["texts", "long"]);
        assert_eq!(names(&plan.outputs[0].fields), ["oneWord", "length", "is.capital"]);
        assert_eq!(names(&plan.outputs[1].fields), long);
    };
    check("[]", &["words", "oneWord", "length", "is.capital"]);
    check(r#"["words"]"#, &["words", "oneWord", "length", "is.capital"]);
    check(r#"["_offset"]"#, &["_offset", "oneWord", "length", "is.capital"]);
}

#[test]
fn an_inherited_column_must_be_there() {
    let problems = configure::<Split, _>(r#"["wrods"]"#, &[input()]).err().unwrap();
    let expect = "the input has no column `wrods`; it has `words`, `length`";
    assert_eq!(problems, [ConfigProblem::new("inputs.texts.wrods", expect)]);
}

/// Keeps every row, but also emits: the host must not be told that rows are preserved.
struct Copying(Output<()>);

impl Transform for Copying {
    type Config = ();
    type Row = Message<'static>;
    type Outcome = ();
    const ABOUT: About = ABOUT;

    fn configure(_: ()) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self(Output::named("copies").inheriting_all()))
    }

    fn outputs(&mut self) -> Outputs<'_> {
        [&mut self.0].into_iter().collect()
    }

    fn process(&mut self, _: &mut Message<'_>) {
        self.0.emit(());
    }
}

#[test]
fn a_copy_has_the_columns_of_its_parent() {
    let configured = configure::<Copying, _>("null", &[input()]).ok().unwrap();
    assert!(!configured.plan().inputs[0].row_preserving);
    let outcome = run::<Copying, _>("null", &columns()).unwrap();
    assert_eq!(outcome.kept, [0, 1, 2, 3]);
    assert_eq!(outcome.emitted["copies"], Emitted { parents: vec![0, 1, 2, 3], ..Emitted::default() });
}

/// Emits before any row is in hand.
struct Early(Output<()>);

impl Transform for Early {
    type Config = ();
    type Row = Message<'static>;
    type Outcome = ();
    const ABOUT: About = ABOUT;

    fn configure(_: ()) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self(Output::named("copies").inheriting_all()))
    }

    fn outputs(&mut self) -> Outputs<'_> {
        Outputs::none().and(&mut self.0)
    }

    fn prepare(&mut self, _: Rows<'_, Message<'static>>) -> Result<(), Error> {
        self.0.emit(());
        Ok(())
    }

    fn process(&mut self, _: &mut Message<'_>) {}
}

#[test]
#[should_panic(expected = "no row is in hand here: say which with `emit_for`")]
fn no_row_is_in_hand_while_a_batch_is_prepared() {
    let _ = run::<Early, _>("null", &columns());
}
