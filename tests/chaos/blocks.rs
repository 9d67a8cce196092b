//! Transactions and COPY: what is committed is there, what is not is not.

use rand::RngExt;
use testkit::frames::{bind, copy_data, copy_done, copy_fail, execute, parse, query, sync};

use crate::client::{Client, Done, Exposure};
use crate::connection::Trouble;

/// The table that every token goes to.
pub(crate) const TABLE: &str = "chaos_rows";

impl Client {
    fn committed(&self, token: String) {
        self.stage.ledger.committed.lock().insert(token);
    }

    fn absent(&self, token: &str) {
        self.stage.ledger.absent.lock().insert(token.to_owned());
    }

    /// Not absent any more: from here on it may be committed.
    fn in_doubt(&self, token: &str) {
        self.stage.ledger.absent.lock().remove(token);
    }

    /// A statement without a block: once answered, it is committed.
    pub(crate) async fn insert(&mut self) -> Done {
        let token = self.token();
        let request = if self.rng.random_bool(0.5) {
            let sql = format!("INSERT INTO {TABLE} VALUES ('{token}') RETURNING token");
            (query(&sql), "TDCZ")
        } else {
            let sql = format!("INSERT INTO {TABLE} VALUES ($1) RETURNING token");
            let bound = bind("", "", &[Some(&token)]);
            ([parse("", &sql), bound, execute("", 0), sync()].concat(), "12DCZ")
        };
        self.expect(&request.0, request.1, &[&token]).await?;
        self.committed(token);
        Ok(())
    }

    /// A block with an INSERT; the token is absent until COMMIT is sent.
    async fn begin_with_a_row(&mut self) -> Result<String, Trouble> {
        let token = self.token();
        self.absent(&token);
        self.expose(Exposure::Block);
        self.run_sql("BEGIN", &["BEGIN"]).await?;
        self.run_sql(&format!("INSERT INTO {TABLE} VALUES ('{token}')"), &["INSERT 0 1"]).await?;
        Ok(token)
    }

    pub(crate) async fn transaction(&mut self) -> Done {
        let token = self.begin_with_a_row().await?;
        let request = query(&format!("SELECT token FROM {TABLE} WHERE token = '{token}'"));
        self.expect(&request, "TDCZ", &[&token]).await?;
        if self.rng.random_bool(0.3) {
            // Idle in its transaction, where a fault may find it.
            let pause = self.rng.random_range(1..40);
            tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        }
        if self.rng.random_bool(0.7) {
            self.in_doubt(&token);
            self.run_sql("COMMIT", &["COMMIT"]).await?;
            self.committed(token);
        } else {
            self.run_sql("ROLLBACK", &["ROLLBACK"]).await?;
        }
        self.covered();
        Ok(())
    }

    pub(crate) async fn failed_transaction(&mut self) -> Done {
        self.begin_with_a_row().await?;
        self.expect_error(&query("SELECT 1/0"), "22012").await?;
        self.expect_error(&query("SELECT 1"), "25P02").await?;
        self.run_sql("COMMIT", &["ROLLBACK"]).await?;
        self.covered();
        Ok(())
    }

    fn lines(&mut self) -> (Vec<String>, Vec<u8>) {
        let tokens: Vec<_> = (0..self.rng.random_range(1..30)).map(|_| self.token()).collect();
        let data = tokens.iter().map(|token| format!("{token}\n")).collect::<String>();
        (tokens, data.into_bytes())
    }

    /// `COPY … FROM STDIN` up to the point where the server reads.
    pub(crate) async fn begin_copy(&mut self) -> Done {
        let request = query(&format!("COPY {TABLE} FROM STDIN"));
        let connection = self.connection()?;
        connection.send(&request).await;
        let answer = connection.until(b"GZ").await?;
        self.compare(&request, answer, "G", &[])?;
        Ok(())
    }

    pub(crate) async fn copy_in(&mut self) -> Done {
        let (tokens, data) = self.lines();
        let count = format!("COPY {}", tokens.len());
        let rows: Vec<u8> =
            data.split_inclusive(|byte| *byte == b'\n').flat_map(copy_data).collect();
        self.expose(Exposure::Statement);
        let answer = if self.rng.random_bool(0.5) {
            self.begin_copy().await?;
            let request = [rows, copy_done()].concat();
            self.expect(&request, "CZ", &[]).await?
        } else {
            // By the extended protocol, all at once. The first Sync is read by the COPY.
            let sql = format!("COPY {TABLE} FROM STDIN");
            let begin = [parse("", &sql), bind("", "", &[]), execute("", 0), sync()].concat();
            let request = [begin, rows, copy_done(), sync()].concat();
            self.out_of_step();
            self.expect(&request, "12GCZ", &[]).await?
        };
        self.in_step();
        if answer.tags != [count] {
            return Err(Trouble::Wrong(format!("copied {:?}", answer.tags)));
        }
        self.covered();
        self.stage.ledger.committed.lock().extend(tokens);
        Ok(())
    }

    /// COPY that fails before it reads, or while it does, with everything already sent; outside and
    /// inside of a block, and while pinned.
    pub(crate) async fn copy_refused(&mut self) -> Done {
        let (tokens, data) = self.lines();
        self.stage.ledger.absent.lock().extend(tokens);
        let block = self.rng.random_bool(0.5);
        let pinned = self.rng.random_bool(0.3);
        if pinned {
            self.expose(Exposure::Pinned);
            self.run_sql("SET chaos.token = 'copy'", &["SET"]).await?;
        }
        if block {
            self.expose(Exposure::Block);
            self.run_sql("BEGIN", &["BEGIN"]).await?;
        }
        let rest = [copy_data(&data), copy_done()].concat();
        self.out_of_step();
        let (answer, expected) = match self.rng.random_range(0..3) {
            0 => {
                let sql = format!("COPY nothing_{} FROM STDIN", self.number);
                let begin = [parse("", &sql), bind("", "", &[]), execute("", 0)].concat();
                let request = [begin, sync(), rest].concat();
                (self.expect_error(&request, "42P01").await?, "12EZ")
            }
            1 => {
                let request = [query("COPY nothing FROM STDIN"), rest].concat();
                (self.expect_error(&request, "42P01").await?, "EZ")
            }
            _ => {
                let sql = format!("COPY {TABLE} FROM STDIN");
                let begin = [parse("", &sql), bind("", "", &[]), execute("", 0)].concat();
                let bad = copy_data(b"one\ttwo\tmany\n");
                let request = [begin, copy_data(&data), bad, copy_done(), sync()].concat();
                (self.expect_error(&request, "22P04").await?, "12GEZ")
            }
        };
        self.in_step();
        if answer.kinds != expected {
            return Err(Trouble::Wrong(format!("{} instead of {expected}", answer.kinds)));
        }
        if block {
            self.expect_error(&query("SELECT 1"), "25P02").await?;
            self.run_sql("ROLLBACK", &["ROLLBACK"]).await?;
        }
        if pinned {
            self.discard().await?;
        }
        self.covered();
        self.simple().await
    }

    pub(crate) async fn copy_abandoned(&mut self) -> Done {
        let (tokens, data) = self.lines();
        self.stage.ledger.absent.lock().extend(tokens);
        self.expose(Exposure::Statement);
        self.begin_copy().await?;
        let request = [copy_data(&data), copy_fail("thought better of it")].concat();
        let answer = self.ask(&request).await?;
        let text = answer.error.as_ref().map(|error| error.message().to_owned());
        match text {
            Some(text) if text.contains("thought better of it") => {}
            _ => {
                self.compare(&request, answer, "EZ", &[])?;
            }
        }
        self.covered();
        Ok(())
    }

    pub(crate) async fn copy_out(&mut self) -> Done {
        let token = self.token();
        let count = self.rng.random_range(1..3_000);
        let request = query(&format!(
            "COPY (SELECT '{token}' || g FROM generate_series(1, {count}) g) TO STDOUT"
        ));
        let answer = self.expect(&request, "HdcCZ", &[]).await?;
        let expected: String = (1..=count).map(|number| format!("{token}{number}\n")).collect();
        if answer.copied != expected.as_bytes() {
            return Err(Trouble::Wrong(format!("{} bytes copied out", answer.copied.len())));
        }
        Ok(())
    }
}
