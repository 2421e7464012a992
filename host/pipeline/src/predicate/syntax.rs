//! From a predicate's text to the parser's expression. Bounds are checked on the tokens, before there is
//! a tree: the parser bounds what it nests itself, but not the length of a chain of operators, which is
//! the depth of the tree that it makes.

use sqlparser::ast::Expr;
use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace};

use super::error::{Position, PredicateError};

/// Longest text of a predicate.
const BYTES_MAX: usize = 64 << 10;
/// Most words, operators and parentheses of a predicate; constants and commas are not counted, so that a
/// list may be long.
const WORDS_MAX: usize = 1000;

/// Parentheses, or `not`s in a row, that may be open at one place. The parser has a limit of its own, but
/// takes what lies beyond for something else.
const NESTED_MAX: usize = 32;

/// Calls within calls that the parser may make: a few for each parenthesis.
const RECURSION_MAX: usize = 4 * NESTED_MAX;

/// Parses the one expression that is in `text`.
pub(super) fn parse(text: &str) -> Result<Expr, PredicateError> {
    if text.len() > BYTES_MAX {
        return Err(PredicateError::TooLong { found: text.len(), allowed: BYTES_MAX, unit: "bytes" });
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location();
    let tokens = tokens.map_err(|error| PredicateError::Syntax {
        position: position(error.location),
        problem: plain(&error.message),
    })?;
    let words = tokens.iter().filter(|token| is_word(token)).count();
    if words == 0 && tokens.iter().all(is_space) {
        return Err(PredicateError::Syntax {
            position: Position { line: 1, character: 0 },
            problem: "it is empty; write `true` to match all rows".to_owned(),
        });
    }
    if words > WORDS_MAX {
        return Err(PredicateError::TooLong { found: words, allowed: WORDS_MAX, unit: "words" });
    }
    if nesting(&tokens) > NESTED_MAX {
        return Err(PredicateError::TooDeep);
    }
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(RECURSION_MAX).with_tokens_with_locations(tokens);
    let expression = parser.parse_expr().map_err(|error| unexpected(error, text))?;
    let rest = parser.peek_token();
    match rest.token {
        Token::EOF => Ok(expression),
        token => Err(PredicateError::Syntax {
            position: position(rest.span.start),
            problem: format!("expected the end of the predicate, found `{token}`"),
        }),
    }
}

/// A place of the parser.
pub(super) fn position(location: Location) -> Position {
    Position { line: location.line, character: location.column }
}

fn is_space(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_) | Token::EOF)
}

fn is_word(token: &TokenWithSpan) -> bool {
    let constant = matches!(
        token.token,
        Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Comma
            | Token::Whitespace(Whitespace::Space | Whitespace::Newline | Whitespace::Tab)
    );
    !constant && !is_space(token)
}

/// Most parentheses and `not`s that are open at one place.
fn nesting(tokens: &[TokenWithSpan]) -> usize {
    let (mut open, mut nots, mut deepest) = (0_usize, 0, 0);
    for token in tokens.iter().filter(|token| !is_space(token)) {
        match &token.token {
            Token::LParen => open += 1,
            Token::RParen => open = open.saturating_sub(1),
            Token::Word(word) if word.keyword == Keyword::NOT => nots += 1,
            _ => nots = 0,
        }
        deepest = deepest.max(open + nots);
    }
    deepest
}

/// The parser says where only in its text: `… at Line: 1, Column: 5`.
fn unexpected(error: ParserError, text: &str) -> PredicateError {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => return PredicateError::TooDeep,
    };
    let (problem, place) = message.split_once(" at Line: ").unwrap_or((&message, ""));
    let place = place.split_once(", Column: ");
    let place = place.and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
    let (line, character) = place.unwrap_or_else(|| end(text));
    PredicateError::Syntax { position: Position { line, character }, problem: plain(problem) }
}

/// Where a text ends: there the parser misses something if it does not say where.
fn end(text: &str) -> (u64, u64) {
    let line = text.rsplit('\n').next().unwrap_or_default();
    (text.matches('\n').count() as u64 + 1, line.chars().count() as u64 + 1)
}

/// The parser's message in the style of ours.
fn plain(message: &str) -> String {
    let message = message.replace("Expected: ", "expected ").replace("found: EOF", "found the end");
    let message = message.replace("found: ", "found ");
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
