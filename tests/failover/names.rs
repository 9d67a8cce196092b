//! Hosts whose names lead to several addresses.

use testkit::Postgres;

use crate::scene::{host, port, start};

#[tokio::test]
async fn a_name_is_looked_up_and_its_addresses_are_tried() {
    let postgres = Postgres::shared().await;
    // IPv6 first, on most systems, where nobody listens.
    let settings = format!(
        "[databases.one]\nhost = \"localhost\"\nport = {}\ndbname = \"postgres\"\n",
        postgres.port()
    );
    let proxy = start(&settings).await;
    let client = proxy.connect("postgres", "one").await;
    assert_eq!(port(&client).await, postgres.port());
    let console = proxy.connect("postgres", "pgweir").await;
    let row = host(&console, postgres).await;
    assert_eq!(row["host"], "localhost");
    assert!(!row["address"].is_empty());
    assert_eq!(proxy.log().matches("panicked").count(), 0);
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_told_of() {
    let proxy = start("[databases.one]\nhost = \"no-such-host.invalid\"\n").await;
    let error = proxy.try_connect("postgres", "one").await.unwrap_err();
    let told = error.as_db_error().unwrap_or_else(|| panic!("{error}"));
    assert_eq!(told.code().code(), "57P03", "{told:?}");
    assert!(told.message().contains("no-such-host.invalid:5432"), "{told:?}");
}
