//! A small shop to read and to plan for.

use std::sync::Arc;

use model::{
    CatalogFacts, DatabaseFacts, FingerprintId, IndexCandidate, ParameterFormat, PlanAnswer,
    PlanQuestion, Sample, SampleParameter, TableFacts,
};
use pgweir_catalog::{Catalog, CatalogSettings, Upstream};
use testkit::{Postgres, TestDatabase};
use tokio_postgres::Client;

/// 5,000 orders of 1,000 customers, five each; one in a hundred is open, the others are done.
const SCHEMA: &str = "
    CREATE TYPE channel AS ENUM ('web', 'phone');
    CREATE TABLE orders (
        id bigint PRIMARY KEY,
        customer_id bigint NOT NULL,
        status text NOT NULL,
        channel channel NOT NULL,
        \"Placed At\" timestamptz,
        details json
    );
    INSERT INTO orders
        SELECT i, i % 1000, CASE WHEN i % 100 = 0 THEN 'open' ELSE 'done' END,
               CASE WHEN i % 50 = 0 THEN 'phone' ELSE 'web' END::channel, NULL, '{}'
        FROM generate_series(1, 5000) AS i;
    ANALYZE orders;";

/// A database with the shop in it, and a catalogue that reads it.
pub(crate) struct Shop {
    pub(crate) database: TestDatabase,
    pub(crate) client: Client,
    pub(crate) catalog: Catalog,
}

impl Shop {
    /// Opens a shop on the server that the tests share; the catalogue is a superuser's.
    pub(crate) async fn open() -> Self {
        Self::open_as("postgres").await
    }

    /// The same, the catalogue being `user`'s.
    pub(crate) async fn open_as(user: &str) -> Self {
        let postgres = Postgres::shared().await;
        let database = postgres.database().await;
        let client = database.connect().await;
        client.batch_execute(SCHEMA).await.unwrap();
        let catalog = Catalog::new(upstream(postgres, user), CatalogSettings::default());
        Self { database, client, catalog }
    }

    pub(crate) async fn read(&self, previous: &CatalogFacts) -> CatalogFacts {
        self.catalog.read(std::slice::from_ref(&self.database.name), previous).await
    }

    /// The facts of the shop's database, read for the first time.
    pub(crate) async fn facts(&self) -> DatabaseFacts {
        let mut facts = self.read(&CatalogFacts::default()).await;
        assert_eq!(facts.unavailable, []);
        facts.databases.remove(&self.database.name).unwrap()
    }

    pub(crate) fn question(&self, text: &str) -> PlanQuestion {
        plain_question(&self.database.name, text)
    }

    /// Plans `text` with one parameter of the type with this OID.
    pub(crate) async fn plan_with(
        &self,
        text: &str,
        oid: u32,
        format: ParameterFormat,
        value: Option<&[u8]>,
    ) -> PlanAnswer {
        let mut question = self.question(text);
        question.sample.parameter_types = Arc::new([oid]);
        question.sample.parameters = vec![SampleParameter { format, value: value.map(Arc::from) }];
        self.catalog.plan(&question).await
    }

    /// Installs HypoPG; false where the server does not have it.
    pub(crate) async fn install_hypopg(&self) -> bool {
        let query = "SELECT FROM pg_available_extensions WHERE name = 'hypopg'";
        if self.client.query_opt(query, &[]).await.unwrap().is_none() {
            eprintln!("HypoPG is not on this server: what it would do is not tested");
            return false;
        }
        // Not in the search path, as careful administrators have it.
        let install = "CREATE SCHEMA \"Tools\"; GRANT USAGE ON SCHEMA \"Tools\" TO PUBLIC;
                       CREATE EXTENSION hypopg SCHEMA \"Tools\"";
        self.client.batch_execute(install).await.unwrap();
        true
    }
}

pub(crate) fn upstream(postgres: &Postgres, user: &str) -> Upstream {
    Upstream {
        tls: None,
        hosts: vec![(postgres.address().ip().to_string(), postgres.port())],
        to_write: false,
        user: user.to_owned(),
        password: None,
    }
}

pub(crate) fn candidate(columns: &[&str]) -> IndexCandidate {
    IndexCandidate {
        schema: "public".to_owned(),
        table: "orders".to_owned(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        ..IndexCandidate::default()
    }
}

pub(crate) fn table<'facts>(facts: &'facts DatabaseFacts, name: &str) -> &'facts TableFacts {
    facts.tables.iter().find(|table| table.name == name).unwrap()
}

/// A statement without parameters, and no index to try.
pub(crate) fn plain_question(database: &str, text: &str) -> PlanQuestion {
    PlanQuestion {
        database: database.to_owned(),
        fingerprint: FingerprintId(1),
        sample: Sample { text: text.into(), ..Sample::default() },
        candidates: Vec::new(),
        ranked: Vec::new(),
    }
}
