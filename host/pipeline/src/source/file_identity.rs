//! Who a folder is. On first use a folder gets a random id, in the file `.millstream-source-id`: it
//! stays with the folder when that is moved or copied, and a new folder at the same path gets
//! another one. A folder that cannot be written is known by its path, inode and time of creation.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Name of the file that holds a folder's id.
const FILE_NAME: &str = ".millstream-source-id";
/// Digits of an id: 128 bits.
const DIGITS: usize = 32;

/// The identity of `dir`: its id, or what else is known of it.
pub(super) fn identity(dir: &Path) -> io::Result<String> {
    if let Some(id) = read(dir)? {
        return Ok(id);
    }
    match create(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => {
            tracing::warn!(dir = %dir.display(), %error, "the folder cannot keep an id; it is known by its inode");
            return inode(dir);
        }
        Ok(()) => {}
    }
    read(dir)?.ok_or_else(|| io::Error::new(ErrorKind::NotFound, format!("{FILE_NAME} vanished")))
}

fn read(dir: &Path) -> io::Result<Option<String>> {
    let text = match fs::read_to_string(dir.join(FILE_NAME)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let id = text.trim_end();
    if id.len() != DIGITS || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let problem = format!("{FILE_NAME} does not hold {DIGITS} hexadecimal digits; restore it");
        return Err(io::Error::new(ErrorKind::InvalidData, problem));
    }
    Ok(Some(id.to_owned()))
}

/// Makes the file appear with its content, or not at all: another worker may do the same now.
fn create(dir: &Path) -> io::Result<()> {
    let mut random = [0; DIGITS / 2];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let id = hex::encode(random);
    let draft = dir.join(format!("{FILE_NAME}.{id}"));
    let written = write(&draft, &id).and_then(|()| fs::hard_link(&draft, dir.join(FILE_NAME)));
    let _ = fs::remove_file(&draft);
    written
}

fn write(path: &Path, id: &str) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    writeln!(file, "{id}")?;
    file.sync_all()
}

fn inode(dir: &Path) -> io::Result<String> {
    let metadata = fs::metadata(dir)?;
    let created = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let created = created.map_or(0, |since| since.as_nanos());
    Ok(format!("{}#{}-{created}", fs::canonicalize(dir)?.display(), metadata.ino()))
}
