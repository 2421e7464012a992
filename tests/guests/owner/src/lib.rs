//! A plugin without state that looks things up: gives each row the owner and the wheels that table `cars` has for its
//! plate, and rejects rows without a car.

use exports::millstream::plugin::plugin;
use millstream::plugin::batches::Batch;
use millstream::plugin::lookup::Table;
use millstream::plugin::types::{DataType, Error, Field};

wit_bindgen::generate!({ path: "../../../wit", world: "transform" });

struct Owner;
export!(Owner);

fn field(name: &str, ty: DataType, nullable: bool) -> Field {
    Field { name: name.into(), ty, nullable }
}

impl plugin::Guest for Owner {
    fn describe() -> plugin::About {
        plugin::About {
            name: "owner".into(),
            version: "0.1.0".into(),
            config_schema: None,
            example_config: "{}".into(),
        }
    }

    fn configure(_: String, _: Vec<plugin::Input>) -> Result<plugin::Plan, Vec<plugin::ConfigProblem>> {
        let input = plugin::InputPlan {
            reads: vec![field("plate", DataType::Utf8, true)],
            writes: vec![field("owner", DataType::Utf8, true), field("wheels", DataType::Int32, true)],
            drops: vec![],
            key: None,
            row_preserving: false,
        };
        let cars = plugin::TableUse { name: "cars".into(), columns: vec!["owner".into(), "wheels".into()] };
        Ok(plugin::Plan {
            inputs: vec![input],
            outputs: vec![],
            stores: vec![],
            tables: vec![cars],
            hints: vec![],
        })
    }

    fn process(_: u32, batch: &Batch) -> Result<(), Error> {
        let found = Table::new("cars").join(batch, 0);
        let has_no_car = |row: &u32| found[*row as usize / 8] >> (row % 8) & 1 == 0;
        let without: Vec<u32> = (0..batch.rows()).filter(has_no_car).collect();
        if !without.is_empty() {
            batch.reject(&without, "no such car");
        }
        Ok(())
    }
}
