//! What the drivers of a language need, installed below target/conformance/.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::driver::Driver;

/// A language's tools and packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kit {
    /// Programs of PostgreSQL itself, by bash.
    Shell,
    /// A workspace of its own, so that ours stays lean.
    Rust,
    /// A virtual environment.
    Python,
    /// `npm ci`.
    Node,
    /// Debian's `libpostgresql-jdbc-java`.
    Java,
    /// Debian's `php-pgsql`.
    Php,
    /// Debian's `ruby-pg`, `ruby-activerecord`.
    Ruby,
    /// Debian's `golang-github-jackc-pgx-v4-dev`.
    Go,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn sources() -> PathBuf {
    root().join("tests/conformance")
}

/// Where things are installed to.
fn cache(name: &str) -> PathBuf {
    root().join("target/conformance").join(name)
}

const JDBC: &str = "/usr/share/java/postgresql.jar";
const GO_SOURCES: &str = "/usr/share/gocode";

impl Kit {
    /// Installs what is missing; the error is why it cannot be had, for the table.
    pub(crate) fn install(self) -> Result<(), String> {
        match self {
            Self::Shell => quiet(Command::new("bash").args(["-c", "psql --version"])),
            Self::Rust => {
                let mut build = Command::new(std::env::var("CARGO").unwrap_or("cargo".into()));
                build.args(["build", "--quiet", "--locked", "--manifest-path"]);
                build.arg(sources().join("rust/Cargo.toml"));
                quiet(build.env("CARGO_TARGET_DIR", cache("rust")))
            }
            Self::Python => python(),
            Self::Node => node(),
            Self::Java => {
                have(JDBC)?;
                std::fs::create_dir_all(cache("jdbc")).map_err(|error| error.to_string())?;
                let mut compile = Command::new("javac");
                compile.arg("-d").arg(cache("jdbc")).args(["-cp", JDBC]);
                quiet(compile.args(files(&sources().join("jdbc"), "java")))
            }
            Self::Php => {
                quiet(Command::new("php").args(["-r", "exit(!extension_loaded('pdo_pgsql'));"]))
            }
            Self::Ruby => {
                quiet(Command::new("ruby").args(["-e", "require 'pg'; require 'active_record'"]))
            }
            Self::Go => {
                have(&format!("{GO_SOURCES}/src/github.com/jackc/pgx"))?;
                let mut build = Command::new("go");
                build.args(["build", "-o"]).arg(cache("go/pgx"));
                build.args(files(&sources().join("go"), "go"));
                build.env("GOPATH", GO_SOURCES).env("GO111MODULE", "off").env("GOFLAGS", "");
                quiet(build.env("GOCACHE", cache("go/cache")))
            }
        }
    }

    /// The program that runs this driver's features.
    pub(crate) fn command(self, driver: &Driver) -> Command {
        let source = sources().join(driver.program);
        let mut command = match self {
            Self::Shell => interpreter("bash", &source),
            Self::Rust => Command::new(cache("rust/debug").join(driver.program)),
            Self::Python => interpreter(cache("python/bin/python"), &source),
            Self::Node => {
                interpreter("node", &cache("node").join(source.file_name().unwrap_or_default()))
            }
            Self::Java => {
                let mut java = Command::new("java");
                let classes = format!("{}:{JDBC}", cache("jdbc").display());
                java.args(["-XX:TieredStopAtLevel=1", "-cp", &classes, driver.program]);
                java
            }
            Self::Php => interpreter("php", &source),
            Self::Ruby => interpreter("ruby", &source),
            Self::Go => Command::new(cache("go").join(driver.program)),
        };
        command.args(driver.arguments);
        command
    }
}

fn interpreter(program: impl AsRef<std::ffi::OsStr>, source: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg(source);
    command
}

fn python() -> Result<(), String> {
    let requirements = sources().join("python/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).map_err(|error| error.to_string())?;
    let installed = cache("python/installed.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    quiet(Command::new("python3").args(["-m", "venv"]).arg(cache("python")))?;
    let mut install = Command::new(cache("python/bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    quiet(install.arg(requirements))?;
    std::fs::write(installed, wanted).map_err(|error| error.to_string())
}

/// Modules are found beside the program that asks for them, so the programs are copied there too.
fn node() -> Result<(), String> {
    let target = cache("node");
    std::fs::create_dir_all(&target).map_err(|error| error.to_string())?;
    let lock = std::fs::read(sources().join("node/package-lock.json")).unwrap_or_default();
    let same = std::fs::read(target.join("installed.json")).is_ok_and(|present| present == lock);
    for file in files(&sources().join("node"), "") {
        let name = file.file_name().unwrap_or_default();
        std::fs::copy(&file, target.join(name)).map_err(|error| error.to_string())?;
    }
    if !same {
        let mut install = Command::new("npm");
        install.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
        quiet(install.current_dir(&target))?;
    }
    let prisma = target.join("node_modules/.bin/prisma");
    if prisma.exists() {
        // Its engine for migrations is downloaded unless there is one; `generate` does not use it.
        let mut generate = Command::new(prisma);
        generate.args(["generate", "--schema", "schema.prisma"]).current_dir(&target);
        quiet(generate.env("PRISMA_SCHEMA_ENGINE_BINARY", "/bin/true"))?;
    }
    std::fs::write(target.join("installed.json"), lock).map_err(|error| error.to_string())
}

/// The files of a folder whose names end so, in order.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.is_file() && file.display().to_string().ends_with(extension));
    files.sort();
    files
}

fn have(path: &str) -> Result<(), String> {
    Path::new(path).exists().then_some(()).ok_or_else(|| format!("{path} is not there"))
}

/// Runs it; the error is its last words.
fn quiet(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(15)..].join(" | ");
    Err(format!("{name}: {}: {tail}", output.status))
}
