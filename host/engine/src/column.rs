//! Columns on their way into and out of a plugin: Arrow arrays become the interface's records, rebased so
//! that a slice looks like a whole column, and records become arrays, fully checked.

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, GenericByteArray, ListArray, MutableArrayData, make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{ArrowNativeType, BinaryType, ByteArrayType, DataType, Utf8Type};

use crate::bindings::types::{Bools, Bytes, Float32s, Float64Lists, Float64s, Int32s, Int64s, Raw};

/// A bitmap of the interface: bit 0 first, zero behind the last row.
pub(crate) fn bitmap(bits: &BooleanBuffer) -> Vec<u8> {
    let mut bytes = bits.sliced().as_slice()[..bits.len().div_ceil(8)].to_vec();
    if let (Some(last), used @ 1..) = (bytes.last_mut(), bits.len() % 8) {
        *last &= (1 << used) - 1;
    }
    bytes
}

fn valid(array: &dyn Array) -> Option<Vec<u8>> {
    array.nulls().filter(|nulls| nulls.null_count() > 0).map(|nulls| bitmap(nulls.inner()))
}

fn values<T: ArrowNativeType>(array: &dyn Array) -> Vec<T> {
    array.to_data().buffer::<T>(0)[..array.len()].to_vec()
}

pub(crate) fn bools(array: &dyn Array) -> Option<Bools> {
    let values = bitmap(array.as_boolean_opt()?.values());
    Some(Bools { values, valid: valid(array) })
}

pub(crate) fn int32s(array: &dyn Array) -> Option<Int32s> {
    matches!(array.data_type(), DataType::Int32 | DataType::Date32)
        .then(|| Int32s { values: values(array), valid: valid(array) })
}

pub(crate) fn int64s(array: &dyn Array) -> Option<Int64s> {
    matches!(array.data_type(), DataType::Int64 | DataType::Timestamp(..))
        .then(|| Int64s { values: values(array), valid: valid(array) })
}

pub(crate) fn float32s(array: &dyn Array) -> Option<Float32s> {
    (*array.data_type() == DataType::Float32).then(|| Float32s { values: values(array), valid: valid(array) })
}

pub(crate) fn float64s(array: &dyn Array) -> Option<Float64s> {
    (*array.data_type() == DataType::Float64).then(|| Float64s { values: values(array), valid: valid(array) })
}

pub(crate) fn bytes(array: &dyn Array) -> Option<Bytes> {
    fn of<T: ByteArrayType<Offset = i32>>(array: &GenericByteArray<T>) -> Bytes {
        let (offsets, range) = rebase(array.value_offsets());
        Bytes { offsets, data: array.value_data()[range].to_vec(), valid: valid(array) }
    }
    match array.data_type() {
        DataType::Utf8 => Some(of::<Utf8Type>(array.as_bytes())),
        DataType::Binary => Some(of::<BinaryType>(array.as_bytes())),
        _ => None,
    }
}

/// Null elements (of lists that are not null) become NaN.
pub(crate) fn float64_lists(array: &dyn Array) -> Option<Float64Lists> {
    let lists: &ListArray = array.as_list_opt()?;
    let items = lists.values().as_primitive_opt::<arrow::datatypes::Float64Type>()?;
    let (offsets, range) = rebase(lists.value_offsets());
    let items = items.slice(range.start, range.len());
    let values = match items.null_count() {
        0 => items.values().to_vec(),
        _ => items.iter().map(|item| item.unwrap_or(f64::NAN)).collect(),
    };
    Some(Float64Lists { offsets, values, valid: valid(array) })
}

/// Buffers of any column that the interface supports.
pub(crate) fn raw(array: &dyn Array) -> Option<Raw> {
    let data = array.to_data();
    let mut whole = MutableArrayData::new(vec![&data], false, data.len());
    whole.extend(0, 0, data.len());
    let mut buffers = Vec::new();
    flatten(&whole.freeze(), &mut buffers);
    Some(Raw { buffers, valid: valid(array) })
}

/// The buffers of `data` without its validity, then those of its children with theirs (empty = all
/// valid).
fn flatten(data: &ArrayData, buffers: &mut Vec<Vec<u8>>) {
    buffers.extend(data.buffers().iter().map(|buffer| buffer.as_slice().to_vec()));
    for child in data.child_data() {
        buffers.push(child.nulls().map(|nulls| bitmap(nulls.inner())).unwrap_or_default());
        flatten(child, buffers);
    }
}

fn rebase(offsets: &[i32]) -> (Vec<u32>, std::ops::Range<usize>) {
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let rebased = offsets.iter().map(|offset| (offset - first) as u32).collect();
    (rebased, first as usize..last as usize)
}

/// A column as a plugin wrote it.
#[derive(Debug)]
pub(crate) enum Written {
    Bools(Bools),
    Int32s(Int32s),
    Int64s(Int64s),
    Float32s(Float32s),
    Float64s(Float64s),
    Bytes(Bytes),
    Float64Lists(Float64Lists),
    Raw(Raw),
}

impl Written {
    /// The function of the interface that it came by.
    pub(crate) fn function(&self) -> &'static str {
        match self {
            Self::Bools(_) => "write-bool",
            Self::Int32s(_) => "write-int32",
            Self::Int64s(_) => "write-int64",
            Self::Float32s(_) => "write-float32",
            Self::Float64s(_) => "write-float64",
            Self::Bytes(_) => "write-bytes",
            Self::Float64Lists(_) => "write-float64-list",
            Self::Raw(_) => "write-raw",
        }
    }

    /// True if the function writes columns of the type.
    pub(crate) fn fits(&self, ty: &DataType) -> bool {
        match self {
            Self::Bools(_) => *ty == DataType::Boolean,
            Self::Int32s(_) => matches!(ty, DataType::Int32 | DataType::Date32),
            Self::Int64s(_) => matches!(ty, DataType::Int64 | DataType::Timestamp(..)),
            Self::Float32s(_) => *ty == DataType::Float32,
            Self::Float64s(_) => *ty == DataType::Float64,
            Self::Bytes(_) => matches!(ty, DataType::Utf8 | DataType::Binary),
            Self::Float64Lists(_) => {
                matches!(ty, DataType::List(item) if *item.data_type() == DataType::Float64)
            }
            Self::Raw(_) => true,
        }
    }

    /// Bytes it holds.
    pub(crate) fn size(&self) -> usize {
        let bits = |valid: &Option<Vec<u8>>| valid.as_ref().map_or(0, Vec::len);
        match self {
            Self::Bools(v) => v.values.len() + bits(&v.valid),
            Self::Int32s(v) => v.values.len() * 4 + bits(&v.valid),
            Self::Int64s(v) => v.values.len() * 8 + bits(&v.valid),
            Self::Float32s(v) => v.values.len() * 4 + bits(&v.valid),
            Self::Float64s(v) => v.values.len() * 8 + bits(&v.valid),
            Self::Bytes(v) => v.offsets.len() * 4 + v.data.len() + bits(&v.valid),
            Self::Float64Lists(v) => v.offsets.len() * 4 + v.values.len() * 8 + bits(&v.valid),
            Self::Raw(v) => v.buffers.iter().map(Vec::len).sum::<usize>() + bits(&v.valid),
        }
    }

    /// The array of `rows` values of type `ty`, which must fit. The error says what is wrong with it,
    /// to follow the plugin's and the column's name.
    pub(crate) fn build(self, ty: &DataType, rows: usize) -> Result<ArrayRef, String> {
        let data = match self {
            Self::Bools(v) => {
                check_bitmap("values", &v.values, rows)?;
                flat(ty, Buffer::from_vec(v.values), v.valid, rows)
            }
            Self::Int32s(v) => values_of(ty, v.values, v.valid, rows),
            Self::Int64s(v) => values_of(ty, v.values, v.valid, rows),
            Self::Float32s(v) => values_of(ty, v.values, v.valid, rows),
            Self::Float64s(v) => values_of(ty, v.values, v.valid, rows),
            Self::Bytes(v) => {
                check_offsets(&v.offsets, v.data.len(), rows)?;
                let builder = ArrayData::builder(ty.clone())
                    .len(rows)
                    .add_buffer(Buffer::from_vec(v.offsets))
                    .add_buffer(Buffer::from_vec(v.data))
                    .nulls(nulls(v.valid, rows)?);
                // Nothing else is left to be wrong with texts.
                builder.build().map_err(|error| match ty {
                    DataType::Utf8 => "text that is not UTF-8".to_owned(),
                    _ => error.to_string(),
                })
            }
            Self::Float64Lists(v) => float64_list_data(ty, v, rows),
            Self::Raw(v) => raw_data(ty, v, rows),
        }?;
        Ok(make_array(data))
    }
}

fn values_of<T: ArrowNativeType>(
    ty: &DataType,
    values: Vec<T>,
    valid: Option<Vec<u8>>,
    rows: usize,
) -> Result<ArrayData, String> {
    if values.len() != rows {
        return Err(format!("{} values for {rows} rows", values.len()));
    }
    flat(ty, Buffer::from_vec(values), valid, rows)
}

fn flat(ty: &DataType, buffer: Buffer, valid: Option<Vec<u8>>, rows: usize) -> Result<ArrayData, String> {
    let builder = ArrayData::builder(ty.clone()).len(rows).add_buffer(buffer).nulls(nulls(valid, rows)?);
    builder.build().map_err(|error| error.to_string())
}

fn float64_list_data(ty: &DataType, lists: Float64Lists, rows: usize) -> Result<ArrayData, String> {
    check_offsets(&lists.offsets, lists.values.len(), rows)?;
    let count = lists.values.len();
    let items = values_of(&DataType::Float64, lists.values, None, count)?;
    ArrayData::builder(ty.clone())
        .len(rows)
        .add_buffer(Buffer::from_vec(lists.offsets))
        .add_child_data(items)
        .nulls(nulls(lists.valid, rows)?)
        .build()
        .map_err(|error| error.to_string())
}

fn raw_data(ty: &DataType, raw: Raw, rows: usize) -> Result<ArrayData, String> {
    let mut buffers = raw.buffers.into_iter();
    let data = unflatten(ty, &mut buffers, nulls(raw.valid, rows)?, rows)?;
    match buffers.next() {
        None => Ok(data),
        Some(_) => Err("more buffers than its type has".to_owned()),
    }
}

fn unflatten(
    ty: &DataType,
    buffers: &mut std::vec::IntoIter<Vec<u8>>,
    nulls: Option<NullBuffer>,
    rows: usize,
) -> Result<ArrayData, String> {
    let missing = || "fewer buffers than its type has".to_owned();
    let count = arrow::array::layout(ty).buffers.len();
    let own: Vec<Vec<u8>> = buffers.by_ref().take(count).collect();
    if own.len() < count {
        return Err(missing());
    }
    let mut builder = ArrayData::builder(ty.clone()).len(rows).nulls(nulls).align_buffers(true);
    if let DataType::List(item) = ty {
        let last = own[0].get(rows * 4..rows * 4 + 4).and_then(|bytes| bytes.try_into().ok());
        let items = last.map_or(0, i32::from_le_bytes);
        let items = usize::try_from(items).map_err(|_| "a negative offset".to_owned())?;
        let valid = buffers.next().ok_or_else(missing)?;
        let nulls = self::nulls((!valid.is_empty()).then_some(valid), items)?;
        builder = builder.add_child_data(unflatten(item.data_type(), buffers, nulls, items)?);
    }
    builder
        .buffers(own.into_iter().map(Buffer::from_vec).collect())
        .build()
        .map_err(|error| error.to_string())
}

fn nulls(valid: Option<Vec<u8>>, rows: usize) -> Result<Option<NullBuffer>, String> {
    let Some(valid) = valid else { return Ok(None) };
    check_bitmap("validity", &valid, rows)?;
    Ok(Some(NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(valid), 0, rows))))
}

/// The values of variable length in `bytes`, none where invalid. The error says what is wrong with them.
pub(crate) fn items(bytes: &Bytes) -> Result<Vec<Option<&[u8]>>, String> {
    let rows = bytes.offsets.len().saturating_sub(1);
    check_offsets(&bytes.offsets, bytes.data.len(), rows)?;
    if let Some(valid) = &bytes.valid {
        check_bitmap("validity", valid, rows)?;
    }
    let is_valid = |row: usize| bytes.valid.as_ref().is_none_or(|valid| valid[row / 8] >> (row % 8) & 1 == 1);
    let ends = bytes.offsets.windows(2).enumerate();
    Ok(ends
        .map(|(row, ends)| is_valid(row).then(|| &bytes.data[ends[0] as usize..ends[1] as usize]))
        .collect())
}

/// Values of variable length as a plugin gets them, invalid where none.
pub(crate) fn pack<T: AsRef<[u8]>>(items: &[Option<T>]) -> Bytes {
    let mut offsets = Vec::with_capacity(items.len() + 1);
    offsets.push(0);
    let mut data = Vec::new();
    for item in items {
        data.extend_from_slice(item.as_ref().map_or(&[], AsRef::as_ref));
        offsets.push(data.len() as u32);
    }
    let valid = items.iter().any(Option::is_none).then(|| bits(items.iter().map(Option::is_some)));
    Bytes { offsets, data, valid }
}

/// A bitmap of the interface from its bits.
pub(crate) fn bits(bits: impl Iterator<Item = bool>) -> Vec<u8> {
    bitmap(&bits.collect::<BooleanBuffer>())
}

pub(crate) fn check_bitmap(what: &str, bytes: &[u8], rows: usize) -> Result<(), String> {
    match bytes.len() == rows.div_ceil(8) {
        true => Ok(()),
        false => Err(format!("a bitmap of {what} with {} bytes for {rows} rows", bytes.len())),
    }
}

fn check_offsets(offsets: &[u32], data: usize, rows: usize) -> Result<(), String> {
    if offsets.len() != rows + 1 {
        return Err(format!("{} offsets for {rows} rows, expected one more than rows", offsets.len()));
    }
    if offsets[0] != 0 {
        return Err(format!("offsets that begin at {}, expected 0", offsets[0]));
    }
    if let Some(row) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
        return Err(format!("offsets that fall behind row {row}"));
    }
    let last = offsets[rows] as usize;
    if last > data || i32::try_from(last).is_err() {
        return Err(format!("offsets that end at {last} in {data} values"));
    }
    Ok(())
}
