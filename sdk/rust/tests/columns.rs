//! What a plugin over columns becomes: the plan that its configuration makes, and what it does to a batch.

use millstream_sdk::columnar::{Batch, Columnar, Numbers, Rewrite, Stream, Write};
use millstream_sdk::plan::{ConfigProblem, DataType, Field, Input};
use millstream_sdk::testing::{Values, run};
use millstream_sdk::{About, Error, Output, Outputs, Timestamp, configure};
use serde::Deserialize;

const ABOUT: About = About { name: "t", version: "1", config_schema: None, example_config: "{}" };

/// Columns that are done something to, by name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    doubled: Vec<String>,
    shouted: Vec<String>,
    dropped: Vec<String>,
    required: Vec<String>,
}

struct Changes {
    doubled: Vec<Rewrite<Option<f64>>>,
    shouted: Vec<Rewrite<Option<String>>>,
    loud: Output<()>,
}

impl Columnar for Changes {
    type Config = Config;
    const ABOUT: About = ABOUT;

    fn configure(config: Config, stream: &mut Stream<'_>) -> Result<Self, Vec<ConfigProblem>> {
        config.dropped.iter().for_each(|name| stream.drop_column(name));
        for name in &config.required {
            stream.read::<f64>(name);
        }
        let doubled = config.doubled.iter().map(|name| stream.rewrite(name)).collect();
        let shouted = config.shouted.iter().map(|name| stream.rewrite(name)).collect();
        if config.doubled.len() > 3 {
            return Err(vec![ConfigProblem::new("doubled", "more than three")]);
        }
        Ok(Self { doubled, shouted, loud: Output::named("loud").inheriting_all() })
    }

    fn outputs(&mut self) -> Outputs<'_> {
        Outputs::none().and(&mut self.loud)
    }

    fn process(&mut self, batch: &mut Batch<'_>) -> Result<(), Error> {
        for Rewrite { before, after } in &self.doubled {
            let mut values = batch.read(*before);
            values.values_mut().iter_mut().for_each(|value| *value *= 2.0);
            for row in 0..batch.rows() {
                match values.get(row) {
                    Some(value) if value > 100.0 => {
                        batch.reject(row, "too much");
                        batch.reject(row, "another reason");
                    }
                    Some(value) if value < 0.0 => values.set_null(row),
                    Some(0.0) => batch.drop_row(row),
                    _ => {}
                }
            }
            batch.write(*after, values);
        }
        for Rewrite { before, after } in &self.shouted {
            let texts = batch.read(*before);
            batch.write_each(*after, texts.iter().map(|text| text.map(str::to_uppercase)));
            let loud =
                texts.iter().enumerate().filter(|(_, text)| text.is_some_and(|text| text.ends_with('!')));
            loud.for_each(|(row, _)| self.loud.emit_for(row, ()));
        }
        Ok(())
    }
}

fn columns() -> [(&'static str, Values); 3] {
    [
        ("a", Values::of([Some(1.0), None, Some(60.0), Some(0.0), Some(-1.0)])),
        ("b", Values::of([Some("x"), Some("y!"), None, Some("ß"), Some("")])),
        ("c", Values::of([1.0, 2.0, 3.0, 4.0, 5.0])),
    ]
}

#[test]
fn columns_change_as_configured() {
    let outcome = run::<Changes, _>(r#"{"doubled": ["a", "c"], "shouted": ["b"]}"#, &columns()).unwrap();
    assert_eq!(outcome.kept, [0, 1, 4]);
    assert_eq!(outcome.rejected, [("too much".to_owned(), vec![2])].into());
    assert_eq!(outcome.written["a"], Values::of([Some(2.0), None, Some(120.0), Some(0.0), None]));
    assert_eq!(outcome.written["b"], Values::of([Some("X"), Some("Y!"), None, Some("SS"), Some("")]));
    assert_eq!(outcome.written["c"], Values::of([2.0, 4.0, 6.0, 8.0, 10.0]));
    assert_eq!(outcome.emitted["loud"].parents, [1]);
    let untouched = run::<Changes, _>("{}", &columns()).unwrap();
    assert_eq!((untouched.kept, untouched.written.len()), (vec![0, 1, 2, 3, 4], 0));
}

#[test]
fn a_configuration_makes_the_plan() {
    let fields = ["a", "b", "c"].map(|name| field(name, DataType::Float64, true)).to_vec();
    let input = Input { name: "t".to_owned(), fields };
    let config = r#"{"doubled": ["c", "a"], "dropped": ["b"]}"#;
    let configured = configure::<Changes, _>(config, &[input]).ok().unwrap();
    let plan = configured.plan();
    let both = ["c", "a"].map(|name| field(name, DataType::Float64, true));
    assert_eq!((&plan.inputs[0].reads[..], &plan.inputs[0].writes[..]), (&both[..], &both[..]));
    assert_eq!(plan.inputs[0].drops, ["b"]);
    let loud: Vec<_> = plan.outputs[0].fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(loud, ["a", "b", "c"]);
}

fn field(name: &str, ty: DataType, nullable: bool) -> Field {
    Field { name: name.to_owned(), ty, nullable }
}

#[test]
fn all_problems_are_told_at_once() {
    let check = |config: &str, expect: &[(&str, &str)]| {
        let problems = run::<Changes, _>(config, &columns()).unwrap_err();
        let problems: Vec<_> = problems.iter().map(|problem| (&*problem.path, &*problem.message)).collect();
        assert_eq!(problems, expect, "{config}");
    };
    let missing = |name: &str| format!("the input has no column `{name}`; it has `a`, `b`, `c`");
    check(r#"{"doubbled": []}"#, &[("doubbled", "unknown key")]);
    check(
        r#"{"doubled": ["x"], "dropped": ["y"]}"#,
        &[("inputs.test.y", &missing("y")), ("inputs.test.x", &missing("x"))],
    );
    check(
        r#"{"doubled": ["a", "x", "c", "a"]}"#,
        &[
            ("doubled", "more than three"),
            ("inputs.test.x", &missing("x")),
            ("inputs.test.a", "column `a` is written or dropped twice"),
        ],
    );
    check(
        r#"{"doubled": ["a"], "shouted": ["a"]}"#,
        &[
            ("inputs.test.a", "column `a` is read as two types"),
            ("inputs.test.a", "column `a` is written or dropped twice"),
        ],
    );
    check(
        r#"{"required": ["a"]}"#,
        &[("inputs.test.a", "column `a` may be null, but this plugin needs a value: declare it as required")],
    );
    assert!(run::<Changes, _>(r#"{"required": ["c"], "doubled": ["c"]}"#, &columns()).is_ok());
}

/// Makes columns of its own, without reading any.
struct Stamps(Write<Timestamp>);

impl Columnar for Stamps {
    type Config = ();
    const ABOUT: About = ABOUT;

    fn configure(_: (), stream: &mut Stream<'_>) -> Result<Self, Vec<ConfigProblem>> {
        stream.keeps_every_row();
        Ok(Self(stream.write("stamp")))
    }

    fn process(&mut self, batch: &mut Batch<'_>) -> Result<(), Error> {
        let stamps: Numbers<i64> = vec![7; batch.rows()].into();
        batch.write(self.0, stamps);
        Ok(())
    }
}

#[test]
fn a_column_is_made_of_a_vec() {
    let outcome = run::<Stamps, _>("null", &columns()).unwrap();
    assert_eq!(outcome.written["stamp"], Values::of([Timestamp(7); 5]));
}
