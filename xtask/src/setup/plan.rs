//! What to install, decided without touching the machine.

use std::path::Path;
use std::process::Command;

use super::OLDEST;
use super::machine::Found;
use crate::step::output_of;

/// Homebrew's name of the server that we install.
const BREW_SERVER: &str = "postgresql@17";

/// What this machine installs packages with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackageManager {
    /// Debian, Ubuntu.
    Apt,
    /// macOS.
    Brew,
    /// Something we do not know.
    None,
}

impl PackageManager {
    pub(crate) fn of_this_machine() -> Self {
        if Path::new("/etc/debian_version").exists() {
            Self::Apt
        } else if output_of("brew", &["--version"]).is_some() {
            Self::Brew
        } else {
            Self::None
        }
    }

    /// The command that installs packages without asking.
    pub(crate) fn install(self, packages: &[String]) -> Command {
        match self {
            Self::Brew => {
                let mut brew = Command::new("brew");
                brew.arg("install").args(packages);
                brew
            }
            Self::Apt | Self::None => {
                let mut apt = apt_get();
                apt.args(["install", "--yes", "--no-install-recommends"]).args(packages);
                apt
            }
        }
    }

    /// The command that reads the lists of packages anew, where that is a command of its own.
    pub(crate) fn update(self) -> Option<Command> {
        (self == Self::Apt).then(|| {
            let mut apt = apt_get();
            apt.arg("update");
            apt
        })
    }
}

/// As root itself, otherwise through sudo; short of patience, since a machine may be offline.
fn apt_get() -> Command {
    let arguments = ["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"];
    let mut command = if output_of("id", &["-u"]).as_deref() == Some("0") {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    };
    command.args(arguments).args(["-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=15"]);
    command
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// All is there.
    Nothing,
    /// Nothing works without these packages.
    Install(Vec<String>),
    /// These would be good to have.
    Offer(Vec<String>),
    /// We cannot; what the user can do.
    Impossible(String),
}

/// Decides what to install.
pub(crate) fn plan(found: &Found, manager: PackageManager) -> Plan {
    let packages = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match (found.server, manager) {
        (Some(major), _) if major < OLDEST => Plan::Impossible(format!(
            "PostgreSQL {major} is the first that is found, and {OLDEST} or newer is needed; \
             https://www.postgresql.org/download/ has newer ones"
        )),
        (Some(major), _) if found.clients => match manager {
            PackageManager::Apt if !found.hypopg => {
                Plan::Offer(vec![format!("postgresql-{major}-hypopg")])
            }
            _ => Plan::Nothing,
        },
        (_, PackageManager::Apt) => Plan::Install(packages(&["postgresql", "postgresql-contrib"])),
        (_, PackageManager::Brew) => Plan::Install(packages(&[BREW_SERVER])),
        (_, PackageManager::None) => Plan::Impossible(format!(
            "needed and not found: a PostgreSQL server, {OLDEST} or newer, with `initdb`, `psql` \
             and `pgbench`. Your system's packages are usually called postgresql-server and \
             postgresql-contrib; no server needs to be running. Have them on the PATH, then try \
             again"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Found = Found { server: Some(15), clients: true, hypopg: true };

    #[test]
    fn a_whole_machine_is_left_alone() {
        for manager in [PackageManager::Apt, PackageManager::Brew, PackageManager::None] {
            assert_eq!(plan(&WHOLE, manager), Plan::Nothing);
        }
    }

    #[test]
    fn a_bare_machine_gets_the_server() {
        let bare = Found::default();
        let apt = Plan::Install(vec!["postgresql".into(), "postgresql-contrib".into()]);
        assert_eq!(plan(&bare, PackageManager::Apt), apt);
        let brew = Plan::Install(vec!["postgresql@17".into()]);
        assert_eq!(plan(&bare, PackageManager::Brew), brew);
        let Plan::Impossible(advice) = plan(&bare, PackageManager::None) else {
            panic!("without a package manager nothing can be installed")
        };
        assert!(advice.contains("initdb"), "{advice}");
    }

    #[test]
    fn a_server_without_its_clients_is_not_enough() {
        let found = Found { clients: false, ..WHOLE };
        assert!(matches!(plan(&found, PackageManager::Apt), Plan::Install(_)));
    }

    #[test]
    fn hypopg_is_only_offered_and_named_after_the_server() {
        let found = Found { hypopg: false, ..WHOLE };
        let offer = Plan::Offer(vec!["postgresql-15-hypopg".into()]);
        assert_eq!(plan(&found, PackageManager::Apt), offer);
        assert_eq!(plan(&found, PackageManager::Brew), Plan::Nothing);
    }

    #[test]
    fn an_old_server_is_told() {
        let found = Found { server: Some(12), ..WHOLE };
        assert!(matches!(plan(&found, PackageManager::Apt), Plan::Impossible(_)));
    }

    #[test]
    fn apt_never_asks() {
        let install = PackageManager::Apt.install(&["postgresql".into()]);
        let words: Vec<_> = install.get_args().map(|word| word.to_string_lossy()).collect();
        assert!(words.contains(&"DEBIAN_FRONTEND=noninteractive".into()));
        assert!(words.contains(&"--yes".into()));
        assert_eq!(words.last(), Some(&"postgresql".into()));
    }
}
