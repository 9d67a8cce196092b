//! Queries: each answer has the token of its question.

use rand::RngExt;
use testkit::frames::{bind, close, describe, execute, parse, query, sync};

use crate::client::{Client, Done, cut};
use crate::connection::Trouble;

/// Texts of named statements; all clients share them.
const TEXTS: u32 = 60;

impl Client {
    pub(crate) async fn simple(&mut self) -> Done {
        let token = self.token();
        match self.rng.random_range(0..3) {
            0 => {
                let (a, b) = (format!("{token}a"), format!("{token}b"));
                let sql = format!("SELECT '{a}'; SELECT '{b}'");
                self.expect(&query(&sql), "TDCTDCZ", &[&a, &b]).await?;
            }
            1 => {
                let sql = format!("SELECT '{token}' FROM pg_sleep(0.01)");
                self.expect(&query(&sql), "TDCZ", &[&token]).await?;
            }
            _ => {
                self.expect(&query(&format!("SELECT '{token}'")), "TDCZ", &[&token]).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn extended(&mut self) -> Done {
        let token = self.token();
        let request = [
            parse("", "SELECT $1::text"),
            bind("", "", &[Some(&token)]),
            describe(b'P', ""),
            execute("", 0),
            sync(),
        ];
        self.expect(&request.concat(), "12TDCZ", &[&token]).await?;
        Ok(())
    }

    /// Prepares it if need be; in a request of its own, so that what is prepared is known.
    async fn prepare(&mut self, number: u32) -> Done {
        if self.prepared.contains(&number) {
            return Ok(());
        }
        let name = format!("s{number}");
        let text = format!("SELECT $1::text || '/{number}'");
        self.expect(&[parse(&name, &text), sync()].concat(), "1Z", &[]).await?;
        self.prepared.insert(number);
        Ok(())
    }

    pub(crate) async fn named(&mut self) -> Done {
        let number = self.rng.random_range(0..TEXTS);
        self.prepare(number).await?;
        let (token, name) = (self.token(), format!("s{number}"));
        let expected = format!("{token}/{number}");
        if self.rng.random_bool(0.1) {
            let both =
                [bind("", &name, &[Some(&token)]), execute("", 0), close(b'S', &name), sync()];
            // Closed or not if this fails: a name that is never used again is safe.
            self.prepared.remove(&number);
            let done = self.expect(&both.concat(), "2DC3Z", &[&expected]).await;
            if done.is_err() && self.connection().is_ok() {
                self.settle(&name).await?;
            }
            done?;
        } else {
            let request = [bind("", &name, &[Some(&token)]), execute("", 0), sync()];
            self.expect(&request.concat(), "2DCZ", &[&expected]).await?;
        }
        Ok(())
    }

    /// Whether a failed pipeline has closed a statement is not known: makes sure that it is.
    async fn settle(&mut self, name: &str) -> Done {
        if self.connection()?.status == b'I' {
            self.ask(&[close(b'S', name), sync()].concat()).await?;
        }
        Ok(())
    }

    pub(crate) async fn pipeline(&mut self) -> Done {
        let (mut request, mut expected, mut kinds) = (Vec::new(), Vec::new(), String::new());
        let numbers: Vec<u32> =
            (0..self.rng.random_range(2..12)).map(|_| self.rng.random_range(0..TEXTS)).collect();
        for number in &numbers {
            self.prepare(*number).await?;
        }
        for number in &numbers {
            let token = self.token();
            request.extend(bind("", &format!("s{number}"), &[Some(&token)]));
            request.extend(execute("", 0));
            kinds.push_str("2DC");
            expected.push(format!("{token}/{number}"));
        }
        // A second batch, before the first is answered.
        let token = self.token();
        request.extend(sync());
        request.extend([parse("", "SELECT $1::text"), bind("", "", &[Some(&token)])].concat());
        request.extend([execute("", 0), sync()].concat());
        kinds.push('Z');
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        self.out_of_step();
        self.expect(&request, &kinds, &expected).await?;
        self.in_step();
        let rest = self.connection()?.until_ready().await?;
        self.compare(&request, rest, "12DCZ", &[&token])?;
        Ok(())
    }

    pub(crate) async fn pipeline_with_an_error(&mut self) -> Done {
        let number = self.rng.random_range(0..TEXTS);
        self.prepare(number).await?;
        let (before, after, next) = (self.token(), self.token(), self.token());
        let name = format!("s{number}");
        let row = |token: &str| [bind("", &name, &[Some(token)]), execute("", 0)].concat();
        let failing = [parse("", "SELECT 1/$1::int"), bind("", "", &[Some("0")]), execute("", 0)];
        let request =
            [row(&before), failing.concat(), row(&after), sync(), row(&next), sync()].concat();
        self.out_of_step();
        let answer = self.expect_error(&request, "22012").await?;
        self.in_step();
        let value = format!("{before}/{number}");
        // It fails at Bind or at Execute, as the planner likes.
        if !matches!(&*answer.kinds, "2DC1EZ" | "2DC12EZ") || answer.rows != [[value]] {
            let what = format!("to {} came {} {:?}", cut(&request), answer.kinds, answer.rows);
            return Err(Trouble::Wrong(what));
        }
        let rest = self.connection()?.until_ready().await?;
        self.compare(&request, rest, "2DCZ", &[&format!("{next}/{number}")])?;
        Ok(())
    }

    pub(crate) async fn big_value(&mut self) -> Done {
        let token = self.token();
        let times = self.rng.random_range(1_000..60_000);
        let long = token.repeat(times);
        match self.rng.random_range(0..3) {
            0 => {
                let sql = format!("SELECT repeat('{token}', {times})");
                self.expect(&query(&sql), "TDCZ", &[&long]).await?;
            }
            1 => {
                let request = [
                    parse("", "SELECT $1::text || length($2)"),
                    bind("", "", &[Some(&token), Some(&long)]),
                    execute("", 0),
                    sync(),
                ];
                let expected = format!("{token}{}", long.len());
                self.expect(&request.concat(), "12DCZ", &[&expected]).await?;
            }
            _ => {
                let sql = format!("SELECT '{token}' || length('{long}')");
                let expected = format!("{token}{}", long.len());
                self.expect(&query(&sql), "TDCZ", &[&expected]).await?;
            }
        }
        // A long Query may have pinned the client.
        self.discard().await
    }
}
