//! Whether the servers let pgweir in, and what its role may see there.

use std::sync::Arc;
use std::time::Duration;

use catalog::{Catalog, CatalogSettings};
use insight::DetectionSettings;
use model::{CatalogFacts, Snapshot};
use sql::ShapeRegistry;
use tokio::task::JoinSet;

use super::document::{Outcome, Server};
use super::roles::{Login, NoLogin, logins};
use crate::settings::Settings;

/// Longer than this nobody waits for a check.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tries all logins, beside each other. The order is that of the settings.
pub(super) async fn ask(settings: &Settings) -> Vec<Server> {
    let tls = match settings.load_tls() {
        Ok(tls) => tls,
        // Cannot be: they have just been read. Whatever it is, it is told.
        Err(problem) => return vec![failed_all(problem.to_string())],
    };
    let (logins, without) = logins(settings, &tls);
    let bounds = CatalogSettings {
        connect_timeout: settings.server_connect_timeout.min(PATIENCE),
        ..CatalogSettings::default()
    };
    let mut asking = JoinSet::new();
    for (position, login) in logins.into_iter().enumerate() {
        let detection = settings.detection.clone();
        asking.spawn(async move { (position, ask_one(login, bounds, &detection).await) });
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|(position, _)| *position);
    let asked = answers.into_iter().map(|(_, server)| server);
    asked.chain(without.into_iter().map(not_asked)).collect()
}

fn failed_all(why: String) -> Server {
    Server {
        database: "*".to_owned(),
        login: String::new(),
        outcome: Outcome::Failed(why),
        server_version: 0,
        not_checked: Vec::new(),
    }
}

fn not_asked(without: NoLogin) -> Server {
    let why = "no user with a password in cleartext is known, and no auth_user".to_owned();
    Server {
        database: without.database,
        login: without.place,
        outcome: Outcome::NotTried(why),
        server_version: 0,
        not_checked: Vec::new(),
    }
}

async fn ask_one(login: Login, bounds: CatalogSettings, detection: &DetectionSettings) -> Server {
    let Login { database, dbname, upstream, is_hash } = login;
    let hosts: Vec<String> =
        upstream.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
    let place = format!("{}@{}/{dbname}", upstream.user, hosts.join(","));
    let mut server = Server {
        database,
        login: place,
        outcome: Outcome::Ok,
        server_version: 0,
        not_checked: Vec::new(),
    };
    if is_hash {
        let why = "the role's password is known as a hash only: a client's login is needed";
        server.outcome = Outcome::NotTried(why.to_owned());
        return server;
    }
    let catalog = Catalog::new(upstream, bounds);
    let facts = catalog.read(std::slice::from_ref(&dbname), &CatalogFacts::default()).await;
    server.server_version = facts.server_version;
    if facts.databases.contains_key(&dbname) {
        server.not_checked = not_checked(facts, detection);
    } else {
        let whys: Vec<String> = facts.unavailable.into_iter().map(|one| one.why).collect();
        server.outcome = Outcome::Failed(whys.join("; "));
    }
    server
}

/// What the report could not check with this role's rights, as it would say itself.
fn not_checked(facts: CatalogFacts, detection: &DetectionSettings) -> Vec<String> {
    let mut found: Vec<String> =
        facts.unavailable.iter().map(|one| format!("{}: {}", one.what, one.why)).collect();
    let shapes = ShapeRegistry::new(1);
    let published =
        insight::publish(Arc::new(Snapshot::default()), Arc::new(facts), &shapes, detection);
    // Without traffic there is more that cannot be said; what rights are missing for is told here.
    let of_rights = published.not_checked.into_iter().filter(|one| one.why.contains("GRANT "));
    found.extend(of_rights.map(|one| format!("{}: {}", one.check, one.why)));
    found.sort();
    found.dedup();
    found
}
