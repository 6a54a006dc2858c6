//! Files that a command writes for its operator: whole or not at all, for their owner alone, and in the place of nothing but a file
//! of the same sort.

use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

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
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(_) if !directory(path).is_dir() => {
                return Err(self.unwritable(path, &format!("there is no directory `{}`", directory(path).display())));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.unwritable(path, &error.to_string())),
        };
        if self.is_one(&text) {
            return Ok(());
        }
        let what = self.what;
        Err(self.unwritable(path, &format!("it is there already, and is no {what}: only a {what} is replaced")))
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
        let refused = |error: std::io::Error| self.unwritable(path, &error.to_string());
        // Made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(directory(path)).map_err(refused)?;
        file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(refused)?;
        file.as_file().sync_all().map_err(refused)?;
        file.persist(path).map_err(|error| refused(error.error))?;
        Ok(())
    }
}
