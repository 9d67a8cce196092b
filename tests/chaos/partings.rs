//! Cancelling, and leaving badly.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use testkit::frames::{bind, copy_data, execute, header, parse, query, terminate};

use crate::blocks::TABLE;
use crate::client::{Client, Done, Exposure};
use crate::connection::Trouble;

impl Client {
    /// Cancels its own query, early, in time, or late.
    pub(crate) async fn cancel(&mut self) -> Done {
        let token = self.token();
        let (stage, number) = (Arc::clone(&self.stage), self.number);
        let delay = Duration::from_millis(self.rng.random_range(0..40));
        let cancelling = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            stage.cancel(number).await;
        });
        let request = query(&format!("SELECT '{token}' FROM pg_sleep(0.02)"));
        let answer = self.ask(&request).await;
        let _ = cancelling.await;
        let answer = answer?;
        match &answer.error {
            Some(error) if error.sqlstate() == "57014" && answer.kinds.ends_with("EZ") => Ok(()),
            _ => self.compare(&request, answer, "TDCZ", &[&token]).map(drop),
        }
    }

    /// In one of several bad ways.
    fn vanish(&mut self) -> Done {
        let reset = self.rng.random_bool(0.5);
        let connection = self.take_connection()?;
        if reset {
            connection.abort();
        }
        Ok(())
    }

    pub(crate) async fn leave_in_mid_message(&mut self) -> Done {
        let token = self.token();
        let whole = query(&format!("SELECT '{token}'"));
        let sent = self.rng.random_range(1..whole.len());
        // Behind a query that holds a server, or not.
        let before =
            if self.rng.random_bool(0.5) { query("SELECT pg_sleep(0.01)") } else { vec![] };
        let connection = self.connection()?;
        connection.send(&[before, whole[..sent].to_vec()].concat()).await;
        if self.rng.random_bool(0.3) {
            let connection = self.connection()?;
            connection.send(&header(b'Q', 1_000_000)).await;
        }
        self.vanish()
    }

    pub(crate) async fn leave_in_mid_result(&mut self) -> Done {
        let token = self.token();
        let sql = format!("SELECT repeat('{token}', 100) FROM generate_series(1, 5000)");
        let connection = self.connection()?;
        connection.send(&query(&sql)).await;
        connection.read_some().await;
        self.vanish()
    }

    pub(crate) async fn leave_in_a_transaction(&mut self) -> Done {
        let token = self.token();
        self.stage.ledger.absent.lock().insert(token.clone());
        self.expose(Exposure::Block);
        let sql = format!("BEGIN; INSERT INTO {TABLE} VALUES ('{token}')");
        self.run_sql(&sql, &["BEGIN", "INSERT 0 1"]).await?;
        if self.rng.random_bool(0.3) {
            self.connection()?.send(&query("SELECT pg_sleep(0.05)")).await;
        }
        self.vanish()
    }

    /// Without a Sync the pipeline is not committed.
    pub(crate) async fn leave_without_sync(&mut self) -> Done {
        let token = self.token();
        self.stage.ledger.absent.lock().insert(token.clone());
        let sql = format!("INSERT INTO {TABLE} VALUES ($1)");
        let request = [parse("", &sql), bind("", "", &[Some(&token)]), execute("", 0)].concat();
        self.connection()?.send(&request).await;
        if self.rng.random_bool(0.5) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.vanish()
    }

    /// With all that a session can leave behind.
    pub(crate) async fn leave_pinned(&mut self) -> Done {
        let token = self.token();
        let number = self.fresh_number();
        self.expose(Exposure::Pinned);
        self.run_sql(
            &format!(
                "CREATE TEMP TABLE left_behind (a text); LISTEN left_behind; \
            SET work_mem = '9MB'; SET application_name = '{token}'; PREPARE left_behind AS SELECT 1"
            ),
            &["CREATE TABLE", "LISTEN", "SET", "SET", "PREPARE"],
        )
        .await?;
        let request = query(&format!("SELECT '{token}', pg_advisory_lock({number})"));
        self.expect(&request, "TDCZ", &[&token]).await?;
        if self.rng.random_bool(0.3) {
            self.connection()?.send(&terminate()).await;
        }
        self.vanish()
    }

    pub(crate) async fn leave_in_a_copy(&mut self) -> Done {
        let token = self.token();
        self.stage.ledger.absent.lock().insert(token.clone());
        self.expose(Exposure::Statement);
        self.begin_copy().await?;
        let data = copy_data(format!("{token}\n").as_bytes());
        let sent = if self.rng.random_bool(0.5) { data.len() } else { data.len() - 3 };
        self.connection()?.send(&data[..sent]).await;
        self.vanish()
    }

    /// Says goodbye behind a statement whose answer it does not await.
    pub(crate) async fn leave_with_work_to_do(&mut self) -> Done {
        let token = self.token();
        let sql = format!("SELECT '{token}' FROM pg_sleep(0.01)");
        let connection = self.connection()?;
        connection.send(&[query(&sql), terminate()].concat()).await;
        match connection.until_ready().await {
            Ok(_) | Err(Trouble::Closed(_)) => {}
            Err(other) => return Err(other),
        }
        drop(self.take_connection()?);
        Ok(())
    }
}
