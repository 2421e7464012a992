//! From an [`Expression`] to a [`Condition`] that fits a schema: columns exist, types fit, patterns can be
//! used. What passes here does not fail on rows.

use arrow::array::StringArray;
use arrow::compute::kernels::comparison::ilike;
use arrow::datatypes::{Field, Schema};
use millstream_model::schema::type_name;

use super::error::{Position, PredicateError};
use super::literal::{Constant, Literal};
use super::syntax::{self, Expression, Term};
use super::{Column, Comparison, Condition, Kind, Set, Value, nearest};

/// Longest pattern of `like`: most of its characters cost some hundred bytes when it is made ready.
const PATTERN_BYTES_MAX: usize = 1000;

/// Compiles `expression` for rows of `schema`.
pub(super) fn condition(expression: &Expression, schema: &Schema) -> Result<Condition, PredicateError> {
    Compiler { schema }.condition(expression)
}

struct Compiler<'a> {
    schema: &'a Schema,
}

/// One side of a comparison.
enum Operand<'a> {
    Column(&'a Field, Position),
    Literal(&'a Literal, Position),
}

impl Compiler<'_> {
    fn condition(&self, expression: &Expression) -> Result<Condition, PredicateError> {
        match expression {
            Expression::Any(parts) => self.conditions(parts).map(Condition::Any),
            Expression::All(parts) => self.conditions(parts).map(Condition::All),
            Expression::Not(part) => Ok(Condition::Not(Box::new(self.condition(part)?))),
            Expression::Operand(operand) => self.flag(operand),
            Expression::Compare(left, comparison, right) => self.compare(left, *comparison, right),
            Expression::Between { operand, low, high } => {
                let low = self.compare(operand, Comparison::GreaterOrEqual, low)?;
                let high = self.compare(operand, Comparison::LessOrEqual, high)?;
                Ok(Condition::All(vec![low, high]))
            }
            Expression::IsNull(operand) => self.is_null(operand),
            Expression::In(operand, list) => self.in_list(operand, list),
            Expression::Like { operand, pattern, ignore_case } => self.like(operand, pattern, *ignore_case),
        }
    }

    fn conditions(&self, parts: &[Expression]) -> Result<Vec<Condition>, PredicateError> {
        parts.iter().map(|part| self.condition(part)).collect()
    }

    fn flag(&self, operand: &syntax::Operand) -> Result<Condition, PredicateError> {
        match self.operand(operand)? {
            Operand::Column(field, at) => match Kind::of(field.data_type()) {
                Some(kind @ Kind::Boolean) => Ok(Condition::Flag(column(field, kind))),
                _ => Err(PredicateError::Unsupported {
                    position: at,
                    what: format!("{} is no condition; compare it with something", describe(field)),
                }),
            },
            Operand::Literal(Literal::Boolean(constant), _) => Ok(Condition::Constant(*constant)),
            Operand::Literal(literal, at) => Err(PredicateError::Unsupported {
                position: at,
                what: format!("{} is no condition; compare a column with it", literal.describe()),
            }),
        }
    }

    fn compare(
        &self,
        left: &syntax::Operand,
        comparison: Comparison,
        right: &syntax::Operand,
    ) -> Result<Condition, PredicateError> {
        match (self.operand(left)?, self.operand(right)?) {
            (Operand::Column(left, at), Operand::Column(right, _)) => {
                compare_columns(left, comparison, right, at)
            }
            (Operand::Column(field, _), Operand::Literal(literal, at)) => {
                compare_constant(field, comparison, literal, at)
            }
            (Operand::Literal(literal, at), Operand::Column(field, _)) => {
                compare_constant(field, comparison.mirrored(), literal, at)
            }
            (Operand::Literal(_, at), Operand::Literal(..)) => Err(PredicateError::Unsupported {
                position: at,
                what: "this compares two constants; write `true` or `false`, or name a column".to_owned(),
            }),
        }
    }

    fn is_null(&self, operand: &syntax::Operand) -> Result<Condition, PredicateError> {
        match self.operand(operand)? {
            Operand::Column(field, _) => Ok(Condition::IsNull(field.name().clone())),
            Operand::Literal(_, at) => Err(needs_column(at, "is null")),
        }
    }

    fn in_list(
        &self,
        operand: &syntax::Operand,
        list: &[syntax::Operand],
    ) -> Result<Condition, PredicateError> {
        let field = match self.operand(operand)? {
            Operand::Column(field, _) => field,
            Operand::Literal(_, at) => return Err(needs_column(at, "in")),
        };
        let mut constants = Vec::new();
        for item in list {
            let (literal, at) = self.literal(item, "in")?;
            constants.push(constant(field, literal, at)?);
        }
        let kind = constants.first().map(|(kind, _)| *kind).expect("the grammar has no empty list");
        let constants = constants.into_iter().map(|(_, constant)| constant);
        Ok(Condition::In(column(field, kind), set(kind, constants)))
    }

    fn like(
        &self,
        operand: &syntax::Operand,
        pattern: &syntax::Operand,
        ignore_case: bool,
    ) -> Result<Condition, PredicateError> {
        let (field, at) = match self.operand(operand)? {
            Operand::Column(field, at) => (field, at),
            Operand::Literal(_, at) => return Err(needs_column(at, "like")),
        };
        if Kind::of(field.data_type()) != Some(Kind::Text) {
            let what = format!("`like` needs a column of text; {} is none", describe(field));
            return Err(PredicateError::Unsupported { position: at, what });
        }
        match self.literal(pattern, "like")? {
            (Literal::Text(pattern), at) => {
                check_pattern(pattern, at)?;
                Ok(Condition::Like {
                    column: column(field, Kind::Text),
                    pattern: pattern.clone(),
                    ignore_case,
                })
            }
            (literal, position) => Err(PredicateError::Unsupported {
                position,
                what: format!("the pattern of `like` is a text in single quotes, not {}", literal.describe()),
            }),
        }
    }

    fn literal<'b>(
        &self,
        operand: &'b syntax::Operand,
        operator: &str,
    ) -> Result<(&'b Literal, Position), PredicateError> {
        match &operand.term {
            Term::Literal(literal) => Ok((literal, operand.position)),
            Term::Column(_) => Err(PredicateError::Unsupported {
                position: operand.position,
                what: format!("expected a constant behind `{operator}`; texts stand in single quotes"),
            }),
        }
    }

    fn operand<'b>(&'b self, operand: &'b syntax::Operand) -> Result<Operand<'b>, PredicateError> {
        let position = operand.position;
        match &operand.term {
            Term::Literal(literal) => Ok(Operand::Literal(literal, position)),
            Term::Column(name) => match self.schema.field_with_name(name) {
                Ok(field) => Ok(Operand::Column(field, position)),
                Err(_) => Err(self.unknown_column(name, position)),
            },
        }
    }

    fn unknown_column(&self, name: &str, position: Position) -> PredicateError {
        let known = || self.schema.fields().iter().map(|field| field.name());
        PredicateError::UnknownColumn {
            position,
            nearest: nearest(name, known()),
            known: known().cloned().collect(),
            column: name.to_owned(),
        }
    }
}

impl Comparison {
    /// The comparison with its sides exchanged.
    fn mirrored(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

fn compare_columns(
    left: &Field,
    comparison: Comparison,
    right: &Field,
    position: Position,
) -> Result<Condition, PredicateError> {
    let kinds = Kind::of(left.data_type()).zip(Kind::of(right.data_type()));
    match kinds {
        Some((left_kind, right_kind)) if left_kind.is_comparable(right_kind) => {
            Ok(Condition::CompareColumns(column(left, left_kind), comparison, column(right, right_kind)))
        }
        _ => Err(PredicateError::Type {
            position,
            left: describe(left),
            right: describe(right),
            remedy: String::new(),
        }),
    }
}

fn compare_constant(
    field: &Field,
    comparison: Comparison,
    literal: &Literal,
    at: Position,
) -> Result<Condition, PredicateError> {
    let (kind, constant) = constant(field, literal, at)?;
    let column = column(field, kind);
    let floor = match constant {
        Constant::Value(value) => return Ok(Condition::Compare(column, comparison, value)),
        Constant::Fraction { floor } => Value::Integer(floor),
    };
    let never = |column| Condition::In(column, Set::Integers(Vec::new()));
    Ok(match comparison {
        Comparison::Equal => never(column),
        Comparison::NotEqual => Condition::Not(Box::new(never(column))),
        Comparison::Less | Comparison::LessOrEqual => {
            Condition::Compare(column, Comparison::LessOrEqual, floor)
        }
        Comparison::Greater | Comparison::GreaterOrEqual => {
            Condition::Compare(column, Comparison::Greater, floor)
        }
    })
}

/// `literal` as a value of the column's kind.
fn constant(
    field: &Field,
    literal: &Literal,
    position: Position,
) -> Result<(Kind, Constant), PredicateError> {
    let mismatch = |remedy: &str| PredicateError::Type {
        position,
        left: describe(field),
        right: literal.describe(),
        remedy: format!("; {remedy}"),
    };
    let kind = Kind::of(field.data_type()).ok_or_else(|| mismatch("only `is null` can be asked of it"))?;
    literal.value(kind).map(|value| (kind, value)).map_err(mismatch)
}

/// The values of a list. A number with a fraction is equal to no integer.
fn set(kind: Kind, constants: impl Iterator<Item = Constant>) -> Set {
    let (mut booleans, mut integers, mut floats, mut texts) = (vec![], vec![], vec![], vec![]);
    for constant in constants {
        match constant {
            Constant::Value(Value::Boolean(value)) => booleans.push(value),
            Constant::Value(Value::Integer(value)) => integers.push(value),
            Constant::Value(Value::Float(value)) => floats.push(value),
            Constant::Value(Value::Text(value)) => texts.push(value),
            Constant::Fraction { .. } => {}
        }
    }
    integers.sort_unstable();
    floats.sort_unstable_by(f64::total_cmp);
    texts.sort_unstable();
    match kind {
        Kind::Boolean => Set::Booleans(booleans),
        Kind::Float => Set::Floats(floats),
        Kind::Text => Set::Texts(texts),
        Kind::Integer | Kind::Date | Kind::Instant | Kind::LocalTime => Set::Integers(integers),
    }
}

/// Arrow makes a pattern ready when rows are there, and then an error would end the run. A text beyond
/// ASCII makes it take the way that needs most.
fn check_pattern(pattern: &str, position: Position) -> Result<(), PredicateError> {
    if pattern.len() > PATTERN_BYTES_MAX {
        let what = format!(
            "the pattern of `like` is too long: {} bytes, where {PATTERN_BYTES_MAX} are allowed",
            pattern.len()
        );
        return Err(PredicateError::Unsupported { position, what });
    }
    ilike(&StringArray::from(vec!["é"]), &StringArray::new_scalar(pattern)).map(drop).map_err(|error| {
        PredicateError::Unsupported {
            position,
            what: format!("the pattern of `like` cannot be used: {error}"),
        }
    })
}

fn column(field: &Field, kind: Kind) -> Column {
    Column { name: field.name().clone(), kind }
}

fn describe(field: &Field) -> String {
    format!("column `{}` ({})", field.name(), type_name(field.data_type()))
}

fn needs_column(position: Position, operator: &str) -> PredicateError {
    PredicateError::Unsupported { position, what: format!("expected a column before `{operator}`") }
}
