//! A verifier is enough: the client's proof opens the server too.

use testkit::until;

use crate::scene::Scene;

const VERIFIER: &str = "SELECT rolpassword FROM pg_authid WHERE rolname = 'web_scram'";

#[tokio::test]
async fn a_verifier_in_the_userlist_is_enough_for_a_server_that_wants_scram() {
    let scene = Scene::open(
        "",
        "auth_file = \"@/users.txt\"\nauth_query = \"SELECT 1 WHERE $1 = 'no'\"",
        &[("users.txt", "")],
    )
    .await;
    let verifier: String =
        scene.postgres.admin().await.query_one(VERIFIER, &[]).await.unwrap().get(0);
    assert!(verifier.starts_with("SCRAM-SHA-256$"));
    let refused = scene.refusal("web_scram:scram-secret").await;
    assert!(refused.starts_with("FATAL 28P01"), "{refused}");
    scene.write("users.txt", &format!("\"web_scram\" \"{verifier}\"\n"));
    scene.console().await.batch_execute("RELOAD").await.unwrap();
    assert_eq!(scene.who("web_scram:scram-secret").await.unwrap(), "web_scram");
    let refused = scene.refusal("web_scram:guess").await;
    assert!(refused.starts_with("FATAL 28P01"), "{refused}");
}

#[tokio::test]
async fn an_md5_hash_is_enough_for_a_server_that_wants_md5() {
    let scene = Scene::open("", "auth_type = \"md5\"", &[]).await;
    assert_eq!(scene.who("web_md5:md5-secret").await.unwrap(), "web_md5");
    // And a user with a verifier is checked by SCRAM where md5 is written.
    assert_eq!(scene.who("web_scram:scram-secret").await.unwrap(), "web_scram");
}

#[tokio::test]
async fn a_new_password_opens_new_server_connections() {
    let scene = Scene::open("", "", &[]).await;
    assert_eq!(scene.who("web_scram:scram-secret").await.unwrap(), "web_scram");
    let admin = scene.postgres.admin().await;
    admin.batch_execute("ALTER ROLE web_scram PASSWORD 'changed'").await.unwrap();
    // Those that are open are gone: only the new password opens others.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'web_scram'";
    // Each is told to end by one look, and gone by the next.
    until("they are gone", async || admin.query(end, &[]).await.unwrap().is_empty()).await;
    assert_eq!(scene.who("web_scram:changed").await.unwrap(), "web_scram");
    let refused = scene.refusal("web_scram:scram-secret").await;
    assert!(refused.starts_with("FATAL 28P01"), "{refused}");
}
