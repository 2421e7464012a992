//! Why a lake cannot be used. What the store answers is cut to the part that tells.

use std::error::Error;
use std::io;

use super::RACERS;

/// Codes of S3 that mean "we do not know you", though their status is that of a missing permission.
const UNKNOWN_CALLER: [&str; 5] =
    ["InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "InvalidClientTokenId"];

/// A lake that cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The text names no place that a lake can be.
    #[error(
        "`{url}` is not a lake: {reason}; give a folder, or a URL that begins with file://, s3://, gs://, az:// or abfs://"
    )]
    Url {
        /// The text.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file is where the folder, or one of its parents, should be.
    #[error(
        "the lake's folder `{path}` cannot be made because a file is in its place: remove it or name another folder"
    )]
    NotAFolder {
        /// The folder.
        path: String,
    },
    /// There is no lake to look at.
    #[error("there is no lake at `{path}`: no such folder")]
    Missing {
        /// The folder.
        path: String,
    },
    /// This user may not read or write there.
    #[error(
        "the lake `{lake}` cannot be used: permission denied ({reason}); grant access to read and write, or name \
         another lake"
    )]
    PermissionDenied {
        /// The lake, as it was named.
        lake: String,
        /// What the system says.
        reason: String,
    },
    /// The folder cannot be made or reached.
    #[error("the lake's folder `{path}` cannot be used: {source}")]
    Folder {
        /// The folder.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// The cloud's settings are incomplete or wrong, or it does not answer.
    #[error(
        "the lake `{lake}` cannot be reached with the settings in the environment: {reason}; check the {variables} variables"
    )]
    Settings {
        /// The lake, as it was named.
        lake: String,
        /// What the client says.
        reason: String,
        /// The variables that are read, as `AWS_*`.
        variables: &'static str,
    },
    /// The store does not know who asks.
    #[error("the lake `{lake}` refuses the credentials ({reason}); check the {variables} variables")]
    Unauthenticated {
        /// The lake, as it was named.
        lake: String,
        /// What the store says.
        reason: String,
        /// The variables that are read, as `AWS_*`.
        variables: &'static str,
    },
    /// There is no such bucket or container.
    #[error("the lake `{lake}` has no bucket or container ({reason}); create it first")]
    NoBucket {
        /// The lake, as it was named.
        lake: String,
        /// What the store says.
        reason: String,
    },
    /// The store let several writers, or none, create one name.
    #[error(
        "the lake `{lake}` let {winners} of {RACERS} writers create one name, which would lose data; \
         use a store with conditional puts"
    )]
    NotExclusive {
        /// The lake, as it was named.
        lake: String,
        /// Writers that were told they created it.
        winners: usize,
    },
    /// Any other failure of the store.
    #[error("the lake `{lake}` cannot be used: {reason}")]
    Store {
        /// The lake, as it was named.
        lake: String,
        /// What the store says.
        reason: String,
    },
}

impl LakeError {
    /// Why the store of `lake` refused. `variables` set up a remote store; none for a folder.
    pub(super) fn of_store(lake: &str, variables: &'static str, source: &object_store::Error) -> Self {
        use object_store::Error as E;
        let (lake, reason) = (lake.to_owned(), reason(source));
        match source {
            E::PermissionDenied { .. } if UNKNOWN_CALLER.iter().any(|code| reason.starts_with(code)) => {
                Self::Unauthenticated { lake, reason, variables }
            }
            E::PermissionDenied { .. } => Self::PermissionDenied { lake, reason },
            E::Unauthenticated { .. } => Self::Unauthenticated { lake, reason, variables },
            E::NotFound { .. } => Self::NoBucket { lake, reason },
            _ if variables.is_empty() => Self::Store { lake, reason },
            _ => Self::Settings { lake, reason, variables },
        }
    }
}

/// Code and message of an answer in XML, which may also repeat the whole request; else the error with
/// its innermost cause.
fn reason(error: &object_store::Error) -> String {
    let text = error.to_string();
    if let (Some(code), Some(message)) = (element(&text, "Code"), element(&text, "Message")) {
        return format!("{code}: {}", message.trim_end_matches('.'));
    }
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let innermost = causes.last().map(ToString::to_string).unwrap_or_default();
    if innermost.contains("URL scheme is not allowed") {
        return "the endpoint is http://, which only AWS_ALLOW_HTTP=true allows".to_owned();
    }
    // The address at which a cloud's machines find their own credentials.
    if text.contains("169.254.169.254") {
        return "there are no credentials in the environment, and the machine has none of its own".to_owned();
    }
    if text.contains(&innermost) { text } else { format!("{text}: {innermost}") }
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, from) = text.split_once(&format!("<{name}>"))?;
    from.split_once(&format!("</{name}>")).map(|(value, _)| value)
}
