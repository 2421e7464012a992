//! Why a plugin is refused for its signature, and what its author or operator can do.

/// A plugin that must be signed is not, or not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Every plugin must be signed, and no key is pinned for this one.
    #[error(
        "plugin `{plugin}` has no pinned key, and plugins.require_signature is on: add \"{plugin}\" = \"PUBLIC KEY\" \
         to [plugins.keys]"
    )]
    NoKey {
        /// Name of the plugin.
        plugin: String,
    },
    /// There is no signature.
    #[error(
        "plugin `{plugin}` is not signed: {plugin}.wasm.minisig is not beside it; sign it by `millstream plugin sign`"
    )]
    Unsigned {
        /// Name of the plugin.
        plugin: String,
    },
    /// The signature's file is not one.
    #[error("the signature of plugin `{plugin}` is not in minisign's format; sign it again")]
    Malformed {
        /// Name of the plugin.
        plugin: String,
    },
    /// The signature is of the bytes themselves, as minisign made them before version 0.10 and with `-l`.
    #[error(
        "the signature of plugin `{plugin}` is of minisign's old form, which is not taken; sign it again, without -l"
    )]
    Legacy {
        /// Name of the plugin.
        plugin: String,
    },
    /// The signature is by nobody who may sign this plugin.
    #[error(
        "plugin `{plugin}` is signed by another key than the one pinned for its name in [plugins.keys]; have it \
         signed by that one, or pin the other"
    )]
    AnotherKey {
        /// Name of the plugin.
        plugin: String,
    },
    /// The bytes or the comment are not those that were signed.
    #[error(
        "plugin `{plugin}` is not what was signed: its bytes or its signature were altered; copy both again, or sign \
         it again"
    )]
    Altered {
        /// Name of the plugin.
        plugin: String,
    },
    /// The signature does not say what it is for.
    #[error(
        "the signature of plugin `{plugin}` does not name the plugin: its trusted comment lacks `file:{plugin}.wasm`; \
         sign it again"
    )]
    NoName {
        /// Name of the plugin.
        plugin: String,
    },
    /// The signature is for another plugin.
    #[error(
        "plugin `{plugin}` carries a signature for `{signed}`: sign it as {plugin}.wasm, or give the file its own name"
    )]
    AnotherName {
        /// Name of the plugin.
        plugin: String,
        /// File that was signed.
        signed: String,
    },
}

/// A text is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a minisign public key, which is 56 letters that begin with RW")]
pub struct KeyError;

/// A key cannot be pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// The pattern is none.
    #[error("expected a plugin's name, or the beginning of names and `*`: letters, digits, `_` and `-`")]
    Pattern,
    /// No key was given.
    #[error("an empty list; name the key that may sign the plugin")]
    NoKey,
}
