//! A data directory that is made once and copied for each server: `initdb` takes a second, a copy
//! takes a fraction of it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::programs::{ServerPrograms, server_identity};
use crate::TestkitError;
use crate::scratch;

/// One statement a line: `postgres --single` reads it so. Everything here is in every database that
/// a test makes. PUBLIC keeps USAGE of the schema `public`, so that `limited` is refused a table
/// with "permission denied", as on a real server.
const SETUP: &str = "\
CREATE ROLE web NOLOGIN;
CREATE ROLE web_trust LOGIN IN ROLE web;
SET password_encryption = 'md5';
CREATE ROLE web_md5 LOGIN IN ROLE web PASSWORD 'md5-secret';
SET password_encryption = 'scram-sha-256';
CREATE ROLE web_scram LOGIN IN ROLE web PASSWORD 'scram-secret';
CREATE ROLE web_plain LOGIN IN ROLE web PASSWORD 'plain-secret';
CREATE ROLE limited LOGIN;
GRANT ALL ON SCHEMA public TO web;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT ALL ON TABLES TO web;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT ALL ON SEQUENCES TO web;
";

/// Each role logs in over TCP by the method in its name; everybody else is trusted.
const HBA: &str = "\
local all all trust
host all web_md5 all md5
host all web_scram all scram-sha-256
host all web_plain all password
host all,replication all 127.0.0.1/32 trust
host all,replication all ::1/128 trust
";

/// Durability costs time, and a test's data need not survive a power cut.
const SETTINGS: &str = "
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 300
shared_buffers = 64MB
autovacuum_naptime = 5s
log_min_messages = warning
log_line_prefix = '%m [%p] %u@%d '
listen_addresses = '127.0.0.1'
timezone = 'UTC'
";

/// Puts a fresh data directory into `directory` (which this process has made) as `data`, and gives
/// the directory to the user who will run the server.
pub(super) fn copy_into(
    directory: &Path,
    programs: &ServerPrograms,
) -> Result<Option<(u32, u32)>, TestkitError> {
    let identity = server_identity(directory)?;
    if let Some((user, group)) = identity {
        chown(directory, Some(user), Some(group)).map_err(TestkitError::io("chown"))?;
    }
    let template = find_or_make(programs, identity, directory)?;
    let mut copy = Command::new("cp");
    copy.arg("-R").arg(&template).arg(directory.join("data"));
    run(&mut copy, identity)?;
    Ok(identity)
}

/// Puts a copy of the server on this port into `directory` (which this process has made) as `data`,
/// set up to follow it as a standby, and gives the directory to the user who will run it.
pub(super) fn base_backup_into(
    directory: &Path,
    programs: &ServerPrograms,
    port: u16,
) -> Result<Option<(u32, u32)>, TestkitError> {
    let identity = server_identity(directory)?;
    if let Some((user, group)) = identity {
        chown(directory, Some(user), Some(group)).map_err(TestkitError::io("chown"))?;
    }
    let mut backup = Command::new(programs.program("pg_basebackup")?);
    backup
        .args(["--host=127.0.0.1", "--username=postgres", "--checkpoint=fast", "--no-sync"])
        .args(["--write-recovery-conf", "--wal-method=stream"])
        .arg(format!("--port={port}"))
        .arg("--pgdata")
        .arg(directory.join("data"));
    run(&mut backup, identity)?;
    Ok(identity)
}

/// The template for this PostgreSQL, this user and this setup, beside
/// the throwaway directories, where it stays for the next run.
fn find_or_make(
    programs: &ServerPrograms,
    identity: Option<(u32, u32)>,
    ours: &Path,
) -> Result<PathBuf, TestkitError> {
    let owner = fs::metadata(ours).map_err(TestkitError::io("reading an owner"))?.uid();
    let mut hasher = DefaultHasher::new();
    (programs.version()?, SETUP, HBA, SETTINGS).hash(&mut hasher);
    let name = format!("pgweir-testkit-template-{owner}-{:016x}", hasher.finish());
    let template = scratch::parent().join(name);
    // Anybody can make a directory of this name; only ours is believed.
    if fs::symlink_metadata(&template).is_ok_and(|found| found.is_dir() && found.uid() == owner) {
        return Ok(template);
    }
    let making = scratch::directory("initdb")?;
    if let Some((user, group)) = identity {
        chown(making.path(), Some(user), Some(group)).map_err(TestkitError::io("chown"))?;
    }
    let data = making.path().join("data");
    initialise(&data, programs, identity)?;
    // Another process may have been quicker; its template is as good.
    match fs::rename(&data, &template) {
        Err(error) if !template.is_dir() => {
            Err(TestkitError::Io { doing: "keeping a template".into(), source: error })
        }
        _ => Ok(template),
    }
}

fn initialise(
    data: &Path,
    programs: &ServerPrograms,
    identity: Option<(u32, u32)>,
) -> Result<(), TestkitError> {
    let mut initdb = Command::new(programs.program("initdb")?);
    initdb
        .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"])
        .args(["--no-sync", "--wal-segsize=4", "-D"])
        .arg(data);
    run(&mut initdb, identity)?;
    let append = |name: &str, text: &str| {
        let file = fs::OpenOptions::new().append(true).open(data.join(name));
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(TestkitError::io(name))
    };
    append("postgresql.conf", SETTINGS)?;
    fs::write(data.join("pg_hba.conf"), HBA).map_err(TestkitError::io("pg_hba.conf"))?;
    let mut single = Command::new(programs.program("postgres")?);
    single.args(["--single", "-D"]).arg(data).arg("template1");
    run_with_input(&mut single, identity, SETUP)
}

fn run(command: &mut Command, identity: Option<(u32, u32)>) -> Result<(), TestkitError> {
    run_with_input(command, identity, "")
}

/// Runs a command to its end; what it wrote is in the error if it fails.
fn run_with_input(
    command: &mut Command,
    identity: Option<(u32, u32)>,
    input: &str,
) -> Result<(), TestkitError> {
    if let Some((user, group)) = identity {
        command.uid(user).gid(group);
    }
    let program = PathBuf::from(command.get_program());
    let running = || format!("running {}", program.display());
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(TestkitError::io(running()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that fails early closes its input; its own words are the better error.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(TestkitError::io(running()))?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    // `postgres --single` ends well even when a statement failed.
    if output.status.success() && !text.contains("ERROR:") {
        return Ok(());
    }
    Err(TestkitError::ProgramFailed { program, output: text.into_owned() })
}
