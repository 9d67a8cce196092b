//! Who may reach what: servers, databases, users, and how clients prove who they are.

use proxy::ServerTlsFiles;

use super::authentication::LookupKeys;
use super::database::{Database, User, UserTimeouts};
use super::hosts::{self, HostChoice, HostList};
use super::limits::{DatabaseLimits, UserLimits};
use super::password::{Password, Secret};
use super::problem::Origin;
use super::resolve::Reader;
use super::upstream::Upstream;
use super::used::Settings;
use super::values;
use super::written::Section;

/// One URL is the way to any database; of several, each is the way to the one that it names.
pub(super) fn upstreams(reader: &mut Reader, settings: &mut Settings) {
    let mut urls = Vec::new();
    reader.set(&mut urls, "upstream", values::urls);
    let origin = reader.origin("upstream");
    let several = urls.len() > 1;
    for (position, url) in urls.iter().enumerate() {
        let nth = if several { format!("URL {} ", position + 1) } else { String::new() };
        match Upstream::parse(url) {
            Ok((upstream, warnings)) => {
                reader.warnings.extend(warnings);
                settings.upstreams.push(upstream);
            }
            Err(message) => {
                reader.problem(origin.clone(), "upstream", format!("{nth}{message}"));
            }
        }
    }
    let on = |upstream: &Upstream| Database::on(upstream, settings.tls_of(&upstream.tls));
    if !several {
        let first = settings.upstreams.first();
        settings.fallback = first.map(|upstream| Database { dbname: None, ..on(upstream) });
        return;
    }
    let ways: Vec<_> = settings.upstreams.iter().map(on).collect();
    for (upstream, database) in settings.upstreams.iter().zip(ways) {
        let Some(name) = &upstream.dbname else {
            let message =
                format!("of several URLs, each must name its database; {upstream} does not");
            reader.problem(origin.clone(), "upstream", message);
            continue;
        };
        if settings.databases.insert(name.clone(), database).is_some() {
            let message = format!("two URLs name the database {name}");
            reader.problem(origin.clone(), "upstream", message);
        }
    }
}

pub(super) fn users(reader: &mut Reader, settings: &mut Settings) {
    let sections = std::mem::take(&mut reader.written.users);
    for (name, section) in &sections {
        let path = format!("users.{name}");
        let password = reader.key((&path, section), "password", |raw| {
            values::text(raw).and_then(|text| Password::parse(&text))
        });
        let pool_mode = reader.key((&path, section), "pool_mode", values::pool_mode);
        let limits = UserLimits::read(reader, (&path, section));
        let mut timeout = |key| reader.key((&path, section), key, values::duration);
        let timeouts = UserTimeouts {
            query: timeout("query_timeout"),
            transaction: timeout("transaction_timeout"),
            idle_transaction: timeout("idle_transaction_timeout"),
            client_idle: timeout("client_idle_timeout"),
        };
        let priority = reader.key((&path, section), "priority", values::priority);
        let user = User { password, pool_mode, limits, timeouts, priority };
        settings.users.insert(name.clone(), user);
    }
    for upstream in &settings.upstreams {
        if let Some(name) = &upstream.user {
            let user = settings.users.entry(name.clone()).or_default();
            if user.password.is_none() {
                user.password = upstream.password.clone().map(Password::Plain);
            }
        }
    }
    reader.written.users = sections;
    if !reader.is_written("admin_users") {
        settings.admin_users =
            settings.upstreams.iter().filter_map(|upstream| upstream.user.clone()).collect();
        settings.admin_users.sort();
        settings.admin_users.dedup();
    }
}

pub(super) fn applications(reader: &mut Reader, settings: &mut Settings) {
    let sections = std::mem::take(&mut reader.written.applications);
    for (name, section) in sections {
        let path = format!("applications.{name}");
        if let Some(priority) = reader.key((&path, &section), "priority", values::priority) {
            settings.applications.insert(name, priority);
        }
    }
}

pub(super) fn databases(reader: &mut Reader, settings: &mut Settings) {
    let mut sections = std::mem::take(&mut reader.written.databases);
    if let Some(section) = sections.remove("*") {
        // A URL on the command line or in the environment goes before the file.
        let written_twice = matches!(reader.origin("upstream"), Origin::File { .. });
        let database = database(reader, "*", &section, settings);
        if written_twice && settings.fallback.is_some() {
            let message = "`upstream` already says where any database is; keep one of the two";
            reader.problem(section.origin, "databases.*", message);
        } else if settings.fallback.is_none() {
            settings.fallback = database;
        }
    }
    for (name, section) in sections {
        if matches!(name.as_str(), "pgweir" | "pgbouncer") {
            let message = "is the admin console's name; choose another, and give the \
                           server's name as `dbname`";
            reader.problem(section.origin, format!("databases.{name}"), message);
            continue;
        }
        if let Some(database) = database(reader, &name, &section, settings) {
            settings.databases.insert(name, database);
        }
    }
}

/// Keys of a database that its server connections ask for when they log in.
const STARTUP: [&str; 4] = ["application_name", "client_encoding", "datestyle", "timezone"];

/// Reads one section; what it does not say of its server is taken from the fallback.
fn database(
    reader: &mut Reader,
    name: &str,
    section: &Section,
    settings: &Settings,
) -> Option<Database> {
    let path = format!("databases.{name}");
    let at = (path.as_str(), section);
    let written = reader.key(at, "host", hosts::hosts);
    let ports = reader.key(at, "port", hosts::ports);
    let own_choice = HostChoice::read(reader, at);
    let dbname = reader.key(at, "dbname", values::text);
    let forced_user = reader.key(at, "user", values::text);
    let forced_password = reader.key(at, "password", values::text).map(Secret::new);
    let limits = DatabaseLimits::read(reader, at);
    let lookup = LookupKeys {
        auth_user: reader.key(at, "auth_user", values::text),
        auth_query: reader.key(at, "auth_query", values::text),
        auth_dbname: reader.key(at, "auth_dbname", values::text),
    };
    let pool_mode = reader.key(at, "pool_mode", values::pool_mode);
    let connect_query = reader.key(at, "connect_query", values::text);
    let startup = STARTUP
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), reader.key(at, name, values::text)?)))
        .collect();
    if let (Some(value), false) =
        (section.values.get("password"), section.values.contains_key("user"))
    {
        let message = "is of no use without `user`; other users have theirs in [users.NAME]";
        reader.problem(value.origin.clone(), format!("{path}.password"), message);
    }
    let inherited = settings.fallback.as_ref().filter(|_| written.is_none());
    let tls = inherited.map_or(&settings.server_tls, |fallback| &fallback.tls).clone();
    let found = match (written, inherited) {
        (Some(written), _) => Some(HostList::new(written, ports.as_deref().unwrap_or_default())),
        (None, Some(fallback)) => Some(match &ports {
            Some(ports) => fallback.hosts.with_ports(ports),
            None => Ok(fallback.hosts.clone()),
        }),
        (None, None) => None,
    };
    let choice = own_choice.or(inherited.map(|fallback| fallback.choice).unwrap_or_default());
    let Some(found) = found else {
        if !section.values.contains_key("host") {
            let message = "needs a `host`, since there is no `upstream` to take it from";
            reader.problem(section.origin.clone(), path, message);
        }
        return None;
    };
    let hosts = match found {
        Ok(hosts) => hosts,
        Err(message) => {
            let origin = section.values.get("port").map(|port| port.origin.clone());
            let origin = origin.unwrap_or_else(|| section.origin.clone());
            reader.problem(origin, format!("{path}.port"), message);
            return None;
        }
    };
    let dbname = dbname.or_else(|| (name != "*").then(|| name.to_owned()));
    Some(Database {
        hosts,
        choice,
        dbname,
        tls,
        forced_user,
        forced_password,
        lookup,
        limits,
        pool_mode,
        connect_query,
        startup,
    })
}

impl Database {
    fn on(upstream: &Upstream, tls: ServerTlsFiles) -> Self {
        Self {
            hosts: upstream.hosts.clone(),
            choice: upstream.choice,
            dbname: upstream.dbname.clone(),
            tls,
            forced_user: None,
            forced_password: None,
            lookup: LookupKeys::default(),
            limits: DatabaseLimits::default(),
            pool_mode: None,
            connect_query: None,
            startup: Vec::new(),
        }
    }
}
