//! What `pgweir check` says, as data.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::settings::{Database, NoteKind, PgBouncerFile, Resolved, Settings, SettingsError, User};

/// The name of this make of document.
const SCHEMA: &str = "pgweir.check/1";

/// The whole of it. Holds no secret.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    schema: &'static str,
    /// Whether pgweir would start, and every server that was asked lets it in.
    pub(super) ok: bool,
    /// What was read; none where there is no file.
    pub(super) file: Option<String>,
    /// Why it would not start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) problems: Vec<String>,
    pub(super) warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pgbouncer: Option<PgBouncer>,
    /// Settings by name, secrets hidden; durations in seconds.
    pub(super) settings: BTreeMap<String, String>,
    pub(super) databases: Vec<DatabaseRow>,
    pub(super) users: Vec<UserRow>,
    pub(super) passwords: Passwords,
    pub(super) servers: Vec<Server>,
}

/// What is not as in PgBouncer.
#[derive(Debug, Serialize)]
pub(super) struct PgBouncer {
    pub(super) files: Vec<String>,
    /// Not written, and by PgBouncer's default not what pgweir's own file would mean.
    pub(super) by_default: Vec<ByDefault>,
    pub(super) different: Vec<Said>,
    pub(super) unneeded: Vec<Said>,
    pub(super) not_offered: Vec<Said>,
}

#[derive(Debug, Serialize)]
pub(super) struct ByDefault {
    pub(super) setting: String,
    pub(super) value: String,
    pub(super) in_pgweir: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Said {
    pub(super) setting: String,
    pub(super) why: &'static str,
}

/// A database that clients may ask for; `*` is any other.
#[derive(Debug, Serialize)]
pub(super) struct DatabaseRow {
    pub(super) name: String,
    /// Each with its port, with commas between.
    pub(super) hosts: String,
    /// None: the name that the client asks for.
    pub(super) dbname: Option<String>,
    /// Whom server connections log in as; none: as the client.
    pub(super) user: Option<String>,
    pub(super) pool_mode: String,
    pub(super) pool_size: u32,
    pub(super) min_pool_size: u32,
    pub(super) reserve_pool_size: u32,
    /// Server connections of all its pools; none is no limit.
    pub(super) max_db_connections: Option<u32>,
    pub(super) max_db_client_connections: Option<u32>,
    pub(super) tls: String,
}

/// A user that something of its own is set for.
#[derive(Debug, Serialize)]
pub(super) struct UserRow {
    pub(super) name: String,
    pub(super) settings: BTreeMap<&'static str, String>,
}

/// Users with a password, by its form.
#[derive(Debug, Default, Serialize)]
pub(super) struct Passwords {
    pub(super) plain: usize,
    pub(super) md5: usize,
    pub(super) scram: usize,
}

/// A login to a server, and what the role may not see there.
#[derive(Debug, Serialize)]
pub(super) struct Server {
    /// The database as clients call it.
    pub(super) database: String,
    /// `user@host:port/dbname`.
    pub(super) login: String,
    pub(super) outcome: Outcome,
    /// `server_version_num`; 0 where it is not known.
    pub(super) server_version: u32,
    /// Checks of the report that could not be made, and what would allow them.
    pub(super) not_checked: Vec<String>,
}

/// What became of a login.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It works.
    Ok,
    /// It does not, for this reason.
    Failed(String),
    /// It was not tried, for this reason.
    NotTried(String),
}

impl Document {
    fn empty() -> Self {
        Self {
            schema: SCHEMA,
            ok: true,
            file: None,
            problems: Vec::new(),
            warnings: Vec::new(),
            pgbouncer: None,
            settings: BTreeMap::new(),
            databases: Vec::new(),
            users: Vec::new(),
            passwords: Passwords::default(),
            servers: Vec::new(),
        }
    }

    pub(super) fn of_problems(error: &SettingsError) -> Self {
        let problems = error.problems.iter().map(ToString::to_string).collect();
        Self { ok: false, problems, ..Self::empty() }
    }

    /// No server has been asked.
    pub(super) fn of(resolved: &Resolved) -> Self {
        let settings = &resolved.settings;
        let rows = settings.describe().into_iter().map(|row| (row.key, row.value));
        // What is not used is said with its reasons.
        let said = resolved.pgbouncer.as_ref().and_then(|file| file.warning.as_ref());
        let warnings = resolved.warnings.iter().filter(|warning| Some(*warning) != said);
        Self {
            warnings: warnings.cloned().collect(),
            pgbouncer: resolved.pgbouncer.as_ref().map(|file| pgbouncer(file, settings)),
            settings: rows.collect(),
            databases: databases(settings),
            users: settings.users.iter().filter_map(user).collect(),
            passwords: passwords(settings),
            ..Self::empty()
        }
    }

    /// Logins that failed.
    pub(super) fn failed(&self) -> usize {
        let failed = |server: &&Server| matches!(server.outcome, Outcome::Failed(_));
        self.servers.iter().filter(failed).count()
    }

    /// A setting's value, as SHOW CONFIG has it.
    pub(super) fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", String::as_str)
    }

    pub(super) fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

fn pgbouncer(file: &PgBouncerFile, settings: &Settings) -> PgBouncer {
    let said = |kind| {
        let notes = file.of(kind).into_iter();
        notes.map(|note| Said { setting: note.setting.clone(), why: note.why }).collect()
    };
    let rows = settings.describe();
    let by_default = rows.into_iter().filter(|row| {
        row.value != row.default && file.by_default.iter().any(|name| *name == row.key)
    });
    PgBouncer {
        files: file.files.iter().map(|path| path.display().to_string()).collect(),
        by_default: by_default
            .map(|row| ByDefault { setting: row.key, value: row.value, in_pgweir: row.default })
            .collect(),
        different: said(NoteKind::Different),
        unneeded: said(NoteKind::Unneeded),
        not_offered: said(NoteKind::NotOffered),
    }
}

fn databases(settings: &Settings) -> Vec<DatabaseRow> {
    let named = settings.databases.iter().map(|(name, database)| (name.as_str(), database));
    let any = settings.fallback.iter().map(|database| ("*", database));
    named.chain(any).map(|(name, database)| database_row(settings, name, database)).collect()
}

fn database_row(settings: &Settings, name: &str, database: &Database) -> DatabaseRow {
    let limits = &database.limits;
    let bound = |own: Option<u32>, of_all: Option<std::num::NonZeroU32>| {
        own.or(of_all.map(std::num::NonZeroU32::get)).filter(|maximum| *maximum > 0)
    };
    DatabaseRow {
        name: name.to_owned(),
        hosts: database.hosts.to_string(),
        dbname: database.dbname.clone(),
        user: database.forced_user.clone(),
        pool_mode: database.pool_mode.unwrap_or(settings.pool_mode).to_string(),
        pool_size: limits.pool_size.unwrap_or(settings.default_pool_size).get(),
        min_pool_size: limits.min_pool_size.unwrap_or(settings.min_pool_size),
        reserve_pool_size: limits.reserve_pool_size.unwrap_or(settings.reserve_pool_size),
        max_db_connections: bound(limits.max_db_connections, settings.max_db_connections),
        max_db_client_connections: bound(
            limits.max_db_client_connections,
            settings.max_db_client_connections,
        ),
        tls: database.tls.mode.to_string(),
    }
}

/// None if nothing but a password is set.
fn user((name, user): (&String, &User)) -> Option<UserRow> {
    let mut settings = BTreeMap::new();
    let mut put = |name, value: Option<String>| {
        if let Some(value) = value {
            settings.insert(name, value);
        }
    };
    let text = |number: Option<u32>| number.map(|number| number.to_string());
    let seconds =
        |time: Option<std::time::Duration>| time.map(|time| time.as_secs_f64().to_string());
    put("pool_mode", user.pool_mode.map(|mode| mode.to_string()));
    put("pool_size", text(user.limits.pool_size.map(std::num::NonZeroU32::get)));
    put("reserve_pool_size", text(user.limits.reserve_pool_size));
    put("max_user_connections", text(user.limits.max_user_connections));
    put("max_user_client_connections", text(user.limits.max_user_client_connections));
    put("query_timeout", seconds(user.timeouts.query));
    put("transaction_timeout", seconds(user.timeouts.transaction));
    put("idle_transaction_timeout", seconds(user.timeouts.idle_transaction));
    put("client_idle_timeout", seconds(user.timeouts.client_idle));
    (!settings.is_empty()).then(|| UserRow { name: name.clone(), settings })
}

fn passwords(settings: &Settings) -> Passwords {
    use crate::settings::Password;
    let mut count = Passwords::default();
    let configured = settings.users.values().filter_map(|user| user.password.as_ref());
    let listed = settings.authentication.userlist.iter();
    let listed = listed
        .filter(|(name, _)| settings.users.get(*name).is_none_or(|user| user.password.is_none()));
    for password in configured.chain(listed.map(|(_, password)| password)) {
        match password {
            Password::Plain(_) => count.plain += 1,
            Password::Md5(_) => count.md5 += 1,
            Password::Scram(_) => count.scram += 1,
        }
    }
    count
}
