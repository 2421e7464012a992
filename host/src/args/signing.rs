//! Keys and signatures of plugins.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::ConfigFile;

#[derive(ClapArgs)]
pub struct Keygen {
    /// File for the public key; it must not be there
    #[arg(long, value_name = "FILE", default_value = "millstream.pub")]
    pub public_key: PathBuf,
    /// File for the secret key; it must not be there
    #[arg(long, value_name = "FILE", default_value = "millstream.key")]
    pub secret_key: PathBuf,
    #[command(flatten)]
    pub password: Password,
    /// Do not encrypt the secret key: whoever reads the file can sign
    #[arg(long, conflicts_with = "password_file")]
    pub no_password: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct Sign {
    /// The plugins' files; their names are signed with them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// File of the secret key
    #[arg(long, value_name = "FILE", default_value = "millstream.key")]
    pub secret_key: PathBuf,
    #[command(flatten)]
    pub password: Password,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct Verify {
    /// The plugin's file; its signature lies beside it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A public key or a file of one, instead of those that the configuration pins
    #[arg(long, value_name = "KEY")]
    pub public_key: Option<String>,
    #[command(flatten)]
    pub config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct Password {
    /// File that holds the secret key's password, instead of asking for it
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}
