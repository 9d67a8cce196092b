//! Settings and certificates that change under load.

use std::collections::HashMap;

use testkit::{Authority, Proxy, ProxyOptions};
use tokio_postgres::Client;

use crate::bench::{Bench, until_more};
use crate::changes::{Change, HBA, Places, used};
use crate::load::Load;
use crate::scene::{PGWEIR, Scene, show, until};

/// A line of SHOW.
type Row = HashMap<String, String>;

#[tokio::test]
async fn every_change_is_one() {
    let scene = Scene::new().await;
    write_files(&scene);
    let places = Places::of(&scene);
    let before = used(&places.file(""));
    let all = [places.settings(), places.sections(), places.detection()].concat();
    for change in all {
        assert!(used(&change.file) != before, "{} is as it was", change.name);
    }
}

/// The files that settings may name.
fn write_files(scene: &Scene) {
    let directory = scene.folder.path();
    Authority::new("the test's").local().write(directory, "pgweir");
    for (name, text) in [
        ("userlist.txt", "\"ada\" \"one\"\n"),
        ("hba.conf", "host all all 127.0.0.1/32 trust\n"),
        ("ident.conf", ""),
    ] {
        std::fs::write(directory.join(name), text).unwrap();
    }
}

/// A pgweir with a file of settings, and who reloads them.
struct Reloading<'a> {
    scene: &'a Scene,
    places: Places,
    proxy: Proxy,
    console: Client,
}

impl<'a> Reloading<'a> {
    async fn start(scene: &'a Scene) -> Self {
        write_files(scene);
        let places = Places::of(scene);
        let file = scene.folder.path().join("pgweir.toml");
        std::fs::write(&file, places.file("")).unwrap();
        let options = ProxyOptions::default().arguments(["-c", file.to_str().unwrap()]);
        let proxy = Proxy::start(PGWEIR, options).await;
        let console = proxy.connect("postgres", "pgweir").await;
        Self { scene, places, proxy, console }
    }

    /// With these settings from now on.
    async fn reload(&self, file: &str) {
        self.replace("pgweir.toml", file);
        self.console.batch_execute("RELOAD").await.unwrap();
    }

    fn replace(&self, name: &str, text: &str) {
        std::fs::write(self.scene.folder.path().join(name), text).unwrap();
    }

    async fn may_log_in(&self, user: &str) -> bool {
        self.proxy.try_connect(user, "pgweir").await.is_ok()
    }
}

/// Must survive: RELOAD while in use
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_of_every_reloadable_setting_fails_no_transaction() {
    let scene = Scene::new().await;
    let pgweir = Reloading::start(&scene).await;
    let unchanged = show(&pgweir.console, "SHOW CONFIG").await;
    let mut load = Load::start(&scene, pgweir.proxy.address()).await;
    for Change { name, file } in pgweir.places.settings() {
        pgweir.reload(&file).await;
        if name != "databases.*" {
            let of = |rows: &[Row]| {
                rows.iter().find(|row| row["key"] == name).map(|row| row["value"].clone())
            };
            let changed = show(&pgweir.console, "SHOW CONFIG").await;
            assert_ne!(of(&changed), of(&unchanged), "{name}");
        }
        load.go_on(20).await;
        pgweir.reload(&pgweir.places.file("")).await;
    }
    load.go_on(100).await;
    assert!(load.end().await > 0);
}

/// Must survive: RELOAD while in use
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_of_every_key_of_every_section_fails_no_transaction() {
    let scene = Scene::new().await;
    let pgweir = Reloading::start(&scene).await;
    let mut load = Load::start(&scene, pgweir.proxy.address()).await;
    for Change { file, .. } in pgweir.places.sections() {
        pgweir.reload(&file).await;
        load.go_on(20).await;
        pgweir.reload(&pgweir.places.file("")).await;
    }
    for Change { file, .. } in pgweir.places.detection() {
        pgweir.reload(&file).await;
        load.go_on(1).await;
    }
    load.go_on(100).await;
    assert!(load.end().await > 0);
    assert!(!pgweir.proxy.log().contains("panicked"), "{}", pgweir.proxy.log());
}

/// Must survive: RELOAD while in use
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_of_every_file_of_logins_fails_no_transaction() {
    let scene = Scene::new().await;
    let pgweir = Reloading::start(&scene).await;
    let mut load = Load::start(&scene, pgweir.proxy.address()).await;
    let file = pgweir.places.file(HBA);
    let of_ada = |method: &str| {
        format!("host all ada 127.0.0.1/32 {method}\nhost all all 127.0.0.1/32 trust\n")
    };
    for _ in 0..5 {
        pgweir.replace("hba.conf", &of_ada("scram-sha-256"));
        for (right, wrong) in [("one", "two"), ("two", "one")] {
            pgweir.replace("userlist.txt", &format!("\"ada\" \"{right}\"\n"));
            pgweir.replace("ident.conf", &format!("map{right} somebody ada\n"));
            pgweir.reload(&file).await;
            load.go_on(20).await;
            assert!(pgweir.may_log_in(&format!("ada:{right}")).await, "{}", pgweir.proxy.log());
            assert!(!pgweir.may_log_in(&format!("ada:{wrong}")).await);
        }
        pgweir.replace("hba.conf", &of_ada("reject"));
        pgweir.reload(&file).await;
        load.go_on(20).await;
        assert!(!pgweir.may_log_in("ada:two").await);
        pgweir.reload(&pgweir.places.file("")).await;
    }
    load.go_on(100).await;
    assert!(load.end().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_certificate_under_load_fails_no_transaction() {
    let scene = Scene::new().await;
    let authority = Authority::new("the test's");
    let directory = scene.folder.path();
    let (certificate, key) = authority.local().write(directory, "pgweir");
    let settings = format!(
        "client_tls_sslmode = \"require\"\nclient_tls_cert_file = {certificate:?}\n\
         client_tls_key_file = {key:?}\n"
    );
    let upstream = scene.postgres.url("postgres", "postgres");
    let options = ProxyOptions::upstream(upstream).settings(settings);
    let mut proxy = Proxy::start(PGWEIR, options).await;
    let mut stays = Bench::start(&scene, proxy.address(), (100, 20), ["-M", "prepared"]).await;
    until_more(&scene, 100).await;
    for round in 1..=10 {
        authority.local().write(directory, "pgweir");
        proxy.signal("HUP");
        until("it is reloaded", async || {
            proxy.log().matches("configuration reloaded").count() >= round
        })
        .await;
        until_more(&scene, 50).await;
    }
    assert!(stays.is_running(), "the load was over before the changes were");
    stays.expect_none_failed(&scene).await;
}
