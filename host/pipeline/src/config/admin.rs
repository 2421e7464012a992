//! Who may change a run over HTTP: the section `[admin]`. The token enters here and leaves as a [`Token`], which
//! shows itself to nobody who prints it; no error repeats it.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use super::check::resolve;
use super::document::Document;
use super::{ConfigError, Placed, typed};

/// Shortest token, in characters: what nobody guesses if it was made at random.
const TOKEN_CHARACTERS_MIN: usize = 16;
/// Longest token, in characters; a header of more is refused anyway.
const TOKEN_CHARACTERS_MAX: usize = 1024;
/// Largest file of a token.
const TOKEN_FILE_BYTES_MAX: u64 = 4096;

/// Who may change a run over HTTP, and from where.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// What whoever asks has to present.
    pub token: Token,
    /// Whether it is served at addresses that other machines reach, and under any name.
    pub remote: bool,
    placed: Placed<()>,
}

impl AdminSettings {
    /// Refuses an address that other machines reach, unless that is wanted: the token travels as it is.
    ///
    /// # Errors
    /// Names `admin.remote`.
    pub fn check_address(&self, address: SocketAddr) -> Result<(), ConfigError> {
        if self.remote || address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        let message = format!(
            "the admin API would be served at {address}, where other machines reach it and the token travels \
             unencrypted; listen on 127.0.0.1 (http.listen or --listen), or set `remote = true` and put \
             something in front that speaks TLS"
        );
        Err(ConfigError::Invalid { place: self.placed.place.clone(), key: self.placed.key.clone(), message })
    }
}

/// A secret text that whoever asks for a change presents.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// A token of this text.
    ///
    /// # Errors
    /// If it is too short or too long, or could not stand in a header; the error does not repeat it.
    pub fn new(text: &str) -> Result<Self, String> {
        let characters = text.chars().count();
        if !(TOKEN_CHARACTERS_MIN..=TOKEN_CHARACTERS_MAX).contains(&characters) {
            return Err(format!(
                "a token has {TOKEN_CHARACTERS_MIN} to {TOKEN_CHARACTERS_MAX} characters, and this has \
                 {characters}; make one with `openssl rand -hex 32`"
            ));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        if !text.chars().all(legal) {
            return Err("a token has letters, digits and - . _ ~ + / = only, in one line".to_owned());
        }
        Ok(Self(text.into()))
    }

    /// Reads a token from a file, without the white space around it.
    ///
    /// # Errors
    /// If the file cannot be read, or what is in it is no token; the error names the file.
    pub fn read(file: &Path) -> Result<Self, String> {
        let at_file = |message: String| format!("{}: {message}", file.display());
        let known = std::fs::metadata(file).map_err(|error| at_file(error.to_string()))?;
        if known.len() > TOKEN_FILE_BYTES_MAX {
            return Err(at_file(format!("larger than {TOKEN_FILE_BYTES_MAX} bytes; it holds a token alone")));
        }
        let text = std::fs::read_to_string(file).map_err(|error| at_file(error.to_string()))?;
        warn_if_open(file);
        Self::new(text.trim()).map_err(at_file)
    }

    /// Whether `presented` is this token. How long it takes does not depend on where the two differ.
    pub fn is(&self, presented: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(presented).into()
    }

    /// The text, to be sent to whom it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Checks the section, and whether what listens at `http` may serve the API.
pub(super) fn admin(
    document: &Document,
    typed: Option<typed::Admin>,
    http: Option<SocketAddr>,
) -> Result<Option<AdminSettings>, ConfigError> {
    let Some(typed) = typed else { return Ok(None) };
    let placed = document.placed(&["admin", "remote"], ());
    let settings = AdminSettings { remote: typed.remote, token: token(document, typed)?, placed };
    http.map_or(Ok(()), |address| settings.check_address(address))?;
    Ok(Some(settings))
}

/// The token, whatever else the file says.
pub(super) fn token_only(document: &Document) -> Result<Option<Token>, ConfigError> {
    let file: typed::AdminOnly = document.deserialize()?;
    file.admin.map(|typed| token(document, typed)).transpose()
}

fn token(document: &Document, typed: typed::Admin) -> Result<Token, ConfigError> {
    let (text_keys, file_keys) = (["admin", "token"], ["admin", "token_file"]);
    // The environment wins over the file, also where the two say it in different ways.
    let [text_wins, file_wins] = [text_keys, file_keys].map(|keys| document.is_overridden(&keys));
    let of_text = |text: &str| {
        if !text_wins {
            warn_if_open(document.path());
        }
        Token::new(text).map_err(|message| document.error(&text_keys, message))
    };
    let of_file = |file| {
        let read = Token::read(&resolve(document, file));
        read.map_err(|message| document.error(&file_keys, message))
    };
    match (typed.token, typed.token_file) {
        (None, None) => Err(document.error(
            &["admin"],
            "neither `token_file` nor `token`; name a file with a token of 16 characters or more, or set \
             MILLSTREAM_ADMIN__TOKEN",
        )),
        (Some(_), Some(_)) if text_wins == file_wins => {
            Err(document.error(&text_keys, "there is a `token_file`, too; keep one of them"))
        }
        (Some(_), Some(file)) if file_wins => of_file(file),
        (Some(text), _) => of_text(&text.0),
        (None, Some(file)) => of_file(file),
    }
}

/// A token that everybody on the machine can read keeps nobody out.
fn warn_if_open(file: &Path) {
    let mode = std::fs::metadata(file).map_or(0, |known| known.permissions().mode());
    if mode & 0o004 != 0 {
        let file = file.display();
        tracing::warn!(
            "{file} holds the token of the admin API, and every user can read it; chmod 600 {file}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_enough_and_fits_a_header() {
        let check = |text: &str, expected: Result<(), &str>| match (Token::new(text), expected) {
            (Ok(_), Ok(())) => {}
            (Err(message), Err(part)) => {
                assert!(message.contains(part) && !message.contains(text), "{message}");
            }
            (found, _) => panic!("{text}: {found:?}"),
        };
        check("0123456789abcdef", Ok(()));
        check("Az09-._~+/zzzzzzz==", Ok(()));
        check("0123456789abcde", Err("has 15"));
        check(&"x".repeat(1025), Err("has 1025"));
        check("0123456789 abcdef", Err("letters, digits"));
        check("0123456789\nabcdef", Err("letters, digits"));
        check("0123456789äbcdef", Err("letters, digits"));
    }

    #[test]
    fn a_token_is_told_from_others_and_never_printed() {
        let token = Token::new("0123456789abcdef").unwrap();
        let others = ["", "0123456789abcde", "0123456789abcdeg", "0123456789abcdef0", "0123456789ABCDEF"];
        assert!(token.is(b"0123456789abcdef"));
        assert!(others.iter().all(|other| !token.is(other.as_bytes())));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
