//! How `pgweir report` finds and may ask the pgweir of this machine and user without being told: a
//! file with the admin console's URL and a password made at start, readable by its owner only.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::settings::Settings;

/// The user that the file's URL logs in as.
pub(crate) const LOCAL_ADMIN: &str = "pgweir_local";

/// The file, while pgweir runs. Removed when dropped.
#[derive(Debug)]
pub(super) struct LocalAdmin {
    file: PathBuf,
}

impl Drop for LocalAdmin {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// The folder for what pgweir keeps: as set, or the platform's state folder.
pub(crate) fn state_directory(data_dir: Option<&Path>) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    data_dir.map(Path::to_path_buf).or_else(|| {
        variable("XDG_STATE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/state")))
            .map(|state| state.join("pgweir"))
    })
}

fn file_in(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!("admin-{port}.url"))
}

impl LocalAdmin {
    /// Writes the file. None, with a warning, where none can be written: then `--admin` must be
    /// given.
    pub(super) fn write(settings: &Settings, address: SocketAddr, password: &str) -> Option<Self> {
        let directory = state_directory(settings.data_dir.as_deref())?;
        let file = file_in(&directory, address.port());
        let host = if address.ip().is_unspecified() {
            "127.0.0.1".to_owned()
        } else {
            address.ip().to_string()
        };
        let url = format!(
            "postgres://{LOCAL_ADMIN}:{password}@{host}:{}/pgweir\n",
            address.port()
        );
        match write_private(&directory, &file, &url) {
            Ok(()) => Some(Self { file }),
            Err(error) => {
                tracing::warn!(
                    "cannot write {}: {error}; `pgweir report` will need --admin",
                    file.display()
                );
                None
            }
        }
    }
}

fn write_private(directory: &Path, file: &Path, text: &str) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    // A new file each time: one that somebody else left there keeps its owner and mode.
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())
}

/// The URL of the pgweir of this machine and user: that on the default port, or the only one there
/// is.
pub(crate) fn find() -> Option<String> {
    let directory = state_directory(std::env::var_os("PGWEIR_DATA_DIR").as_deref().map(Path::new))?;
    let default = file_in(&directory, 6432);
    let file = if default.exists() { default } else { the_only_one(&directory)? };
    fs::read_to_string(file).ok().map(|url| url.trim().to_owned())
}

fn the_only_one(directory: &Path) -> Option<PathBuf> {
    let mut files = fs::read_dir(directory).ok()?.filter_map(Result::ok).filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("admin-") && name.ends_with(".url")
    });
    let only = files.next()?.path();
    files.next().is_none().then_some(only)
}
