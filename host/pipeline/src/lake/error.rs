//! Why a lake cannot be used. What the store answers is cut to the part that tells.

use std::io;

use super::RACERS;
use crate::store::{Answer, in_short, is_unknown_caller};

/// The environment variables that set up a remote store.
#[derive(Clone, Copy, Debug)]
pub struct Variables {
    /// All of them, as `AWS_*`.
    pub all: &'static str,
    /// Those that hold credentials, in words.
    pub credentials: &'static str,
}

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
        "the lake `{lake}` cannot be reached with the settings in the environment: {reason}; check the {} variables", variables.all
    )]
    Settings {
        /// The lake, as it was named.
        lake: String,
        /// What the client says.
        reason: String,
        /// The variables that are read.
        variables: &'static Variables,
    },
    /// The store does not know who asks.
    #[error(
        "the lake `{lake}` refuses the credentials ({reason}); they are wrong, revoked or expired: renew {} or what \
         else the {} variables name", variables.credentials, variables.all
    )]
    Unauthenticated {
        /// The lake, as it was named.
        lake: String,
        /// What the store says.
        reason: String,
        /// The variables that are read.
        variables: &'static Variables,
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
    /// The store wants fewer requests than it gets.
    #[error("the lake `{lake}` wants fewer requests ({reason}); give it time, or have its limits raised")]
    Throttled {
        /// The lake, as it was named.
        lake: String,
        /// What the store says.
        reason: String,
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
    pub(super) fn of_store(
        lake: &str,
        variables: Option<&'static Variables>,
        source: &object_store::Error,
    ) -> Self {
        use object_store::Error as E;
        let (lake, reason) = (lake.to_owned(), in_short(source));
        match (source, variables) {
            (_, Some(variables)) if is_unknown_caller(source) => {
                Self::Unauthenticated { lake, reason, variables }
            }
            (E::PermissionDenied { .. }, _) => Self::PermissionDenied { lake, reason },
            _ if Answer::of(source) == Answer::Throttled => Self::Throttled { lake, reason },
            (E::NotFound { .. }, Some(_)) => Self::NoBucket { lake, reason },
            (_, None) => Self::Store { lake, reason },
            (_, Some(variables)) => Self::Settings { lake, reason, variables },
        }
    }
}
