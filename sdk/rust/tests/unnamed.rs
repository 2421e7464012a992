//! Stores, outputs and joins that a plugin holds, but does not name in its functions of these names.

use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_sdk::keyed::{Keyed, Store, Stores, Timers};
use millstream_sdk::lookup::Join;
use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::testing::{Task, Values};
use millstream_sdk::{About, Output, Record, Row};

#[derive(Row)]
struct Reading {
    #[row(key, name = "site")]
    _site: i64,
}

fn readings() -> [(&'static str, Values); 1] {
    [("site", Values::of([1_i64]))]
}

#[derive(Record)]
struct Rang {
    ring: i64,
}

/// Touches what it does not name.
struct Nameless {
    touched: String,
    store: Store<i64>,
    output: Output<Rang>,
    join: Join<Rang>,
}

impl Keyed for Nameless {
    type Config = String;
    type Row = Reading;
    type Outcome = ();
    const ABOUT: About = About { name: "t", version: "1", config_schema: None, example_config: "null" };

    fn configure(touched: String) -> Result<Self, Vec<ConfigProblem>> {
        let (store, output, join) = (Store::new("s", 1), Output::named("o"), Join::new("t", "site"));
        Ok(Self { touched, store, output, join })
    }

    fn stores(&mut self) -> Stores<'_> {
        Stores::none()
    }

    fn process(&mut self, _: &mut Reading, _: &mut Timers) {
        match &*self.touched {
            "get" => drop(self.store.get()),
            "put" => self.store.put(&1),
            "emit" => self.output.emit(Rang { ring: 1 }),
            "emit_for" => self.output.emit_for(0, Rang { ring: 1 }),
            "is_found" => assert!(self.join.is_found()),
            _ => assert!(self.join.is_found_for(0)),
        }
    }
}

#[test]
fn what_is_not_named_says_so() {
    let check = |touched: &str, expect: &str| {
        let mut task = Task::<Nameless, _>::new(&format!("{touched:?}"), &[&readings()]).unwrap();
        let process = || drop(task.process(&readings()));
        let panicked = catch_unwind(AssertUnwindSafe(process)).unwrap_err();
        let texts = (panicked.downcast_ref::<String>().cloned(), panicked.downcast_ref::<&str>());
        let said = texts.0.or(texts.1.map(|text| (*text).to_owned())).unwrap();
        assert!(said.ends_with(&format!("is not named in `{expect}`")), "{touched}: {said}");
    };
    check("get", "stores");
    check("put", "stores");
    check("emit", "outputs");
    check("emit_for", "outputs");
    check("is_found", "lookups");
    check("is_found_for", "lookups");
}
