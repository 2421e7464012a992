//! The host's side of a call: what each import does to the staged effects. Knows the rules of the
//! contract (what traps, what a get sees), not how wasmtime hands calls over.

use wasmtime::{Result, bail};

use crate::bindings::exports::millstream::plugin::plugin::Plan;
use crate::bindings::{self, Bytes, Int64s};
use crate::row::Value;
use crate::staged::{Staged, StagedRow, Work};
use crate::task::Task;

/// A builder that the guest has not emitted yet.
struct Builder {
    output: u32,
    rows: usize,
    parents: Option<Vec<u32>>,
    columns: Vec<Option<Vec<Value>>>,
}

/// A call in hand.
pub(crate) struct Call {
    pub(crate) task: Task,
    pub(crate) work: Work,
    pub(crate) staged: Staged,
    builders: Vec<Option<Builder>>,
    /// The host call that traps, counted down.
    trap_in: Option<u32>,
}

/// The data of a wasmtime store: a plan once configured, and a call while one runs.
#[derive(Default)]
pub(crate) struct Context {
    pub(crate) plan: Option<Plan>,
    pub(crate) stores: Vec<String>,
    call: Option<Call>,
}

impl Context {
    pub(crate) fn begin(&mut self, task: Task, work: Work, trap_in: Option<u32>) {
        self.call = Some(Call { task, work, staged: Staged::default(), builders: vec![], trap_in });
    }

    pub(crate) fn end(&mut self) -> Option<Call> {
        self.call.take()
    }

    /// The call in hand; each import passes here once, and traps when its turn has come.
    pub(crate) fn enter(&mut self) -> Result<(&Plan, &[String], &mut Call)> {
        let (Some(plan), Some(call)) = (&self.plan, &mut self.call) else {
            bail!("batches, state, timers and the clock exist only within process and fire");
        };
        match &mut call.trap_in {
            Some(0) => bail!("injected trap"),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok((plan, &self.stores, call))
    }

    pub(crate) fn column(&mut self, column: u32) -> Result<Vec<Value>> {
        let (plan, _, call) = self.enter()?;
        let Work::Rows(rows) = &call.work else { bail!("no batch in fire") };
        let input = rows.first().map_or(0, |row| row.input as usize);
        let Some(field) = plan.inputs.get(input).and_then(|input| input.reads.get(column as usize)) else {
            bail!("column {column} is not in the plan's reads");
        };
        rows.iter()
            .map(|row| row.column(&field.name).ok_or_else(|| wasmtime::Error::msg("no such column")))
            .collect()
    }

    pub(crate) fn keep(&mut self, mask: Vec<u8>) -> Result<()> {
        let (_, _, call) = self.enter()?;
        let mask = bindings::booleans(mask, call.work.len())?;
        if call.staged.keep.replace(mask).is_some() {
            bail!("second keep");
        }
        Ok(())
    }

    pub(crate) fn reject(&mut self, rows: Vec<u32>, reason: String) -> Result<()> {
        let (_, _, call) = self.enter()?;
        for row in rows {
            if row as usize >= call.work.len() {
                bail!("row {row} is not in the batch");
            }
            call.staged.rejects.insert(row as usize, reason.clone());
        }
        Ok(())
    }

    pub(crate) fn new_builder(&mut self, output: u32, rows: u32) -> Result<u32> {
        let (plan, _, call) = self.enter()?;
        let Some(declared) = plan.outputs.get(output as usize) else { bail!("no output {output}") };
        let columns = declared.fields.iter().map(|_| None).collect();
        call.builders.push(Some(Builder { output, rows: rows as usize, parents: None, columns }));
        Ok(call.builders.len() as u32 - 1)
    }

    /// `gather` in process, `attribute` in fire: both name the parents of a builder's rows.
    pub(crate) fn parents(&mut self, builder: u32, parents: Vec<u32>, in_fire: bool) -> Result<()> {
        let (_, _, call) = self.enter()?;
        if matches!(call.work, Work::Timers(..)) != in_fire {
            bail!("gather belongs to process, attribute to fire");
        }
        let count = call.work.len();
        let builder = call.builder(builder)?;
        if parents.len() != builder.rows || parents.iter().any(|parent| *parent as usize >= count) {
            bail!("parents do not fit the builder or the call");
        }
        builder.parents = Some(parents);
        Ok(())
    }

    pub(crate) fn write(&mut self, builder: u32, column: u32, values: Vec<Value>) -> Result<()> {
        let (_, _, call) = self.enter()?;
        let builder = call.builder(builder)?;
        if values.len() != builder.rows {
            bail!("{} values for {} rows", values.len(), builder.rows);
        }
        match builder.columns.get_mut(column as usize) {
            Some(column) if column.is_none() => *column = Some(values),
            Some(_) => bail!("second write of column {column}"),
            None => bail!("no column {column}"),
        }
        Ok(())
    }

    pub(crate) fn emit(&mut self, builder: u32) -> Result<()> {
        let (plan, _, call) = self.enter()?;
        let taken = call.builders.get_mut(builder as usize).and_then(Option::take);
        let Some(Builder { output, parents: Some(parents), columns, .. }) = taken else {
            bail!("rows without parents");
        };
        let fields = &plan.outputs[output as usize].fields;
        for (row, &parent) in parents.iter().enumerate() {
            let value =
                |(field, column): (&bindings::millstream::plugin::types::Field, &Option<Vec<Value>>)| {
                    let value = match (column, &call.work) {
                        (Some(values), _) => Some(values[row].clone()),
                        (None, Work::Rows(rows)) => rows[parent as usize].column(&field.name),
                        (None, Work::Timers(..)) => None,
                    };
                    value.unwrap_or(Value::Null)
                };
            let columns: Vec<Value> = fields.iter().zip(&columns).map(value).collect();
            if fields.iter().zip(&columns).any(|(field, value)| !field.nullable && *value == Value::Null) {
                bail!("null in a column that is not nullable");
            }
            call.staged.emitted.push(StagedRow { output, parent: parent as usize, columns });
        }
        Ok(())
    }

    pub(crate) fn watermark(&mut self) -> Result<Option<i64>> {
        Ok(self.enter()?.2.task.watermark())
    }

    pub(crate) fn open_store(&mut self, name: &str) -> Result<u32> {
        let (_, stores, _) = self.enter()?;
        let Some(index) = stores.iter().position(|store| store == name) else {
            bail!("store `{name}` is not in the plan");
        };
        Ok(index as u32)
    }

    pub(crate) fn get_many(&mut self, store: u32, keys: &Bytes) -> Result<Bytes> {
        let (_, stores, call) = self.enter()?;
        let store = &stores[store as usize];
        let get = |key: Vec<u8>| {
            let put = call.staged.puts.get(&(store.clone(), key.clone()));
            put.cloned().unwrap_or_else(|| call.task.get(store, &key).cloned())
        };
        Ok(bindings::pack(&bindings::unpack_keys(keys)?.into_iter().map(get).collect::<Vec<_>>()))
    }

    pub(crate) fn put_many(&mut self, store: u32, keys: &Bytes, values: &Bytes) -> Result<()> {
        let (_, stores, call) = self.enter()?;
        let (keys, values) = (bindings::unpack_keys(keys)?, bindings::unpack(values)?);
        if keys.len() != values.len() {
            bail!("{} keys for {} values", keys.len(), values.len());
        }
        let store = &stores[store as usize];
        call.staged.puts.extend(keys.into_iter().map(|key| (store.clone(), key)).zip(values));
        Ok(())
    }

    pub(crate) fn set_timers(&mut self, keys: &Bytes, micros: Vec<i64>, set: bool) -> Result<()> {
        let (_, _, call) = self.enter()?;
        let keys = bindings::unpack_keys(keys)?;
        if keys.len() != micros.len() {
            bail!("{} keys for {} times", keys.len(), micros.len());
        }
        call.staged.timers.extend(micros.into_iter().zip(keys).map(|timer| (timer, set)));
        Ok(())
    }

    pub(crate) fn rows(&mut self) -> Result<u32> {
        Ok(self.enter()?.2.work.len() as u32)
    }

    pub(crate) fn integers(&mut self, column: u32) -> Result<Int64s> {
        bindings::integer_column(&self.column(column)?)
    }

    pub(crate) fn texts(&mut self, column: u32) -> Result<Bytes> {
        bindings::text_column(&self.column(column)?)
    }
}

impl Call {
    fn builder(&mut self, index: u32) -> Result<&mut Builder> {
        let builder = self.builders.get_mut(index as usize).and_then(Option::as_mut);
        builder.ok_or_else(|| wasmtime::Error::msg("no such builder"))
    }
}
