//! The state directory: made with mode 0700, refused where it lies on a network file system.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::db::unusable;
use crate::model::Error;

/// What a path lies on, as far as the operating system says.
#[derive(Clone, Debug, Default)]
pub(super) struct FileSystem {
    /// `f_type` of statfs(2); 0 where the system has none.
    pub(super) magic: u64,
    /// The type of the mount, for example `fuse.sshfs`; looked up only where the number does not tell.
    pub(super) name: Option<String>,
}

/// How the file system of a path is found; tests put another in its place.
pub(super) type Probe<'a> = &'a dyn Fn(&Path) -> io::Result<FileSystem>;

const FUSE: u64 = 0x6573_5546;

/// File systems on which another host may hold the same file open: there neither SQLite's write-ahead log (it needs shared
/// memory) nor a lock that dies with its process can be trusted. The numbers are those of statfs(2) and linux/magic.h.
const NETWORK: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0bd0_0bd0, "Lustre"),
    (0x1983_0326, "BeeGFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
];

/// FUSE is also used for local disks (NTFS, overlays, encryption); these names of it are not local.
const NETWORK_FUSE: &[&str] = &[
    "sshfs",
    "nfs",
    "smb",
    "cifs",
    "s3fs",
    "mount-s3",
    "mountpoint-s3",
    "goofys",
    "gcsfuse",
    "rclone",
    "blobfuse",
    "glusterfs",
    "ceph",
    "davfs",
    "curlftpfs",
    "juicefs",
    "moosefs",
    "seaweedfs",
];

/// The absolute form of `dir`, without following links.
pub(super) fn absolute(dir: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(dir).map_err(|error| unusable(dir, format!("the path cannot be resolved: {}", words(&error))))
}

/// Makes the directory (0700) where it is missing, and refuses what cannot hold a journal.
pub(super) fn prepare(dir: &Path, probe: Probe<'_>) -> Result<(), Error> {
    check(dir, probe)?;
    make_dir(dir)
}

/// Refuses a path that is something else than a directory, or lies on a network file system.
pub(super) fn check(dir: &Path, probe: Probe<'_>) -> Result<(), Error> {
    // The directory itself may not be there yet: what counts is where it would be made.
    let standing = dir.ancestors().find(|path| path.exists()).unwrap_or(dir);
    if standing.exists() && !standing.is_dir() {
        return Err(unusable(dir, format!("`{}` is not a directory", standing.display())));
    }
    let Ok(found) = probe(standing) else { return Ok(()) };
    match network(&found) {
        None => Ok(()),
        Some(name) => Err(unusable(
            dir,
            format!("it lies on a network file system ({name}), where locks and the write-ahead log cannot be trusted"),
        )),
    }
}

fn network(found: &FileSystem) -> Option<String> {
    if let Some((_, name)) = NETWORK.iter().find(|(magic, _)| *magic == found.magic) {
        return Some((*name).to_owned());
    }
    let kind = found.name.as_deref().filter(|_| found.magic == FUSE)?;
    let base = kind.strip_prefix("fuse.").unwrap_or(kind);
    NETWORK_FUSE.iter().any(|known| base.starts_with(known)).then(|| kind.to_owned())
}

/// Makes a directory that only its owner may enter, and sees to it that it survives a power cut.
pub(super) fn make_dir(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| unusable(dir, format!("the directory `{}` cannot be created: {}", dir.display(), words(&error))))?;
    if let Some(parent) = dir.parent() {
        sync_dir(parent);
    }
    Ok(())
}

/// Creates an empty file that only its owner may read, unless it is there; SQLite gives its side files the same mode.
///
/// The file is never opened here once it exists: closing any descriptor of it would drop the locks that SQLite holds on it in
/// this process.
pub(super) fn make_file(dir: &Path, file: &Path) -> Result<(), Error> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(_) => {
            sync_dir(dir);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            tighten(file);
            Ok(())
        }
        Err(error) => Err(unusable(dir, format!("`{}` cannot be created: {}", file.display(), words(&error)))),
    }
}

/// Takes away what others may do with a file that came here with a looser mode (a copy, a backup). Where that is not
/// permitted, the file is somebody else's and so is the decision.
fn tighten(file: &Path) {
    if let Ok(found) = std::fs::metadata(file)
        && found.is_file()
        && found.permissions().mode() & 0o077 != 0
    {
        let _ = std::fs::set_permissions(file, Permissions::from_mode(0o600));
    }
}

/// Makes a new directory entry durable. Some file systems cannot sync a directory; they are not refused for it.
fn sync_dir(dir: &Path) {
    if let Ok(handle) = File::open(dir) {
        let _ = handle.sync_all();
    }
}

/// An error of the operating system without its number.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Asks the operating system.
#[cfg(target_os = "linux")]
pub(super) fn ask(path: &Path) -> io::Result<FileSystem> {
    let found = rustix::fs::statfs(path)?;
    // The field's type differs between machines; all the numbers fit 32 bits.
    #[allow(clippy::unnecessary_cast, reason = "not a cast on every machine")]
    let magic = (found.f_type as u64) & 0xffff_ffff;
    let name = (magic == FUSE).then(|| mount_type(path)).flatten();
    Ok(FileSystem { magic, name })
}

/// Elsewhere statfs(2) has no such number: nothing is refused.
#[cfg(not(target_os = "linux"))]
pub(super) fn ask(_path: &Path) -> io::Result<FileSystem> {
    Ok(FileSystem::default())
}

/// The type of the mount that `path` is on, from the kernel's list (see proc_pid_mountinfo(5)).
#[cfg(target_os = "linux")]
fn mount_type(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let device = std::fs::metadata(path).ok()?.dev();
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let list = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    mount_type_in(&list, &number)
}

/// `36 35 98:0 /root /mnt rw - fuse.sshfs host:/dir rw`: the third word is the device, the one after the dash the type.
pub(super) fn mount_type_in(list: &str, device: &str) -> Option<String> {
    list.lines()
        .filter(|line| line.split(' ').nth(2) == Some(device))
        .filter_map(|line| line.split_once(" - ")?.1.split(' ').next())
        .next_back()
        .map(str::to_owned)
}
