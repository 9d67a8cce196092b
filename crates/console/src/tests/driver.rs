//! A real driver: tokio-postgres asks for binary results and prepares what it runs.

use std::error::Error;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::client::{message, session};
use super::live::FakeLive;
use crate::live::{Live, Role};
use crate::{parameter_status, serve};

/// What the proxy does before it hands a connection over: reads the startup packet, trusts.
async fn greet(stream: &mut DuplexStream, version: &str) {
    let length = stream.read_u32().await.unwrap();
    let mut startup = vec![0; usize::try_from(length).unwrap() - 4];
    stream.read_exact(&mut startup).await.unwrap();
    let mut greeting = message(b'R', &[&[0; 4]]);
    for (name, value) in parameter_status(version) {
        greeting.extend(message(b'S', &[name.as_bytes(), b"\0", value.as_bytes(), b"\0"]));
    }
    greeting.extend(message(b'K', &[&[0; 8]]));
    greeting.extend(message(b'Z', &[b"I"]));
    stream.write_all(&greeting).await.unwrap();
}

pub(super) async fn connect(live: Arc<dyn Live>) -> Client {
    let (stream, mut server) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        greet(&mut server, live.version()).await;
        serve(server, session(Role::Admin), live).await
    });
    let mut config = Config::new();
    let config = config.user("alice").dbname("pgweir");
    let (client, connection) = config.connect_raw(stream, NoTls).await.unwrap();
    assert_eq!(connection.parameter("server_version"), Some("15.0/pgweir"));
    assert_eq!(connection.parameter("pgweir_version"), Some("0.1.0"));
    tokio::spawn(connection);
    client
}

/// A field as it came.
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[tokio::test]
async fn every_kind_of_column_reads_back_from_binary() {
    let client = connect(Arc::new(FakeLive::default())).await;
    let pools = client.query("SHOW POOLS", &[]).await.unwrap();
    assert_eq!(pools[0].get::<_, &str>("database"), "shop");
    assert_eq!(pools[0].get::<_, i32>("maxwait_us"), 250);
    assert_eq!(pools[0].get::<_, Option<&str>>("load_balance_hosts"), None);

    let queries = client.query("SHOW QUERIES 5", &[]).await.unwrap();
    assert_eq!(queries[0].get::<_, i64>("calls"), 4);
    assert!((queries[0].get::<_, f64>("total_ms") - 800.0).abs() < 1e-9);

    let stats = client.query("SHOW STATS", &[]).await.unwrap();
    assert_eq!(*stats[1].columns()[1].type_(), Type::NUMERIC);
    // 80,000: one digit, weight 1.
    let time: Raw = stats[1].get("total_xact_time");
    assert_eq!(time.0, [0, 1, 0, 1, 0, 0, 0, 0, 0, 8]);
}

/// Must survive: the console over the extended protocol
#[tokio::test]
async fn simple_queries_prepared_statements_and_transactions() {
    let live = Arc::new(FakeLive::default());
    let mut client = connect(live.clone()).await;
    let messages = client.simple_query("SHOW VERSION; SELECT 1").await.unwrap();
    let values: Vec<_> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })
        .collect();
    assert_eq!(values, ["pgweir 0.1.0", "1"]);

    let version = client.prepare("SELECT version()").await.unwrap();
    for _ in 0..2 {
        let row = client.query_one(&version, &[]).await.unwrap();
        assert!(row.get::<_, &str>(0).starts_with("pgweir 0.1.0"));
    }
    let transaction = client.transaction().await.unwrap();
    assert_eq!(transaction.execute("RELOAD", &[]).await.unwrap(), 0);
    let portal = transaction.bind("SHOW LISTS", &[]).await.unwrap();
    assert_eq!(transaction.query_portal(&portal, 10).await.unwrap().len(), 10);
    assert_eq!(transaction.query_portal(&portal, 10).await.unwrap().len(), 4);
    transaction.commit().await.unwrap();
    assert_eq!(live.commands.lock().unwrap().len(), 1);

    let error = client.query("SHOW FDS", &[]).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.message()), ("42601", "unknown command: SHOW FDS"));
    assert_eq!(error.hint(), Some("SHOW HELP lists what the console understands."));
    assert!(client.query("SHOW VERSION", &[]).await.is_ok(), "the connection goes on");
}

#[tokio::test]
async fn a_table_larger_than_all_buffers_arrives_whole() {
    let live = Arc::new(FakeLive { crowd: 20_000, ..FakeLive::default() });
    let client = connect(live).await;
    let clients = client.query("SHOW CLIENTS", &[]).await.unwrap();
    assert_eq!(clients.len(), 20_003);
    assert_eq!(clients[20_002].get::<_, i32>("id"), 20_099);
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_service() {
    let (stream, mut server) = tokio::io::duplex(4096);
    let served = tokio::spawn(async move {
        serve(&mut server, session(Role::Admin), Arc::new(FakeLive::default())).await
    });
    drop(stream);
    assert!(served.await.unwrap().is_ok());
}
