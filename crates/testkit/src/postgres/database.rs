//! A database for one test.

use tokio_postgres::Client;

use super::{Postgres, connect};
use crate::TestkitError;

/// A database that nobody else uses. Dropping it drops it on the server, in the background and as
/// far as that is still possible.
#[derive(Debug)]
pub struct TestDatabase {
    /// Its name, unique within its server.
    pub name: String,
    server: String,
}

impl TestDatabase {
    pub(super) async fn create(postgres: &Postgres, name: String) -> Result<Self, TestkitError> {
        let server = postgres.address().to_string();
        let admin = connect(&postgres.url("postgres", "postgres")).await?;
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        let rights = format!(
            "REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC;
             GRANT ALL ON DATABASE {name} TO web;"
        );
        admin.batch_execute(&rights).await?;
        Ok(Self { name, server })
    }

    /// A DSN of the superuser, straight to the server.
    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    /// A DSN of this user, straight to the server; `user` may be `user:password`.
    pub fn url_as(&self, user: &str) -> String {
        format!("postgres://{user}@{}/{}", self.server, self.name)
    }

    /// A connection of the superuser, straight to the server.
    pub async fn connect(&self) -> Client {
        connect(&self.url())
            .await
            .unwrap_or_else(|error| panic!("connecting to {}: {error}", self.name))
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let admin = format!("postgres://postgres@{}/postgres", self.server);
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // Drop cannot await, and the test's runtime may be about to end: so a thread of its own. An
        // error means that the server is gone, and the database with it.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                if let Ok(client) = connect(&admin).await {
                    let _ = client.batch_execute(&statement).await;
                }
            });
        });
    }
}
