//! A server as far as the protocol is concerned: what is prepared, bound, skipped and copied, and
//! which answers that gives (manual 55.2). What it runs are a few words.

use std::collections::HashMap;

/// A server connection.
#[derive(Clone, Default)]
pub(crate) struct ModelServer {
    statements: HashMap<Vec<u8>, Statement>,
    /// `search_path`, as it was set.
    path: String,
    /// How often [`OF_A_TENANT`] was parsed.
    pub(crate) parsed: usize,
    portals: HashMap<Vec<u8>, Portal>,
    block: Block,
    /// A message failed: all up to the next Sync is skipped.
    skips: bool,
    copy: Option<Copy>,
    /// What follows the COPY in the same Query.
    rest: Vec<String>,
    input: Vec<u8>,
    output: Vec<u8>,
}

#[derive(Clone)]
struct Statement {
    text: String,
    /// The search path with which it was parsed.
    path: String,
}

#[derive(Clone)]
struct Portal {
    text: String,
    /// Rows that were not fetched yet.
    rows: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Block {
    #[default]
    None,
    Open,
    Failed,
}

/// A COPY that reads, begun by a Query or by an Execute.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copy {
    Simple,
    Extended,
}

/// What it runs. `rows 3` gives three rows that begin with the name of who asks.
pub(crate) const TEXTS: [&str; 15] = [
    "select 1",
    "select 'three'",
    "select 1/0",
    "selekt",
    "begin",
    "commit",
    "rollback",
    "",
    "copy t from stdin",
    "copy t to stdout",
    "copy t from stdin; copy t from stdin",
    "select 1; copy t from stdin; select 1",
    "select 1; select 'three'",
    "select 1; select 1/0; select 1",
    "savepoint a",
];

/// Queries whose values may be bound.
pub(crate) const BINDABLE: [&str; 5] = [
    "select a where b = 7",
    "select a where b = 8",
    "select a where b = 13",
    "select a where b = 'nine'",
    "select a where c = 7",
];

/// The value that is none of its type.
const BAD_VALUE: &str = "13";
/// No statement with a parameter in its place is valid.
const NO_PARAMETER: &str = "c = $1";

/// A table that is another one in each tenant's schema, and has other columns.
pub(crate) const OF_A_TENANT: &str = "select * from tenants_own";

/// What no COPY accepts.
pub(crate) const BAD_DATA: &[u8] = b"bad\n";

enum Outcome {
    Done,
    Suspended,
    Copies,
    Failed,
}

fn message(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.push(kind);
    out.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    out.extend(body);
}

fn name(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap();
    (&bytes[..end], &bytes[end + 1..])
}

fn ends_block(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().trim_end_matches(';'), "commit" | "rollback")
}

impl ModelServer {
    /// Takes bytes, whole messages or not, and gives the answers.
    pub(crate) fn answer(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.input.extend(bytes);
        while let Some(head) = self.input.first_chunk::<5>() {
            let kind = head[0];
            let total = 1 + u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            if self.input.len() < total {
                break;
            }
            let whole: Vec<u8> = self.input.drain(..total).collect();
            self.message(kind, &whole[5..]);
        }
        std::mem::take(&mut self.output)
    }

    /// Whether a COPY reads: all but its own messages would be an error.
    pub(crate) fn copies(&self) -> bool {
        self.copy.is_some()
    }

    fn message(&mut self, kind: u8, body: &[u8]) {
        if let Some(copy) = self.copy {
            match kind {
                b'c' => self.copy_ends(copy, None),
                b'f' => self.copy_ends(copy, Some(("57014", "COPY from stdin failed"))),
                b'd' if body == BAD_DATA => {
                    self.copy_ends(copy, Some(("22P02", "invalid input syntax")));
                }
                _ => {}
            }
            return;
        }
        match kind {
            b'S' => {
                self.skips = false;
                self.ready();
            }
            _ if self.skips => {}
            b'Q' => self.query(name(body).0),
            b'P' => self.parse(body),
            b'B' => self.bind(body),
            b'D' => self.describe(body),
            b'E' => self.execute(body),
            b'C' => {
                match body[0] {
                    b'S' => drop(self.statements.remove(name(&body[1..]).0)),
                    _ => drop(self.portals.remove(name(&body[1..]).0)),
                }
                message(&mut self.output, b'3', &[]);
            }
            _ => {}
        }
    }

    fn ready(&mut self) {
        if self.block == Block::None {
            self.portals.clear();
        }
        let status = match self.block {
            Block::None => b'I',
            Block::Open => b'T',
            Block::Failed => b'E',
        };
        message(&mut self.output, b'Z', &[status]);
    }

    fn fail(&mut self, sqlstate: &str, text: &str) {
        let body = format!("SERROR\0VERROR\0C{sqlstate}\0M{text}\0\0");
        message(&mut self.output, b'E', body.as_bytes());
        if self.block == Block::Open {
            self.block = Block::Failed;
        }
    }

    /// The same, in the extended protocol.
    fn fail_and_skip(&mut self, sqlstate: &str, text: &str) {
        self.fail(sqlstate, text);
        self.skips = true;
    }

    /// Whether a statement is refused since its block has failed.
    fn refused(&mut self, text: &str) -> bool {
        let refused = self.block == Block::Failed && !ends_block(text) && !text.is_empty();
        if refused {
            self.fail_and_skip("25P02", "current transaction is aborted");
        }
        refused
    }

    fn parse(&mut self, body: &[u8]) {
        let (statement, rest) = name(body);
        let text = String::from_utf8_lossy(name(rest).0).into_owned();
        if text == "selekt" || text.contains("; ") {
            return self.fail_and_skip("42601", "syntax error");
        }
        if text.contains(NO_PARAMETER) {
            return self.fail_and_skip("42883", "operator does not exist");
        }
        if text.ends_with(BAD_VALUE) {
            return self.fail_and_skip("22P02", "invalid input syntax");
        }
        if self.refused(&text) {
            return;
        }
        if !statement.is_empty() && self.statements.contains_key(statement) {
            let name = String::from_utf8_lossy(statement);
            let text = format!("prepared statement \"{name}\" already exists");
            return self.fail_and_skip("42P05", &text);
        }
        self.parsed += usize::from(text == OF_A_TENANT);
        let path = self.path.clone();
        self.statements.insert(statement.to_vec(), Statement { text, path });
        message(&mut self.output, b'1', &[]);
    }

    /// A statement by name, or the error.
    fn statement(&mut self, statement: &[u8]) -> Option<String> {
        let found = self.statements.get(statement).cloned();
        if found.as_ref().is_some_and(|found| found.text == OF_A_TENANT && found.path != self.path)
        {
            let text = "cached plan must not change result type, RevalidateCachedQuery";
            self.fail_and_skip("0A000", text);
            return None;
        }
        if found.is_none() {
            let name = String::from_utf8_lossy(statement);
            let text = match statement {
                b"" => "unnamed prepared statement does not exist".to_owned(),
                _ => format!("prepared statement \"{name}\" does not exist"),
            };
            self.fail_and_skip("26000", &text);
        }
        found.map(|found| found.text)
    }

    fn bind(&mut self, body: &[u8]) {
        let (portal, rest) = name(body);
        let (statement, rest) = name(rest);
        let Some(mut text) = self.statement(statement) else { return };
        if self.refused(&text) {
            return;
        }
        // No formats, one value.
        if let [0, 0, 0, 1, _, _, _, length, rest @ ..] = rest {
            let value = String::from_utf8_lossy(&rest[..usize::from(*length)]);
            if value == BAD_VALUE {
                return self.fail_and_skip("22P02", "invalid input syntax");
            }
            text = text.replace("$1", &value);
        }
        if !portal.is_empty() && self.portals.contains_key(portal) {
            return self.fail_and_skip("42P03", "cursor already exists");
        }
        let rows = if text.contains("three") { 3 } else { 1 };
        self.portals.insert(portal.to_vec(), Portal { text, rows });
        message(&mut self.output, b'2', &[]);
    }

    fn describe(&mut self, body: &[u8]) {
        let of = name(&body[1..]).0;
        let text = match body[0] {
            b'S' => match self.statement(of) {
                Some(text) => text,
                None => return,
            },
            _ => match self.portals.get(of) {
                Some(portal) => portal.text.clone(),
                None => return self.fail_and_skip("34000", "portal does not exist"),
            },
        };
        if self.refused(&text) {
            return;
        }
        if body[0] == b'S' {
            message(&mut self.output, b't', &[0, 0]);
        }
        let kind = if text.starts_with("select") { b'T' } else { b'n' };
        message(&mut self.output, kind, if kind == b'T' { &[0, 0] } else { &[] });
    }

    fn execute(&mut self, body: &[u8]) {
        let (portal, limit) = name(body);
        let limit = i32::from_be_bytes(limit.try_into().unwrap());
        let Some(mut held) = self.portals.remove(portal) else {
            return self.fail_and_skip("34000", "portal does not exist");
        };
        if self.refused(&held.text) {
            self.portals.insert(portal.to_vec(), held);
            return;
        }
        let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        match self.run(&held.text.clone(), &mut held.rows, limit, Copy::Extended) {
            Outcome::Failed => self.skips = true,
            // The portals of a block end with it.
            Outcome::Done if ends_block(&held.text) => self.portals.clear(),
            Outcome::Done | Outcome::Copies => {
                self.portals.insert(portal.to_vec(), held);
            }
            Outcome::Suspended => {
                message(&mut self.output, b's', &[]);
                self.portals.insert(portal.to_vec(), held);
            }
        }
    }

    fn query(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text).into_owned();
        self.statements.remove(&b""[..]);
        self.portals.remove(&b""[..]);
        if text.is_empty() {
            message(&mut self.output, b'I', &[]);
            return self.ready();
        }
        if text.contains("selekt") {
            self.fail("42601", "syntax error");
            return self.ready();
        }
        // pgweir's question what is left of the session: nothing.
        if text.starts_with("SELECT 'temporary'") {
            message(&mut self.output, b'T', &[0, 0]);
            message(&mut self.output, b'C', b"SELECT 0\0");
            return self.ready();
        }
        self.rest = text.split("; ").map(str::to_owned).collect();
        self.rest.reverse();
        self.run_the_rest();
    }

    /// What of a Query was not run yet, which are the last first.
    fn run_the_rest(&mut self) {
        while let Some(one) = self.rest.pop() {
            if self.block == Block::Failed && !ends_block(&one) {
                self.fail("25P02", "current transaction is aborted");
                break;
            }
            let mut rows = if one.contains("three") { 3 } else { 1 };
            if one.ends_with(BAD_VALUE) {
                self.fail("22P02", "invalid input syntax");
                break;
            }
            if one.starts_with("select") {
                message(&mut self.output, b'T', &[0, 0]);
            }
            match self.run(&one, &mut rows, usize::MAX, Copy::Simple) {
                Outcome::Failed => break,
                Outcome::Copies => return,
                Outcome::Done | Outcome::Suspended => {}
            }
        }
        self.rest.clear();
        self.ready();
    }

    fn run(&mut self, text: &str, rows: &mut usize, limit: usize, by: Copy) -> Outcome {
        let tag = match text.to_ascii_lowercase().trim_end_matches(';') {
            "" => {
                message(&mut self.output, b'I', &[]);
                return Outcome::Done;
            }
            "select 1/0" => {
                self.fail("22012", "division by zero");
                return Outcome::Failed;
            }
            "begin" => {
                self.block = Block::Open;
                "BEGIN".to_owned()
            }
            ends if ends_block(ends) => {
                let failed = std::mem::take(&mut self.block) == Block::Failed;
                let tag = if failed { "ROLLBACK".to_owned() } else { ends.to_ascii_uppercase() };
                self.portals.clear();
                tag
            }
            "copy t from stdin" => {
                message(&mut self.output, b'G', &[0, 0, 0]);
                self.copy = Some(by);
                return Outcome::Copies;
            }
            "copy t to stdout" => {
                message(&mut self.output, b'H', &[0, 0, 0]);
                message(&mut self.output, b'd', b"1\n");
                message(&mut self.output, b'c', &[]);
                "COPY 1".to_owned()
            }
            select if select.starts_with("select") => {
                let count = (*rows).min(limit);
                let value = select.split_once(" = ").map_or("1", |(_, value)| value);
                let value = value.trim_matches('\'').as_bytes();
                let length = u8::try_from(value.len()).unwrap();
                for _ in 0..count {
                    let row = [&[0, 1, 0, 0, 0, length], value].concat();
                    message(&mut self.output, b'D', &row);
                }
                *rows -= count;
                if count == limit {
                    return Outcome::Suspended;
                }
                format!("SELECT {count}")
            }
            set if set.contains("search_path") => {
                let (set, value) = set.split_once(" to ").unwrap_or((set, ""));
                self.path = if set.starts_with("reset") { "" } else { value }.to_owned();
                "SET".to_owned()
            }
            "savepoint a" if self.block == Block::None => {
                self.fail("25P01", "SAVEPOINT can only be used in transaction blocks");
                return Outcome::Failed;
            }
            _ => "SET".to_owned(),
        };
        message(&mut self.output, b'C', &[tag.as_bytes(), b"\0"].concat());
        Outcome::Done
    }

    fn copy_ends(&mut self, copy: Copy, error: Option<(&str, &str)>) {
        self.copy = None;
        match error {
            Some((sqlstate, text)) => {
                self.fail(sqlstate, text);
                self.skips = copy == Copy::Extended;
                self.rest.clear();
            }
            None => message(&mut self.output, b'C', b"COPY 1\0"),
        }
        if copy == Copy::Simple {
            self.run_the_rest();
        }
    }
}
