//! From the parser's expression to a [`Condition`] that fits a schema. The parser knows far more SQL than
//! a predicate has; what is not listed here is refused by name.

use arrow::datatypes::{Field, Schema};
use sqlparser::ast::{BinaryOperator, DataType as SqlType, Expr, Ident, Spanned, UnaryOperator};
use sqlparser::ast::{Value as SqlValue, ValueWithSpan};

use super::error::{Position, PredicateError};
use super::literal::Literal;
use super::syntax::position;
use super::{Column, Comparison, Condition, Kind, Set, Value};

/// Characters of an expression that an error shows.
const SHOWN_CHARS_MAX: usize = 60;

/// Compiles `expression` for rows of `schema`.
pub(super) fn condition(expression: &Expr, schema: &Schema) -> Result<Condition, PredicateError> {
    Compiler { schema }.condition(expression)
}

struct Compiler<'a> {
    schema: &'a Schema,
}

/// One side of a comparison.
enum Operand<'a> {
    Column(&'a Field, Position),
    Literal(Literal, Position),
}

impl<'a> Compiler<'a> {
    fn condition(&self, expression: &Expr) -> Result<Condition, PredicateError> {
        match expression {
            Expr::Nested(inner) => self.condition(inner),
            Expr::BinaryOp { op: BinaryOperator::And, .. } => {
                self.chain(expression, &BinaryOperator::And).map(Condition::All)
            }
            Expr::BinaryOp { op: BinaryOperator::Or, .. } => {
                self.chain(expression, &BinaryOperator::Or).map(Condition::Any)
            }
            Expr::BinaryOp { left, op, right } => {
                let comparison = comparison(op).ok_or_else(|| unsupported(expression))?;
                self.compare(left, comparison, right)
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(negated(self.condition(expr)?, true)),
            Expr::IsNull(expr) => self.is_null(expr),
            Expr::IsNotNull(expr) => Ok(negated(self.is_null(expr)?, true)),
            Expr::Between { expr, negated: not, low, high } => {
                let low = self.compare(expr, Comparison::GreaterOrEqual, low)?;
                let high = self.compare(expr, Comparison::LessOrEqual, high)?;
                Ok(negated(Condition::All(vec![low, high]), *not))
            }
            Expr::InList { expr, list, negated: not } => Ok(negated(self.in_list(expr, list)?, *not)),
            Expr::Like { negated: not, any: false, expr, pattern, escape_char }
                if is_backslash(escape_char) =>
            {
                Ok(negated(self.like(expr, pattern, false)?, *not))
            }
            Expr::ILike { negated: not, any: false, expr, pattern, escape_char }
                if is_backslash(escape_char) =>
            {
                Ok(negated(self.like(expr, pattern, true)?, *not))
            }
            _ => self.flag(expression),
        }
    }

    /// The parts of `a and b and c`, which the parser nests to the left.
    fn chain(&self, expression: &Expr, operator: &BinaryOperator) -> Result<Vec<Condition>, PredicateError> {
        let (mut parts, mut rest) = (Vec::new(), expression);
        while let Expr::BinaryOp { left, op, right } = rest
            && op == operator
        {
            parts.push(&**right);
            rest = left;
        }
        parts.push(rest);
        parts.into_iter().rev().map(|part| self.condition(part)).collect()
    }

    fn flag(&self, expression: &Expr) -> Result<Condition, PredicateError> {
        match self.operand(expression)? {
            Operand::Column(field, at) => match Kind::of(field.data_type()) {
                Some(kind @ Kind::Boolean) => Ok(Condition::Flag(column(field, kind))),
                _ => Err(PredicateError::Unsupported {
                    position: at,
                    what: format!("{} is no condition; compare it with something", describe(field)),
                }),
            },
            Operand::Literal(Literal::Boolean(constant), _) => Ok(Condition::Constant(constant)),
            Operand::Literal(literal, at) => Err(PredicateError::Unsupported {
                position: at,
                what: format!("{} is no condition; compare a column with it", literal.describe()),
            }),
        }
    }

    fn compare(
        &self,
        left: &Expr,
        comparison: Comparison,
        right: &Expr,
    ) -> Result<Condition, PredicateError> {
        match (self.operand(left)?, self.operand(right)?) {
            (Operand::Column(left, at), Operand::Column(right, _)) => {
                compare_columns(left, comparison, right, at)
            }
            (Operand::Column(field, _), Operand::Literal(literal, at)) => {
                compare_constant(field, comparison, &literal, at)
            }
            (Operand::Literal(literal, at), Operand::Column(field, _)) => {
                compare_constant(field, comparison.mirrored(), &literal, at)
            }
            (Operand::Literal(_, at), Operand::Literal(..)) => Err(PredicateError::Unsupported {
                position: at,
                what: "this compares two constants; write `true` or `false`, or name a column".to_owned(),
            }),
        }
    }

    fn is_null(&self, expression: &Expr) -> Result<Condition, PredicateError> {
        match self.operand(expression)? {
            Operand::Column(field, _) => Ok(Condition::IsNull(field.name().clone())),
            Operand::Literal(_, at) => Err(needs_column(at, "is null")),
        }
    }

    fn in_list(&self, expression: &Expr, list: &[Expr]) -> Result<Condition, PredicateError> {
        let field = match self.operand(expression)? {
            Operand::Column(field, _) => field,
            Operand::Literal(_, at) => return Err(needs_column(at, "in")),
        };
        let (mut values, mut read_as) = (Vec::new(), None);
        for item in list {
            let (literal, at) = self.literal(item, "in")?;
            let (kind, value) = constant(field, &literal, at)?;
            read_as = Some(kind);
            values.push(value);
        }
        let kind = read_as.ok_or_else(|| unsupported(expression))?;
        Ok(Condition::In(column(field, kind), set(kind, values)))
    }

    fn like(
        &self,
        expression: &Expr,
        pattern: &Expr,
        ignore_case: bool,
    ) -> Result<Condition, PredicateError> {
        let (field, at) = match self.operand(expression)? {
            Operand::Column(field, at) => (field, at),
            Operand::Literal(_, at) => return Err(needs_column(at, "like")),
        };
        if Kind::of(field.data_type()) != Some(Kind::Text) {
            let what = format!("`like` needs a column of text; {} is none", describe(field));
            return Err(PredicateError::Unsupported { position: at, what });
        }
        match self.literal(pattern, "like")? {
            (Literal::Text(pattern), _) => {
                Ok(Condition::Like { column: column(field, Kind::Text), pattern, ignore_case })
            }
            (literal, position) => Err(PredicateError::Unsupported {
                position,
                what: format!("the pattern of `like` is a text in single quotes, not {}", literal.describe()),
            }),
        }
    }

    fn literal(&self, expression: &Expr, operator: &str) -> Result<(Literal, Position), PredicateError> {
        match self.operand(expression)? {
            Operand::Literal(literal, at) => Ok((literal, at)),
            Operand::Column(_, at) => Err(PredicateError::Unsupported {
                position: at,
                what: format!("expected a constant behind `{operator}`; texts stand in single quotes"),
            }),
        }
    }

    fn operand(&self, expression: &Expr) -> Result<Operand<'a>, PredicateError> {
        let at = place(expression);
        match expression {
            Expr::Nested(inner) => self.operand(inner),
            Expr::Identifier(name) => self.column(std::slice::from_ref(name), at),
            Expr::CompoundIdentifier(names) => self.column(names, at),
            Expr::Value(value) => literal(value, false, at),
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => self.operand(expr),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match &**expr {
                Expr::Value(value) => literal(value, true, at),
                _ => Err(unsupported(expression)),
            },
            Expr::TypedString(typed) if matches!(typed.data_type, SqlType::Date | SqlType::Timestamp(..)) => {
                literal(&typed.value, false, at)
            }
            Expr::Function(function) => {
                Err(PredicateError::UnknownFunction { position: at, function: function.name.to_string() })
            }
            _ => Err(unsupported(expression)),
        }
    }

    fn column(&self, names: &[Ident], at: Position) -> Result<Operand<'a>, PredicateError> {
        let name = names.iter().map(|name| name.value.as_str()).collect::<Vec<_>>().join(".");
        if let Ok(field) = self.schema.field_with_name(&name) {
            return Ok(Operand::Column(field, at));
        }
        let known = || self.schema.fields().iter().map(|field| field.name());
        let distance = |known: &String| strsim::levenshtein(&known.to_lowercase(), &name.to_lowercase());
        let nearest = known().min_by_key(|known| distance(known));
        let nearest = nearest.filter(|nearest| distance(nearest) <= (name.chars().count() / 3).max(1));
        Err(PredicateError::UnknownColumn {
            position: at,
            nearest: nearest.cloned(),
            known: known().cloned().collect(),
            column: name,
        })
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

fn comparison(operator: &BinaryOperator) -> Option<Comparison> {
    Some(match operator {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn compare_columns(
    left: &Field,
    comparison: Comparison,
    right: &Field,
    position: Position,
) -> Result<Condition, PredicateError> {
    let kinds = Kind::of(left.data_type()).zip(Kind::of(right.data_type()));
    match kinds.and_then(|(left, right)| left.common(right)) {
        Some(kind) => Ok(Condition::CompareColumns(column(left, kind), comparison, column(right, kind))),
        None => Err(PredicateError::Type {
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
    let (kind, value) = constant(field, literal, at)?;
    let kind = if matches!(value, Value::Float(_)) { Kind::Float } else { kind };
    Ok(Condition::Compare(column(field, kind), comparison, value))
}

/// `literal` as a value of the column's kind.
fn constant(field: &Field, literal: &Literal, position: Position) -> Result<(Kind, Value), PredicateError> {
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
fn set(kind: Kind, values: Vec<Value>) -> Set {
    let (mut booleans, mut integers, mut floats, mut texts) = (vec![], vec![], vec![], vec![]);
    for value in values {
        match value {
            Value::Boolean(value) => booleans.push(value),
            Value::Integer(value) => integers.push(value),
            Value::Float(value) => floats.push(value),
            Value::Text(value) => texts.push(value),
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

fn literal<'a>(value: &ValueWithSpan, minus: bool, at: Position) -> Result<Operand<'a>, PredicateError> {
    let literal = match &value.value {
        SqlValue::Number(text, _) if minus => Literal::Number(format!("-{text}")),
        SqlValue::Number(text, _) => Literal::Number(text.clone()),
        SqlValue::SingleQuotedString(text) if !minus => Literal::Text(text.clone()),
        SqlValue::Boolean(flag) if !minus => Literal::Boolean(*flag),
        SqlValue::Null => {
            return Err(PredicateError::Unsupported {
                position: at,
                what: "a comparison with null is never true; write `is null` or `is not null`".to_owned(),
            });
        }
        _ => {
            return Err(PredicateError::Unsupported {
                position: at,
                what: "this constant is not supported; there are numbers, texts in single quotes, true and false"
                    .to_owned(),
            });
        }
    };
    Ok(Operand::Literal(literal, at))
}

fn negated(condition: Condition, not: bool) -> Condition {
    if not { Condition::Not(Box::new(condition)) } else { condition }
}

/// Patterns are escaped by a backslash, which may be said.
fn is_backslash(escape: &Option<SqlValue>) -> bool {
    escape.as_ref().is_none_or(|escape| *escape == SqlValue::SingleQuotedString("\\".to_owned()))
}

fn column(field: &Field, kind: Kind) -> Column {
    Column { name: field.name().clone(), kind }
}

fn describe(field: &Field) -> String {
    format!("column `{}` ({})", field.name(), field.data_type())
}

fn place(expression: &Expr) -> Position {
    position(expression.span().start)
}

fn needs_column(position: Position, operator: &str) -> PredicateError {
    PredicateError::Unsupported { position, what: format!("expected a column before `{operator}`") }
}

fn unsupported(expression: &Expr) -> PredicateError {
    let text = expression.to_string();
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    let dots = if shown.len() < text.len() { "…" } else { "" };
    PredicateError::Unsupported {
        position: place(expression),
        what: format!(
            "`{shown}{dots}` is not supported; there are = <> < <= > >=, and, or, not, in, between, like, ilike \
             and is null"
        ),
    }
}
