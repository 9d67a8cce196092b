//! How clients prove who they are: the files that say so, and whom to ask about the others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use access::hba::{Method, Rules};
use access::{IdentMaps, LineError, parse_userlist};

use super::password::Password;
use super::problem::Origin;
use super::resolve::Reader;
use super::used::Settings;
use super::values::{self, AuthType};

/// PgBouncer's, since 1.24: no secret for those whose time is over, none for those who may not log
/// in.
const AUTH_QUERY: &str = "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL \
                          ELSE rolpassword END FROM pg_authid WHERE rolname=$1 AND rolcanlogin";

/// Where it is written how clients prove who they are, and what is written there.
#[derive(Clone, Debug, PartialEq)]
pub struct Authentication {
    /// A PgBouncer userlist.
    pub auth_file: Option<PathBuf>,
    /// What it says.
    pub userlist: BTreeMap<String, Password>,
    /// Who may log in where clients are believed; none: anybody. As PgBouncer has it, with its files:
    /// those in `auth_file`, with a password or without, and in `[users]`.
    pub trusted: Option<BTreeSet<String>>,
    /// Rules as in pg_hba.conf.
    pub auth_hba_file: Option<PathBuf>,
    /// What it says.
    pub rules: Rules,
    /// Maps as in pg_ident.conf.
    pub auth_ident_file: Option<PathBuf>,
    /// What it says.
    pub maps: IdentMaps,
    /// Who asks the server about users, where a database does not say otherwise.
    pub lookup: LookupKeys,
}

/// `auth_user`, `auth_query` and `auth_dbname`, of all databases or of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookupKeys {
    /// Who asks.
    pub auth_user: Option<String>,
    /// What is asked.
    pub auth_query: Option<String>,
    /// In which database.
    pub auth_dbname: Option<String>,
}

impl Default for Authentication {
    fn default() -> Self {
        Self {
            auth_file: None,
            userlist: BTreeMap::new(),
            trusted: None,
            auth_hba_file: None,
            rules: Rules::default(),
            auth_ident_file: None,
            maps: IdentMaps::default(),
            lookup: LookupKeys { auth_query: Some(AUTH_QUERY.to_owned()), ..LookupKeys::default() },
        }
    }
}

/// Reads settings and the files that they name.
pub(super) fn files(reader: &mut Reader, settings: &mut Settings) {
    let found = &mut settings.authentication;
    let some_text = |raw: &values::Raw| values::text(raw).map(Some);
    let some_path = |raw: &values::Raw| values::path(raw).map(Some);
    reader.set(&mut found.lookup.auth_user, "auth_user", some_text);
    reader.set(&mut found.lookup.auth_query, "auth_query", some_text);
    reader.set(&mut found.lookup.auth_dbname, "auth_dbname", some_text);
    reader.set(&mut found.auth_file, "auth_file", some_path);
    reader.set(&mut found.auth_hba_file, "auth_hba_file", some_path);
    reader.set(&mut found.auth_ident_file, "auth_ident_file", some_path);
    if let Some((path, text)) = read(reader, "auth_file", found.auth_file.as_deref()) {
        userlist(reader, found, &path, &text);
    }
    if reader.is_pgbouncer() && settings.auth_type == AuthType::Trust {
        let trusted = found.trusted.get_or_insert_default();
        trusted.extend(settings.users.keys().cloned());
    } else {
        found.trusted = None;
    }
    if let Some((path, text)) = read(reader, "auth_ident_file", found.auth_ident_file.as_deref()) {
        match IdentMaps::parse(&text, &|name| read_list(&path, name)) {
            Ok(maps) => found.maps = maps,
            Err(errors) => refuse(reader, "auth_ident_file", &path, errors),
        }
    }
    if let Some((path, text)) = read(reader, "auth_hba_file", found.auth_hba_file.as_deref()) {
        match Rules::parse(&text, &|name| read_list(&path, name)) {
            Ok(rules) => found.rules = rules,
            Err(errors) => refuse(reader, "auth_hba_file", &path, errors),
        }
        for rule in found.rules.rules() {
            if let Some(map) = rule.map.as_deref().filter(|map| !found.maps.contains(map)) {
                let message = format!("there is no map `{map}` in auth_ident_file");
                let origin = line(&path, rule.line);
                reader.problem(origin, "auth_hba_file", message);
            }
        }
    }
}

/// The text of a file; a relative path begins where the file is that names it.
fn read(reader: &mut Reader, name: &str, path: Option<&Path>) -> Option<(PathBuf, String)> {
    let origin = reader.origin(name);
    let path = match &origin {
        Origin::File { path: named_in, .. } => beside(named_in, path?),
        _ => path?.to_owned(),
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Some((path, text)),
        Err(error) => {
            reader.problem(origin, name, format!("{} cannot be read: {error}", path.display()));
            None
        }
    }
}

fn beside(file: &Path, named: &Path) -> PathBuf {
    file.parent().map_or_else(|| named.to_owned(), |directory| directory.join(named))
}

fn read_list(file: &Path, name: &str) -> Result<String, String> {
    std::fs::read_to_string(beside(file, Path::new(name))).map_err(|error| error.to_string())
}

fn line(path: &Path, line: usize) -> Origin {
    Origin::File { path: path.to_owned(), line, column: 1 }
}

fn refuse(reader: &mut Reader, name: &str, path: &Path, errors: Vec<LineError>) {
    for error in errors {
        reader.problem(line(path, error.line), name, error.message);
    }
}

fn userlist(reader: &mut Reader, found: &mut Authentication, path: &Path, text: &str) {
    let entries = match parse_userlist(text) {
        Ok(entries) => entries,
        Err(errors) => return refuse(reader, "auth_file", path, errors),
    };
    let listed = entries.iter().map(|entry| entry.user.clone());
    found.trusted = Some(listed.collect());
    for entry in entries {
        if entry.password.is_empty() {
            continue;
        }
        match Password::parse(&entry.password) {
            Ok(password) => {
                found.userlist.insert(entry.user, password);
            }
            Err(message) => {
                let message = format!("the password of {:?} {message}", entry.user);
                reader.problem(line(path, entry.line), "auth_file", message);
            }
        }
    }
}

/// What only shows in the whole: whether anybody can log in, and whether nobody is kept out who
/// should be.
pub(super) fn check(reader: &mut Reader, settings: &mut Settings) {
    let open = settings.open_address();
    let any_password = settings.users.values().any(|user| user.password.is_some())
        || !settings.authentication.userlist.is_empty();
    if reader.is_written("auth_type") || reader.is_pgbouncer() {
        as_written(reader, settings, open, any_password);
    } else if !any_password && settings.authentication.lookup.auth_user.is_none() {
        settings.auth_type = AuthType::Trust;
        if let Some(open) = open.filter(|_| reader.problems.is_empty()) {
            let message = format!(
                "no user has a password and {open} is not a loopback address; write a password in \
                 the URL or in [users.NAME], or auth_type = \"trust\" to let everybody in"
            );
            reader.problem(reader.origin("listen"), "auth_type", message);
        } else if open.is_none() {
            reader.warn(
                "no user has a password: clients on this machine are let in as anybody \
                 (auth_type trust)",
            );
        }
    }
    for file in ["auth_hba_file", "auth_ident_file"] {
        if reader.is_written(file) && settings.auth_type != AuthType::Hba {
            reader.warn(format!(
                "{file} has no effect: auth_type is {}, not hba",
                settings.auth_type
            ));
        }
    }
    if settings.auth_type == AuthType::ScramSha256 {
        refuse_md5_hashes(reader, settings);
    }
}

fn as_written(
    reader: &mut Reader,
    settings: &Settings,
    open: Option<SocketAddr>,
    any_password: bool,
) {
    let origin = reader.origin("auth_type");
    let rules = &settings.authentication.rules;
    match settings.auth_type {
        AuthType::Trust | AuthType::Any => {
            if let Some(open) = open {
                reader.warn(format!(
                    "auth_type is {} and {open} is not a loopback address: whoever reaches it is let \
                     in as anybody",
                    settings.auth_type
                ));
            }
        }
        AuthType::Cert => {}
        AuthType::Hba if !reader.is_written("auth_hba_file") => {
            let message = "is hba: write the rules into a file and its path as auth_hba_file";
            reader.problem(origin.clone(), "auth_type", message);
        }
        AuthType::Hba => {
            if rules.rules().iter().all(|rule| rule.method == Method::Reject) {
                reader.warn("auth_hba_file lets nobody in");
            }
        }
        AuthType::Plain | AuthType::Md5 | AuthType::ScramSha256 => {
            let asks = settings.asks_about_users();
            if !any_password && !asks && reader.is_pgbouncer() {
                reader
                    .warn("auth_file has no passwords and auth_user is not set: nobody can log in");
            } else if !any_password && !asks && reader.problems.is_empty() {
                let message = format!(
                    "is {}, and no user has a password; write one in the URL or in [users.NAME], \
                     or say in auth_user who asks the server about users",
                    settings.auth_type
                );
                reader.problem(origin.clone(), "auth_type", message);
            }
        }
    }
    if settings.auth_type == AuthType::Any {
        let all = settings.databases.iter().map(|(name, database)| (name.as_str(), database));
        let all: Vec<_> = all.chain(settings.fallback.iter().map(|any| ("*", any))).collect();
        if let Some((name, _)) = all.iter().find(|(_, database)| database.forced_user.is_none()) {
            let message = format!(
                "is any, so every database needs a `user` to log in to the server as; {name} has \
                 none"
            );
            reader.problem(origin, "auth_type", message);
        }
    }
}

fn refuse_md5_hashes(reader: &mut Reader, settings: &Settings) {
    for (name, user) in &settings.users {
        if let Some(Password::Md5(_)) = &user.password {
            let section = reader.written.users.get(name);
            let origin = section
                .and_then(|section| section.values.get("password"))
                .map_or(Origin::Whole, |value| value.origin.clone());
            let message = "is an MD5 hash, which auth_type scram-sha-256 cannot check; store the \
                           password in another form or use another auth_type";
            reader.problem(origin, format!("users.{name}.password"), message);
        }
    }
    let hashed = |password: &Password| matches!(password, Password::Md5(_));
    let hashes = settings.authentication.userlist.values().filter(|password| hashed(password));
    let hashes = hashes.count();
    if hashes > 0 {
        reader.warn(format!(
            "auth_file has {hashes} MD5 hashes, which auth_type scram-sha-256 cannot check: these \
             users cannot log in"
        ));
    }
}
