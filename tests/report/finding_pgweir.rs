//! Which pgweir `pgweir report` asks when none is named.

use std::path::Path;
use std::process::{Command, Output};

use testkit::{Postgres, Proxy, ProxyOptions};

use crate::scene::PGWEIR;

/// `pgweir report` started in a folder, by somebody whose state is in it too.
fn report_in(folder: &Path) -> Output {
    Command::new(PGWEIR)
        .args(["report", "--format", "json"])
        .env("XDG_STATE_HOME", folder)
        .env_remove("PGWEIR_DATA_DIR")
        .current_dir(folder)
        .output()
        .expect("the report command starts")
}

#[tokio::test]
async fn the_file_that_pgweir_runs_with_leads_to_it() {
    let postgres = Postgres::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("elsewhere");
    let options = ProxyOptions::upstream(postgres.url("postgres", "postgres"))
        .arguments(["--data-dir", &state.display().to_string()]);
    let _proxy = Proxy::start(PGWEIR, options).await;

    let alone = report_in(folder.path());
    let said = String::from_utf8_lossy(&alone.stderr);
    assert!(!alone.status.success() && said.contains("--admin names one"), "{said}");

    let settings = format!("upstream = \"postgres://db\"\ndata_dir = \"{}\"\n", state.display());
    std::fs::write(folder.path().join("pgweir.toml"), settings).unwrap();
    let found = report_in(folder.path());
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let report: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    assert!(report["coverage"]["started_at"].is_string(), "{report}");
}
