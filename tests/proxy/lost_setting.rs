//! What a lost transaction had set.

use testkit::Postgres;

use crate::scene::{Scene, error};

#[tokio::test]
async fn a_setting_of_a_transaction_whose_server_died_is_rolled_back() {
    let scene = Scene::with_pool_of(1).await;
    for idle in [true, false] {
        let mut client = scene.client().await;
        client.rows("SET application_name = 'before'").await;
        client.rows("BEGIN; SET application_name = 'lost'").await;
        let pid: i32 = client.value("SELECT pg_backend_pid()").await.parse().unwrap();
        if !idle {
            client.send_query("SELECT pg_sleep(60)").await;
            scene.until_sleeping().await;
        }
        Postgres::shared().await.kill_backend(pid).await;
        let answered =
            if idle { client.query("SELECT 1").await } else { client.expect_until(b'Z').await };
        assert_eq!(error(&answered).sqlstate(), "57P01", "idle {idle}");
        client.rows("ROLLBACK").await;
        assert_eq!(client.value("SHOW application_name").await, "before", "idle {idle}");
    }
}
