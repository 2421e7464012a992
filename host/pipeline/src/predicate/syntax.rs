//! From a predicate's text to an [`Expression`]. The tokens are those of SQL; the grammar is the small one
//! of predicates, read by descent. Only a parenthesis makes it call itself, and those are counted, so that
//! no text can make it deep; each token is looked at once, so that none can make it slow.

use std::iter::Peekable;
use std::vec::IntoIter;

use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Word};

use super::Comparison;
use super::error::{Position, PredicateError};
use super::literal::Literal;

/// Longest text of a predicate.
const BYTES_MAX: usize = 64 << 10;
/// Most words, operators and parentheses of a predicate; constants and commas are not counted, so that a
/// list may be long.
const WORDS_MAX: usize = 1000;
/// Parentheses that may be open at one place.
const NESTED_MAX: usize = 32;
/// Characters of a token that an error shows.
const SHOWN_CHARS_MAX: usize = 60;

/// A predicate as it is written; nothing is known of the columns.
#[derive(Debug)]
pub(super) enum Expression {
    Any(Vec<Expression>),
    All(Vec<Expression>),
    Not(Box<Expression>),
    /// A column or a constant by itself.
    Operand(Operand),
    Compare(Operand, Comparison, Operand),
    Between {
        operand: Operand,
        low: Operand,
        high: Operand,
    },
    IsNull(Operand),
    In(Operand, Vec<Operand>),
    Like {
        operand: Operand,
        pattern: Operand,
        ignore_case: bool,
    },
}

/// What is compared, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) term: Term,
    pub(super) position: Position,
}

#[derive(Clone, Debug)]
pub(super) enum Term {
    /// The parts of a name with dots, joined.
    Column(String),
    Literal(Literal),
}

/// Parses the one expression that is in `text`.
pub(super) fn parse(text: &str) -> Result<Expression, PredicateError> {
    if text.len() > BYTES_MAX {
        return Err(PredicateError::TooLong { found: text.len(), allowed: BYTES_MAX, unit: "bytes" });
    }
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location();
    let mut tokens = tokens.map_err(|error| PredicateError::Syntax {
        position: position(error.location),
        problem: plain(&error.message),
    })?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    if tokens.is_empty() {
        return Err(PredicateError::Syntax {
            position: Position { line: 1, character: 0 },
            problem: "it is empty; write `true` to match all rows".to_owned(),
        });
    }
    let words = tokens.iter().filter(|token| is_word(token)).count();
    if words > WORDS_MAX {
        return Err(PredicateError::TooLong { found: words, allowed: WORDS_MAX, unit: "words" });
    }
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), open: 0, end: end(text) };
    let expression = parser.any()?;
    match parser.tokens.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.unexpected("the end of the predicate")),
    }
}

struct Parser {
    tokens: Peekable<IntoIter<TokenWithSpan>>,
    /// Parentheses that are open.
    open: usize,
    /// Where the text ends.
    end: Position,
}

impl Parser {
    fn any(&mut self) -> Result<Expression, PredicateError> {
        let mut parts = vec![self.all()?];
        while self.take_keyword(Keyword::OR) {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, PredicateError> {
        let mut parts = vec![self.negation()?];
        while self.take_keyword(Keyword::AND) {
            parts.push(self.negation()?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn negation(&mut self) -> Result<Expression, PredicateError> {
        let mut negated = false;
        while self.take_keyword(Keyword::NOT) {
            negated = !negated;
        }
        let expression = self.comparison()?;
        Ok(negate_if(negated, expression))
    }

    fn comparison(&mut self) -> Result<Expression, PredicateError> {
        if !self.take(&Token::LParen) {
            let left = self.operand()?;
            return self.compared(left);
        }
        self.descend()?;
        let inner = self.any()?;
        self.ascend()?;
        match inner {
            Expression::Operand(left) => self.compared(left),
            inner => Ok(inner),
        }
    }

    /// What follows an operand: a comparison, or nothing.
    fn compared(&mut self, left: Operand) -> Result<Expression, PredicateError> {
        if let Some(comparison) = self.tokens.peek().and_then(|token| comparison(&token.token)) {
            self.tokens.next();
            return Ok(Expression::Compare(left, comparison, self.operand()?));
        }
        if self.take_keyword(Keyword::IS) {
            let negated = self.take_keyword(Keyword::NOT);
            if !self.take_keyword(Keyword::NULL) {
                return Err(self.unexpected("`null` or `not null`"));
            }
            return Ok(negate_if(negated, Expression::IsNull(left)));
        }
        let negated = self.take_keyword(Keyword::NOT);
        let expression = if self.take_keyword(Keyword::IN) {
            Expression::In(left, self.list()?)
        } else if self.take_keyword(Keyword::BETWEEN) {
            let low = self.operand()?;
            if !self.take_keyword(Keyword::AND) {
                return Err(self.unexpected("`and`"));
            }
            Expression::Between { operand: left, low, high: self.operand()? }
        } else if self.take_keyword(Keyword::LIKE) {
            self.like(left, false)?
        } else if self.take_keyword(Keyword::ILIKE) {
            self.like(left, true)?
        } else if negated {
            return Err(self.unexpected("`in`, `between`, `like` or `ilike`"));
        } else {
            Expression::Operand(left)
        };
        Ok(negate_if(negated, expression))
    }

    fn list(&mut self) -> Result<Vec<Operand>, PredicateError> {
        self.expect(&Token::LParen, "`(`")?;
        let mut items = vec![self.operand()?];
        while self.take(&Token::Comma) {
            items.push(self.operand()?);
        }
        self.expect(&Token::RParen, "`,` or `)`")?;
        Ok(items)
    }

    /// The pattern; it is escaped by a backslash, which may be said.
    fn like(&mut self, operand: Operand, ignore_case: bool) -> Result<Expression, PredicateError> {
        let pattern = self.operand()?;
        if self.take_keyword(Keyword::ESCAPE) {
            self.expect(&Token::SingleQuotedString("\\".to_owned()), "'\\'")?;
        }
        Ok(Expression::Like { operand, pattern, ignore_case })
    }

    fn operand(&mut self) -> Result<Operand, PredicateError> {
        if self.take(&Token::LParen) {
            self.descend()?;
            let operand = self.operand()?;
            self.ascend()?;
            return Ok(operand);
        }
        let position = self.position();
        let term = match self.tokens.peek().map(|token| &token.token) {
            Some(Token::Minus) => self.signed("-")?,
            Some(Token::Plus) => self.signed("")?,
            Some(Token::Number(number, _)) => Term::Literal(Literal::Number(number.clone())),
            Some(Token::SingleQuotedString(text)) => Term::Literal(Literal::Text(text.clone())),
            Some(Token::Word(word)) => match word.keyword {
                Keyword::TRUE => Term::Literal(Literal::Boolean(true)),
                Keyword::FALSE => Term::Literal(Literal::Boolean(false)),
                Keyword::NULL => {
                    let what = "a comparison with null is never true; write `is null` or `is not null`";
                    return Err(PredicateError::Unsupported { position, what: what.to_owned() });
                }
                keyword if is_operator(keyword) => return Err(self.unexpected("an expression")),
                _ => return self.named(position),
            },
            _ => return Err(self.unexpected("an expression")),
        };
        self.tokens.next();
        Ok(Operand { term, position })
    }

    /// The number behind a sign, which is next.
    fn signed(&mut self, sign: &str) -> Result<Term, PredicateError> {
        self.tokens.next();
        match self.tokens.peek().map(|token| &token.token) {
            Some(Token::Number(number, _)) => Ok(Term::Literal(Literal::Number(format!("{sign}{number}")))),
            _ => Err(self.unexpected("a number behind the sign")),
        }
    }

    /// A column, or a text that says of itself that it is a time: `date '2026-01-31'`.
    fn named(&mut self, position: Position) -> Result<Operand, PredicateError> {
        let first = self.word()?;
        let is_time = matches!(first.keyword, Keyword::DATE | Keyword::TIMESTAMP);
        if is_time && let Some(Token::SingleQuotedString(text)) = self.tokens.peek().map(|next| &next.token) {
            let term = Term::Literal(Literal::Text(text.clone()));
            self.tokens.next();
            return Ok(Operand { term, position });
        }
        let mut name = first.value;
        while self.take(&Token::Period) {
            name.push('.');
            name.push_str(&self.word()?.value);
        }
        if self.is_next(&Token::LParen) {
            return Err(PredicateError::UnknownFunction { position, function: name });
        }
        Ok(Operand { term: Term::Column(name), position })
    }

    fn word(&mut self) -> Result<Word, PredicateError> {
        match self.tokens.next_if(|token| matches!(token.token, Token::Word(_))).map(|token| token.token) {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(self.unexpected("a column's name")),
        }
    }

    /// Goes behind a parenthesis that opens.
    fn descend(&mut self) -> Result<(), PredicateError> {
        self.open += 1;
        if self.open > NESTED_MAX { Err(PredicateError::TooDeep) } else { Ok(()) }
    }

    /// Goes behind the parenthesis that closes.
    fn ascend(&mut self) -> Result<(), PredicateError> {
        self.open -= 1;
        self.expect(&Token::RParen, "`)`")
    }

    fn is_next(&mut self, token: &Token) -> bool {
        self.tokens.peek().is_some_and(|next| next.token == *token)
    }

    fn take(&mut self, token: &Token) -> bool {
        self.tokens.next_if(|next| next.token == *token).is_some()
    }

    fn take_keyword(&mut self, keyword: Keyword) -> bool {
        let is_keyword = |token: &Token| matches!(token, Token::Word(word) if word.keyword == keyword);
        self.tokens.next_if(|next| is_keyword(&next.token)).is_some()
    }

    fn expect(&mut self, token: &Token, name: &str) -> Result<(), PredicateError> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected(name)) }
    }

    /// Where the next token stands.
    fn position(&mut self) -> Position {
        self.tokens.peek().map_or(self.end, |token| position(token.span.start))
    }

    /// What is wrong with the next token, where `expected` should stand.
    fn unexpected(&mut self, expected: &str) -> PredicateError {
        let position = self.position();
        let Some(token) = self.tokens.peek().map(|token| &token.token) else {
            return PredicateError::Syntax {
                position,
                problem: format!("expected {expected}, found the end"),
            };
        };
        let text = token.to_string();
        let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
        let dots = if shown.len() < text.len() { "…" } else { "" };
        if is_known(token) {
            let problem = format!("expected {expected}, found `{shown}{dots}`");
            return PredicateError::Syntax { position, problem };
        }
        PredicateError::Unsupported {
            position,
            what: format!(
                "`{shown}{dots}` is not supported; there are = <> < <= > >=, and, or, not, in, between, like, \
                 ilike and is null, numbers, texts in single quotes, true and false"
            ),
        }
    }
}

fn one_or(mut parts: Vec<Expression>, several: impl Fn(Vec<Expression>) -> Expression) -> Expression {
    if parts.len() == 1 { parts.remove(0) } else { several(parts) }
}

fn negate_if(negated: bool, expression: Expression) -> Expression {
    if negated { Expression::Not(Box::new(expression)) } else { expression }
}

fn comparison(token: &Token) -> Option<Comparison> {
    Some(match token {
        Token::Eq | Token::DoubleEq => Comparison::Equal,
        Token::Neq => Comparison::NotEqual,
        Token::Lt => Comparison::Less,
        Token::LtEq => Comparison::LessOrEqual,
        Token::Gt => Comparison::Greater,
        Token::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// Words that are no names unless they are quoted. All other words of SQL are.
fn is_operator(keyword: Keyword) -> bool {
    use Keyword::{AND, BETWEEN, ESCAPE, ILIKE, IN, IS, LIKE, NOT, OR};
    matches!(keyword, AND | BETWEEN | ESCAPE | ILIKE | IN | IS | LIKE | NOT | OR)
}

/// Whether predicates have such a token at all, or it is one that ends a predicate.
fn is_known(token: &Token) -> bool {
    let known = matches!(
        token,
        Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Comma
            | Token::Period
            | Token::LParen
            | Token::RParen
            | Token::SemiColon
    );
    known || comparison(token).is_some()
}

fn is_word(token: &TokenWithSpan) -> bool {
    !matches!(token.token, Token::Number(..) | Token::SingleQuotedString(_) | Token::Comma | Token::Minus)
}

fn position(location: Location) -> Position {
    Position { line: location.line, character: location.column }
}

/// Where a text ends: there something is missing.
fn end(text: &str) -> Position {
    let line = text.rsplit('\n').next().unwrap_or_default();
    Position { line: text.matches('\n').count() as u64 + 1, character: line.chars().count() as u64 + 1 }
}

/// The tokenizer's message in the style of ours.
fn plain(message: &str) -> String {
    let message = message.replace("Expected: ", "expected ").replace("found: EOF", "found the end");
    let message = message.replace("found: ", "found ");
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
