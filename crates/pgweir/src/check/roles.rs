//! Which logins `pgweir check` tries: those that pgweir itself would make.

use catalog::Upstream;

use crate::settings::{LoadedTls, Password, PoolSettings, Settings, for_tokio_postgres};

/// A database that there is on every server.
const ANY_DATABASE: &str = "postgres";

/// A login to try.
pub(super) struct Login {
    /// The database as clients call it.
    pub(super) database: String,
    /// Its name on the server.
    pub(super) dbname: String,
    pub(super) upstream: Upstream,
    /// Whether the password is known as a hash alone, which is no login.
    pub(super) is_hash: bool,
}

/// A database for which no role is known, and why that is so.
pub(super) struct NoLogin {
    pub(super) database: String,
    pub(super) place: String,
}

/// The logins to all databases, each once.
pub(super) fn logins(settings: &Settings, tls: &LoadedTls) -> (Vec<Login>, Vec<NoLogin>) {
    let (mut logins, mut without) = (Vec::<Login>::new(), Vec::new());
    let named = settings.databases.iter().map(|(name, database)| (name.as_str(), database));
    let any = settings.fallback.iter().map(|database| ("*", database));
    for (name, database) in named.chain(any) {
        let asked = if name == "*" { any_database(settings) } else { name };
        let roles = roles(settings, name, asked);
        if roles.is_empty() {
            let place = database.hosts.to_string();
            without.push(NoLogin { database: name.to_owned(), place });
        }
        for (role, password) in roles {
            let Some(pool) = settings.pool(asked, &role) else { continue };
            let login = login(name, pool, role, password, tls);
            let same =
                |other: &Login| other.upstream == login.upstream && other.dbname == login.dbname;
            if !logins.iter().any(same) {
                logins.push(login);
            }
        }
    }
    (logins, without)
}

/// What `*` is tried with: the URL's database, else one that is there.
fn any_database(settings: &Settings) -> &str {
    let of_url = settings.upstreams.first().and_then(|upstream| upstream.dbname.as_deref());
    let fixed = settings.fallback.as_ref().and_then(|database| database.dbname.as_deref());
    of_url.or(fixed).unwrap_or(ANY_DATABASE)
}

/// Who logs in to this database: the analyser, the user of the database, who asks about others; else
/// one whose password is known.
fn roles(settings: &Settings, name: &str, asked: &str) -> Vec<(String, Option<Password>)> {
    let mut roles = Vec::new();
    if let Some(user) = &settings.catalog_user {
        let password = settings.catalog_password.clone().map(Password::Plain);
        roles.push((user.clone(), password.or_else(|| settings.password(user).cloned())));
    }
    let database = settings.databases.get(name).or(settings.fallback.as_ref());
    let forced = database.and_then(|database| database.forced_user.clone());
    let of_url = || settings.upstreams.iter().find_map(|upstream| upstream.user.clone());
    let lookup = || Some(settings.lookup(asked)?.server.user);
    let known = || {
        let configured =
            settings.users.iter().filter_map(|(name, user)| Some((name, user.password.as_ref()?)));
        let all = configured.chain(&settings.authentication.userlist);
        let plain = all.filter(|(_, password)| matches!(password, Password::Plain(_)));
        plain.map(|(name, _)| name.clone()).next()
    };
    if let Some(user) = forced.or_else(of_url).or_else(lookup).or_else(known) {
        let password = settings.pool(asked, &user).and_then(|pool| pool.password);
        roles.push((user, password));
    }
    roles
}

fn login(
    name: &str,
    pool: PoolSettings,
    role: String,
    password: Option<Password>,
    tls: &LoadedTls,
) -> Login {
    let is_hash = matches!(password, Some(Password::Md5(_) | Password::Scram(_)));
    let password = match password {
        Some(Password::Plain(secret)) => Some(secret.reveal().to_owned()),
        _ => None,
    };
    Login {
        database: name.to_owned(),
        dbname: pool.dbname,
        upstream: Upstream {
            to_write: pool.hosts.are_several() && pool.wish.attrs.is_to_write(),
            hosts: pool.hosts.pairs(),
            user: role,
            password,
            tls: tls.servers.get(&pool.tls).and_then(for_tokio_postgres),
        },
        is_hash,
    }
}
