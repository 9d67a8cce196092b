//! Whatever is sent to the admin console by one who is logged in.

#![no_main]

use std::sync::Arc;
use std::time::Duration;

use console::{BoxFuture, Live, Role, Session, SqlTurns, Stop, serve};
use libfuzzer_sys::fuzz_target;
use model::{
    ClientStatus, Command, CommandError, DatabaseStatus, FingerprintId, PoolStatus, Published,
    ServerStatus, SettingStatus, ShapeId,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A process in which nothing goes on.
#[derive(Default)]
struct Quiet {
    turns: SqlTurns,
}

impl Live for Quiet {
    fn pools(&self) -> Vec<PoolStatus> {
        Vec::new()
    }
    fn clients(&self) -> Vec<ClientStatus> {
        Vec::new()
    }
    fn servers(&self) -> Vec<ServerStatus> {
        Vec::new()
    }
    fn databases(&self) -> Vec<DatabaseStatus> {
        Vec::new()
    }
    fn hosts(&self) -> Vec<model::HostStatus> {
        Vec::new()
    }
    fn settings(&self) -> Vec<SettingStatus> {
        Vec::new()
    }
    fn users(&self) -> Vec<model::UserStatus> {
        Vec::new()
    }
    fn peers(&self) -> Vec<model::PeerStatus> {
        Vec::new()
    }
    fn published(&self) -> BoxFuture<'_, Arc<Published>> {
        let published = Published {
            snapshot: Arc::default(),
            catalog: Arc::default(),
            findings: Vec::new(),
            checked: Vec::new(),
            not_checked: Vec::new(),
            results: Vec::new(),
        };
        Box::pin(async { Arc::new(published) })
    }
    fn marks(&self) -> Vec<model::Mark> {
        Vec::new()
    }
    fn past(
        &self,
        _: jiff::Timestamp,
        _: jiff::Timestamp,
        _: Vec<jiff::Timestamp>,
    ) -> BoxFuture<'_, Arc<model::Snapshot>> {
        Box::pin(async { Arc::default() })
    }
    fn fleet(
        &self,
        _: jiff::Timestamp,
        _: jiff::Timestamp,
    ) -> BoxFuture<'_, Result<Arc<model::Snapshot>, String>> {
        Box::pin(async { Err("there is none".to_owned()) })
    }
    fn state(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    fn query_timeout(&self) -> Duration {
        Duration::from_millis(200)
    }
    fn sql_turns(&self) -> &SqlTurns {
        &self.turns
    }
    fn pooler(&self) -> model::PoolerState {
        model::PoolerState::Active
    }
    fn execute(&self, _: Command) -> BoxFuture<'_, Result<Vec<String>, CommandError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn fingerprint(&self, _: ShapeId) -> Option<FingerprintId> {
        None
    }
    fn version(&self) -> &str {
        "0.0.0"
    }
    fn started_at(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}

fuzz_target!(|input: (Vec<&str>, &[u8])| {
    // Statements that are heard out, then anything.
    let (statements, bytes) = input;
    let mut request = Vec::new();
    for text in statements {
        let text = text.replace('\0', " ");
        request.push(b'Q');
        let length = u32::try_from(text.len() + 5).unwrap();
        request.extend(length.to_be_bytes());
        request.extend(text.as_bytes());
        request.push(0);
    }
    request.extend(bytes);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (client, server) = tokio::io::duplex(4096);
        let (mut reader, mut writer) = tokio::io::split(client);
        let send = async {
            // The console may hang up before it has taken everything.
            let _ = writer.write_all(&request).await;
            let _ = writer.shutdown().await;
        };
        let receive = async {
            let mut answers = Vec::new();
            let _ = reader.read_to_end(&mut answers).await;
            answers.len()
        };
        let session = Session { user: "web".to_owned(), role: Role::Admin, stop: Stop::default() };
        let serving = serve(server, session, Arc::new(Quiet::default()));
        let all = async { tokio::join!(send, receive, serving).1 };
        let answered = tokio::time::timeout(Duration::from_secs(20), all).await;
        answered.expect("the console hangs");
    });
});
