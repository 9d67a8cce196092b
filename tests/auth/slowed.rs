//! What a wrong password costs, and whom.

use std::time::{Duration, Instant};

use testkit::{ScriptedClient, frames, until};

use crate::scene::Scene;

/// A login with a wrong password: it has been sent, the answer not read.
async fn try_wrong(scene: &Scene, user: &str) -> ScriptedClient {
    for _ in 0..1000 {
        let mut client = scene.proxy.scripted().await;
        client.startup(user, "postgres", &[]).await;
        if let (b'R', _) = client.expect_frame().await {
            client.send(&frames::password("wrong")).await;
            return client;
        }
        // The one who was let in has not left yet.
    }
    panic!("{user} is not asked for a password");
}

/// Must survive: passwords tried one after the other
#[tokio::test]
async fn each_failure_of_a_user_is_answered_later_and_keeps_nobody_else_waiting() {
    let scene = Scene::open("", "auth_type = \"plain\"\nmax_client_conn = 1\n", &[]).await;
    // What is known and what is not is slowed alike.
    for user in ["web_scram", "nobody"] {
        for least in [100, 200, 400] {
            let since = Instant::now();
            let mut guessing = try_wrong(&scene, user).await;
            // Meanwhile others come and go, and the only place of max_client_conn is free.
            until("somebody else is let in", async || {
                scene.who("web_plain:plain-secret").await.is_ok_and(|who| who == "web_plain")
            })
            .await;
            assert_eq!(guessing.expect_error().await.sqlstate(), "28P01");
            guessing.expect_closed().await;
            let took = since.elapsed();
            assert!(took >= Duration::from_millis(least), "{user}: {took:?}, not {least} ms");
        }
    }
    // The right password is still right.
    until("the user is let in", async || scene.who("web_scram:scram-secret").await.is_ok()).await;
}
