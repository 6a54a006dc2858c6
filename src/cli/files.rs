//! Files that a command writes for its operator: whole or not at all, for their owner alone, and in the place of nothing but a file
//! of the same sort.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use super::inputs;
use crate::model::Error;

/// A sort of file.
#[derive(Clone, Copy)]
pub struct Sort {
    /// In words: `world file`.
    pub what: &'static str,
    /// The member `format` of its JSON; or, in another form, the mark that it bears.
    pub format: &'static str,
}

/// Where the file is to be.
fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Sort {
    /// Only a file of the same sort is replaced: a slip of the keyboard shall not cost a runbook.
    ///
    /// # Errors
    /// [`Error::FileUnwritable`].
    pub fn may_be_written(self, path: &Path) -> Result<(), Error> {
        let found = match std::fs::metadata(path) {
            Ok(found) => found,
            Err(_) if !directory(path).is_dir() => {
                return Err(self.unwritable(path, &format!("there is no directory `{}`", directory(path).display())));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.unwritable(path, &error.to_string())),
        };
        // Never opened: a pipe waits for its other end, a device may have no end.
        replaceable(found.file_type()).map_err(|why| self.unwritable(path, &why))?;
        let what = self.what;
        match inputs::bounded(path, inputs::MOST_DATA) {
            Ok(text) if self.is_one(&text) => Ok(()),
            Err(why) if found.len() <= inputs::MOST_DATA => Err(self.unwritable(path, &why)),
            _ => Err(self.unwritable(path, &format!("it is there already, and is no {what}: only a {what} is replaced"))),
        }
    }

    /// Whether this is the text of such a file.
    fn is_one(self, text: &[u8]) -> bool {
        let json: Value = serde_json::from_slice(text).unwrap_or_default();
        let (page, comment) =
            (format!("<meta name=\"generator\" content=\"{}\"/>", self.format), format!("<!-- {} -->", self.format));
        let bears = |mark: &str| text.windows(mark.len()).any(|part| part == mark.as_bytes());
        json["format"] == self.format || bears(&page) || bears(&comment)
    }

    fn unwritable(self, path: &Path, why: &str) -> Error {
        Error::FileUnwritable { what: self.what.to_owned(), path: path.display().to_string(), why: why.to_owned() }
    }

    /// Writes it, with mode 0600.
    ///
    /// # Errors
    /// [`Error::FileUnwritable`]; then what was there is still there.
    pub fn write(self, path: &Path, text: &str) -> Result<(), Error> {
        replace(path, &format!("{text}\n"), 0o600).map_err(|why| self.unwritable(path, &why))
    }
}

/// Whether something that is there may be replaced by a file: only a file may.
fn replaceable(found: std::fs::FileType) -> Result<(), String> {
    inputs::irregular(found).map_or(Ok(()), |kind| Err(format!("it is {kind}: only a regular file is written")))
}

/// Writes a file whole or not at all, with these permissions less those that the process's mask takes away; why not, in words.
pub fn replace(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    if let Ok(found) = std::fs::metadata(path) {
        replaceable(found.file_type())?;
    }
    let words = |error: std::io::Error| error.to_string();
    let permissions = std::fs::Permissions::from_mode(mode);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(directory(path)).map_err(words)?;
    file.write_all(text.as_bytes()).map_err(words)?;
    file.as_file().sync_all().map_err(words)?;
    file.persist(path).map_err(|error| words(error.error))?;
    Ok(())
}
