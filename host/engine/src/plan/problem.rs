//! What can be wrong with a plan, said so that the reader knows what to change.

use super::Missing;

/// A plan does not fit the stream or this host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanProblem {
    /// The plan does what the plugin's grants do not give.
    #[error("{}", missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NotGranted {
        /// Everything that is missing.
        missing: Vec<Missing>,
    },
    /// The batches of the stream lack a system column, which is the host's own mistake.
    #[error("stream `{input}` has no column `{column}` of type {expected}, which every batch carries")]
    MissingSystemColumn {
        /// The stream.
        input: String,
        /// The column.
        column: String,
        /// Its type.
        expected: String,
    },
    /// A column of the stream is not there.
    #[error("it {verb} column `{column}`, which stream `{input}` does not have; {remedy}")]
    UnknownColumn {
        /// `reads` or `drops`.
        verb: &'static str,
        /// The column.
        column: String,
        /// The stream.
        input: String,
        /// A near name, or the columns there are.
        remedy: String,
    },
    /// A column has another type and there is no cast without loss.
    #[error(
        "it reads column `{column}` as {expected}, but in stream `{input}` it is {found}, which does not \
         become that without loss; declare the column as {expected} or change the plugin"
    )]
    NotCastable {
        /// The column.
        column: String,
        /// The stream.
        input: String,
        /// Type in the plan.
        expected: String,
        /// Type in the stream.
        found: String,
    },
    /// A column may be null, and the plugin does not expect that.
    #[error(
        "it reads column `{column}` as not nullable, but in stream `{input}` it may be null; \
         declare the column as required or let the plugin read it as nullable"
    )]
    Nullable {
        /// The column.
        column: String,
        /// The stream.
        input: String,
    },
    /// A type that the host does not pass to plugins or does not take from them.
    #[error("it {verb} column `{column}` as {ty}, a type that this version of millstream does not pass")]
    UnsupportedType {
        /// `reads` or `writes`.
        verb: &'static str,
        /// The column.
        column: String,
        /// The type.
        ty: String,
    },
    /// A name stands twice in one list.
    #[error("it {verb} `{column}` twice; name it once")]
    Duplicate {
        /// `reads`, `writes`, `drops` or `declares`.
        verb: &'static str,
        /// The column or output.
        column: String,
    },
    /// One column is written and dropped.
    #[error("it both writes and drops column `{column}`; do one of them")]
    WrittenAndDropped {
        /// The column.
        column: String,
    },
    /// A system column would change.
    #[error(
        "it {verb} column `{column}`: names that begin with `_` are millstream's own and can only be read"
    )]
    SystemColumn {
        /// `writes`, `drops` or `emits`.
        verb: &'static str,
        /// The column.
        column: String,
    },
    /// An output that continues the stream does not have the stream's columns.
    #[error("its output `{output}` continues the stream, but column `{column}` {reason}")]
    Output {
        /// The output.
        output: String,
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A plan with outputs says that it emits nothing.
    #[error("it declares output `{output}` and calls itself row-preserving; do one of them")]
    OutputOfRowPreserving {
        /// The output.
        output: String,
    },
    /// The plan is for another number of streams.
    #[error("it plans for {found} inputs, and the step has {expected}")]
    Inputs {
        /// Number of input plans.
        found: usize,
        /// Number of streams.
        expected: usize,
    },
    /// A plan keeps state of a stream without saying by which columns.
    #[error(
        "it keeps state in store `{store}`, but names no key for input {input}: rows of one key must be known to          come to one task; name the key's columns in its plan"
    )]
    NoKey {
        /// The first store.
        store: String,
        /// Number of the input, from 0.
        input: usize,
    },
    /// Keys of two inputs cannot be equal.
    #[error("its key `{}` of input 0 and `{}` of input {input} are not of the same types, in their order", first.join("`, `"), other.join("`, `"))]
    Keys {
        /// Columns of the key of the first input.
        first: Vec<String>,
        /// Number of the other input, from 0.
        input: usize,
        /// Columns of its key.
        other: Vec<String>,
    },
    /// The plan needs what only worlds with state have.
    #[error(
        "it declares {what}, which needs world keyed-transform; this version of millstream runs world transform only"
    )]
    Keyed {
        /// What was declared.
        what: String,
    },
    /// The plan needs state, and the plugin can ask servers.
    #[error(
        "it declares {what} and imports http, and http is refused in stateful steps: what a server answers may \
         differ when rows are processed again; ask in a step of its own before it"
    )]
    HttpWithState {
        /// What was declared.
        what: String,
    },
    /// The plan names lookup tables.
    #[error("it uses lookup table `{table}`; this version of millstream has no lookup tables")]
    LookupTable {
        /// The first table named.
        table: String,
    },
    /// A lookup table is not among those that the step was given.
    #[error("it uses lookup table `{table}`, which is not there; {}", if tables.is_empty() { "there are none".to_owned() } else { format!("there are `{}`", tables.join("`, `")) })]
    UnknownTable {
        /// The table.
        table: String,
        /// The tables there are.
        tables: Vec<String>,
    },
    /// A lookup table lacks a column.
    #[error("it looks up column `{column}` of table `{table}`, which has `{}`", columns.join("`, `"))]
    UnknownTableColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The columns it has.
        columns: Vec<String>,
    },
}
