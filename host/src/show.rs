//! Rows for a person to look at: one column of text per row, one line per column of the table, since
//! tables have more columns than a terminal has room for.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// Rows that stand side by side.
const ROWS_ABREAST: usize = 3;
/// Characters of a value that are shown.
const VALUE_CHARACTERS_MAX: usize = 36;

/// Renders the rows; nulls are empty.
pub fn rows(batches: &[RecordBatch]) -> Result<String, ArrowError> {
    let mut text = String::new();
    for batch in batches {
        for start in (0..batch.num_rows()).step_by(ROWS_ABREAST) {
            let abreast = batch.slice(start, ROWS_ABREAST.min(batch.num_rows() - start));
            if !text.is_empty() {
                text.push('\n');
            }
            block(&abreast, &mut text)?;
        }
    }
    Ok(text)
}

fn block(rows: &RecordBatch, text: &mut String) -> Result<(), ArrowError> {
    let options = FormatOptions::default();
    let schema = rows.schema();
    let names = schema.fields().iter().map(|field| field.name().chars().count());
    let width = names.max().unwrap_or(0);
    for (field, column) in schema.fields().iter().zip(rows.columns()) {
        let column = readable(column);
        let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
        let mut line = format!("{:<width$}", field.name());
        for row in 0..rows.num_rows() {
            let value = formatter.value(row).to_string();
            write!(line, "  {:<VALUE_CHARACTERS_MAX$}", shorten(&value)).expect("a string takes any text");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Ok(())
}

/// Bytes are mostly text that somebody sent.
fn readable(column: &ArrayRef) -> ArrayRef {
    if column.data_type() != &DataType::Binary {
        return column.clone();
    }
    let bytes = column.as_binary::<i32>().iter();
    let texts = bytes.map(|bytes| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
    Arc::new(texts.collect::<StringArray>())
}

fn shorten(value: &str) -> String {
    let value = value.replace(|c: char| c.is_control(), " ");
    if value.chars().count() <= VALUE_CHARACTERS_MAX {
        return value;
    }
    value.chars().take(VALUE_CHARACTERS_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::{BinaryArray, Int32Array};

    use super::*;

    #[test]
    fn rows_stand_side_by_side_and_bytes_are_text() {
        let value: ArrayRef = Arc::new(BinaryArray::from_opt_vec(vec![Some(b"{\"a\":\n1}"), None]));
        let number: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        let batch = RecordBatch::try_from_iter([("_value", value), ("n", number)]).unwrap();
        let pad = " ".repeat(VALUE_CHARACTERS_MAX - 1);
        assert_eq!(rows(&[batch]).unwrap(), format!("_value  {{\"a\": 1}}\nn       1{pad}  2\n"));
        assert_eq!(shorten(&"x".repeat(100)).chars().count(), VALUE_CHARACTERS_MAX);
    }
}
