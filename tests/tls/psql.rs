//! libpq, which has its own mind about TLS.

use std::path::Path;
use std::process::Output;

use testkit::{Authority, Proxy, ProxyOptions};
use tokio::process::Command;

use crate::scene::PGWEIR;
use crate::way::{Ground, ground};

async fn pgweir(ground: &Ground, mode: &str) -> Proxy {
    let upstream = ground.url("web_scram:scram-secret", "sslmode=verify-full");
    let settings = format!("upstream = {upstream:?}\n{}", ground.client_tls(mode));
    Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await
}

/// psql as a user who has a password, with these variables of libpq.
pub(crate) async fn psql(ground: &Ground, proxy: &Proxy, variables: &[(&str, &str)]) -> Output {
    let program = ground.postgres.programs().program("psql").unwrap();
    Command::new(program)
        .args(["-X", "-A", "-t", "-c", "SELECT current_user"])
        .env("PGHOST", "localhost")
        .env("PGHOSTADDR", "127.0.0.1")
        .env("PGPORT", proxy.address().port().to_string())
        .env("PGUSER", "web_scram")
        .env("PGPASSWORD", "scram-secret")
        .env("PGDATABASE", "postgres")
        .env("PGSSLROOTCERT", &ground.authority_file)
        // A home's own certificates are not meant.
        .env("HOME", "/nonexistent")
        .envs(variables.iter().copied())
        .output()
        .await
        .unwrap()
}

pub(crate) fn succeeded(output: &Output) -> bool {
    output.status.success() && output.stdout == b"web_scram\n"
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn sslmode_by_sslmode() {
    let ground = ground().await;
    let offering = pgweir(ground, "prefer").await;
    for mode in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
        let output = psql(ground, &offering, &[("PGSSLMODE", mode)]).await;
        assert!(succeeded(&output), "{mode}: {}", said(&output));
    }
    let declining = pgweir(ground, "disable").await;
    for (mode, works) in [("disable", true), ("prefer", true), ("require", false)] {
        let output = psql(ground, &declining, &[("PGSSLMODE", mode)]).await;
        assert_eq!(succeeded(&output), works, "{mode}: {}", said(&output));
        let told = said(&output);
        assert!(works || told.contains("server does not support SSL"), "{mode}: {told}");
    }
    let insisting = pgweir(ground, "require").await;
    let output = psql(ground, &insisting, &[("PGSSLMODE", "disable")]).await;
    assert!(said(&output).contains("FATAL:  SSL required"), "{}", said(&output));
    // It tries without first, and then with.
    for mode in ["allow", "prefer", "require"] {
        let output = psql(ground, &insisting, &[("PGSSLMODE", mode)]).await;
        assert!(succeeded(&output), "{mode}: {}", said(&output));
    }
}

#[tokio::test]
async fn it_knows_a_stranger() {
    let ground = ground().await;
    let proxy = pgweir(ground, "prefer").await;
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other.crt");
    std::fs::write(&other, Authority::new("a stranger").pem()).unwrap();
    let stranger = ("PGSSLROOTCERT", other.to_str().unwrap());
    let output = psql(ground, &proxy, &[("PGSSLMODE", "verify-ca"), stranger]).await;
    assert!(said(&output).contains("certificate verify failed"), "{}", said(&output));
    let name = ("PGHOST", "db.example");
    let output = psql(ground, &proxy, &[("PGSSLMODE", "verify-full"), name]).await;
    assert!(said(&output).contains("does not match host name"), "{}", said(&output));
}

fn shown(directory: &Path, authority: &Authority, name: &str) -> [String; 2] {
    let (certificate, key) = authority.client("web_scram").write(directory, name);
    [certificate, key].map(|path| path.display().to_string())
}

#[tokio::test]
async fn its_certificate_is_asked_for_and_looked_at() {
    let ground = ground().await;
    let directory = tempfile::tempdir().unwrap();
    let [own, own_key] = shown(directory.path(), &ground.authority, "own");
    let [other, other_key] = shown(directory.path(), &Authority::new("another"), "other");
    for (mode, strict) in [("require", false), ("verify-ca", true), ("verify-full", true)] {
        let proxy = pgweir(ground, mode).await;
        let full = ("PGSSLMODE", "verify-full");
        let with_own = [full, ("PGSSLCERT", &*own), ("PGSSLKEY", &*own_key)];
        let output = psql(ground, &proxy, &with_own).await;
        assert!(succeeded(&output), "{mode}: {}", said(&output));
        let output = psql(ground, &proxy, &[full]).await;
        assert_eq!(succeeded(&output), !strict, "{mode}: {}", said(&output));
        assert!(!strict || said(&output).contains("certificate required"), "{}", said(&output));
        let with_other = [full, ("PGSSLCERT", &*other), ("PGSSLKEY", &*other_key)];
        let output = psql(ground, &proxy, &with_other).await;
        assert_eq!(succeeded(&output), !strict, "{mode}: {}", said(&output));
        assert!(!strict || said(&output).contains("unknown ca"), "{}", said(&output));
    }
}

#[tokio::test]
async fn it_binds_its_login_to_the_connection() {
    let ground = ground().await;
    let proxy = pgweir(ground, "prefer").await;
    let require = ("PGCHANNELBINDING", "require");
    let output = psql(ground, &proxy, &[("PGSSLMODE", "require"), require]).await;
    assert!(succeeded(&output), "{}", said(&output));
    let disable = ("PGCHANNELBINDING", "disable");
    let output = psql(ground, &proxy, &[("PGSSLMODE", "require"), disable]).await;
    assert!(succeeded(&output), "{}", said(&output));
    let output = psql(ground, &proxy, &[("PGSSLMODE", "disable"), require]).await;
    assert!(said(&output).contains("channel binding required"), "{}", said(&output));
    let wrong = ("PGPASSWORD", "wrong");
    let output = psql(ground, &proxy, &[("PGSSLMODE", "require"), require, wrong]).await;
    assert!(said(&output).contains("password authentication failed"), "{}", said(&output));
}

#[tokio::test]
async fn versions_are_limited() {
    let ground = ground().await;
    let upstream = ground.url("web_scram:scram-secret", "sslmode=require");
    let settings = format!(
        "upstream = {upstream:?}\nclient_tls_protocols = \"tlsv1.2\"\nserver_tls_protocols = \
         \"tlsv1.2\"\n{}",
        ground.client_tls("require")
    );
    let proxy = Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await;
    let output = psql(ground, &proxy, &[("PGCHANNELBINDING", "require")]).await;
    assert!(succeeded(&output), "{}", said(&output));
    let output = psql(ground, &proxy, &[("PGSSLMINPROTOCOLVERSION", "TLSv1.3")]).await;
    assert!(said(&output).contains("protocol version"), "{}", said(&output));
}
