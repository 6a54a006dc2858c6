//! Files that are read for the operator. One reader for all: of each file no more than so many bytes, and nothing that could keep
//! the command waiting for ever.
//!
//! | what the path leads to | what is done |
//! | --- | --- |
//! | a regular file | read |
//! | `-`, `/dev/stdin`, `/dev/fd/N`: a pipe that is open already, as `<(…)` makes one | read, while something comes within [`PATIENCE`] |
//! | a named pipe, a device, a socket, a directory | refused before it is opened: a named pipe may have no writer, a device no end |

use std::fs::{File, FileType, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::model::Error;

/// The longest runbook or variable file that is read, in bytes.
pub const MOST_TEXT: u64 = 1 << 20;
/// The longest world file or sealed plan that is read, in bytes.
pub const MOST_DATA: u64 = 32 << 20;
/// How long a pipe may bring nothing, in seconds: what writes into it may have to ask something that is far away.
const PATIENCE: i64 = 60;

/// A file's text; `what` is its sort in words, `most` the most bytes that are read.
///
/// # Errors
/// [`Error::FileUnreadable`], whatever is wrong with it.
pub fn read(path: &Path, what: &str, most: u64) -> Result<String, Error> {
    let bytes = bounded(path, most)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is no text: not all of it is UTF-8".to_owned()));
    bytes.map_err(|why| Error::FileUnreadable { what: what.to_owned(), path: path.display().to_string(), why, hint: None })
}

/// The bytes of a file, if there are no more than `most`; or why not, in words.
pub fn bounded(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let path = if path == Path::new("-") { Path::new("/dev/stdin") } else { path };
    let found = std::fs::metadata(path).map_err(|error| error.to_string())?;
    fit(path, found.file_type())?;
    // Without waiting: what was a file a moment ago may be a pipe now.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(|error| error.to_string())?;
    let found = file.metadata().map_err(|error| error.to_string())?;
    fit(path, found.file_type())?;
    let mut bytes = Vec::new();
    let mut rest = (&file).take(most + 1);
    loop {
        match rest.read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > most => return Err(format!("it has more than {} MiB", most >> 20)),
            Ok(_) => return Ok(bytes),
            Err(error) if error.kind() == ErrorKind::WouldBlock => await_more(&file)?,
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Whether it may be read.
fn fit(path: &Path, found: FileType) -> Result<(), String> {
    match irregular(found) {
        None => Ok(()),
        Some(_) if found.is_fifo() && is_open_already(path) => Ok(()),
        Some(kind) if found.is_fifo() => {
            Err(format!("it is {kind}, whose other end may never be opened: pipe the text in, and name it `-`"))
        }
        Some(kind) => Err(format!("it is {kind}, not a file")),
    }
}

/// What something is that is no regular file: `a directory`.
pub fn irregular(found: FileType) -> Option<&'static str> {
    match found {
        _ if found.is_file() => None,
        _ if found.is_dir() => Some("a directory"),
        _ if found.is_fifo() => Some("a named pipe"),
        _ if found.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}

/// Whether the path names a descriptor of this process.
fn is_open_already(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd")
}

/// Waits until a pipe has more, or its other end is closed.
fn await_more(file: &File) -> Result<(), String> {
    let mut ends = [PollFd::new(file, PollFlags::IN)];
    match poll(&mut ends, Some(&Timespec { tv_sec: PATIENCE, tv_nsec: 0 })) {
        Ok(0) => Err(format!("nothing has come through the pipe for {PATIENCE} s")),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_the_limit() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        std::fs::write(&path, "12345").expect("a file");
        assert_eq!(bounded(&path, 5).expect("read"), b"12345");
        assert_eq!(bounded(&path, 4), Err("it has more than 0 MiB".to_owned()));
    }

    #[test]
    fn only_descriptors_of_this_process_may_be_pipes() {
        for path in ["/dev/stdin", "/dev/fd/63", "/proc/self/fd/11"] {
            assert!(is_open_already(Path::new(path)), "{path}");
        }
        for path in ["/tmp/fd", "stdin", "/dev/fds", "/proc/1/fd/3"] {
            assert!(!is_open_already(Path::new(path)), "{path}");
        }
    }
}
