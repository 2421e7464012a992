//! The transforms as native Rust on Arrow arrays: what the plugins are compared with. The logic is the
//! plugins' own, so that only the way to it differs.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanBuilder, Float64Array, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::buffer::ScalarBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Float64Type, SchemaRef, TimestampMicrosecondType};
use cleanse_vehicle::cleanse::Rules;
use cleanse_vehicle::vehicle::Vehicle;
use millstream_sdk::Timestamp;

/// Reads two columns and writes one.
pub fn adjust(rows: &RecordBatch) -> RecordBatch {
    let (latitude, speed) = (floats(rows, "location.lat"), floats(rows, "speed"));
    let adjusted = latitude.values().iter().zip(speed.values()).map(|(l, s)| adjust::adjust(*l, *s));
    let adjusted =
        Float64Array::new(ScalarBuffer::from(adjusted.collect::<Vec<_>>()), speed.nulls().cloned());
    replace(rows, rows.schema(), &[("speed", Arc::new(adjusted))])
}

/// The rules of `cleanse-vehicle`; `schema` is that of the plugin's output.
pub fn cleanse(rules: &mut Rules, rows: &RecordBatch, schema: SchemaRef) -> RecordBatch {
    let count = rows.num_rows();
    let text = |name| rows.column_by_name(name).expect("a column of the stream").as_string::<i32>();
    let (latitude, longitude, speed) =
        (floats(rows, "location.lat"), floats(rows, "location.lon"), floats(rows, "speed"));
    let (timestamp, direction, make) = (text("timestamp"), text("direction"), text("make"));
    let (model, fuel_type) = (text("model"), text("fuelType"));
    let received_at = rows.column_by_name("_timestamp").expect("a column of every stream");
    let received_at = received_at.as_primitive::<TimestampMicrosecondType>();
    let mut instants = TimestampMicrosecondBuilder::with_capacity(count).with_timezone("UTC");
    let mut in_future = BooleanBuilder::with_capacity(count);
    let [mut latitudes, mut longitudes, mut speeds]: [Vec<f64>; 3] =
        std::array::from_fn(|_| Vec::with_capacity(count));
    let mut texts: [StringBuilder; 4] =
        std::array::from_fn(|_| StringBuilder::with_capacity(count, count * 8));
    let mut keep = Vec::with_capacity(count);
    for row in 0..count {
        let mut vehicle = Vehicle {
            reported_at: Some(timestamp.value(row)),
            received_at: received_at.is_valid(row).then(|| Timestamp(received_at.value(row))),
            latitude: Some(latitude.value(row)),
            longitude: Some(longitude.value(row)),
            speed: Some(speed.value(row)),
            direction: Some(direction.value(row)),
            make: Some(make.value(row)),
            model: Some(model.value(row)),
            fuel_type: Some(fuel_type.value(row)),
            ..Vehicle::default()
        };
        keep.push(rules.cleanse(&mut vehicle).is_ok());
        instants.append_value(vehicle.instant.0);
        in_future.append_option(vehicle.in_future);
        latitudes.push(vehicle.latitude.unwrap_or_default());
        longitudes.push(vehicle.longitude.unwrap_or_default());
        speeds.push(vehicle.speed.unwrap_or_default());
        let written = [vehicle.direction, vehicle.make, vehicle.model, vehicle.fuel_type];
        for (builder, text) in texts.iter_mut().zip(written) {
            builder.append_option(text);
        }
    }
    let [direction, make, model, fuel_type] = texts.map(|mut builder| Arc::new(builder.finish()) as ArrayRef);
    let written = [
        ("timestamp", Arc::new(instants.finish()) as ArrayRef),
        ("timestamp_in_future", Arc::new(in_future.finish())),
        ("location.lat", Arc::new(Float64Array::from(latitudes))),
        ("location.lon", Arc::new(Float64Array::from(longitudes))),
        ("speed", Arc::new(Float64Array::from(speeds))),
        ("direction", direction),
        ("make", make),
        ("model", model),
        ("fuelType", fuel_type),
    ];
    let rows = replace(rows, schema, &written);
    if keep.iter().all(|keep| *keep) {
        return rows;
    }
    filter_record_batch(&rows, &keep.into()).expect("one flag for each row")
}

fn floats<'a>(rows: &'a RecordBatch, name: &str) -> &'a Float64Array {
    rows.column_by_name(name).expect("a column of the stream").as_primitive::<Float64Type>()
}

/// The columns of `schema`: those written, and the rest as they are in `rows`.
fn replace(rows: &RecordBatch, schema: SchemaRef, written: &[(&str, ArrayRef)]) -> RecordBatch {
    let column = |name: &String| match written.iter().find(|(own, _)| own == name) {
        Some((_, column)) => column.clone(),
        None => rows.column_by_name(name).expect("a column of the stream").clone(),
    };
    let columns = schema.fields().iter().map(|field| column(field.name())).collect();
    RecordBatch::try_new(schema, columns).expect("columns as the schema says")
}
