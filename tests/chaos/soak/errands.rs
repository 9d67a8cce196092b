//! What a session runs: little of everything that leaves something behind while it lasts.

use rand::RngExt;
use testkit::frames::{bind, describe, execute, parse, query, sync};

use super::session::Session;
use crate::connection::{Answer, Connection, Trouble};

/// One errand. An error is an answer: the session goes on.
pub(super) async fn run(
    session: &mut Session<'_>,
    connection: &mut Connection,
) -> Result<(), Trouble> {
    let requests = choose(session);
    let ledger = &session.shop.ledger;
    for request in requests {
        let answer = connection.exchange(&request).await?;
        ledger.done_times("statements", answer.tags.len() as u64);
        note(session, answer);
        if connection.status == b'E' {
            connection.exchange(&query("ROLLBACK")).await?;
        }
    }
    Ok(())
}

fn note(session: &Session<'_>, answer: Answer) {
    if let Some(error) = answer.error {
        session.shop.ledger.trouble("a statement", Trouble::Refused(error));
    }
}

fn choose(session: &mut Session<'_>) -> Vec<Vec<u8>> {
    let id = session.rng.random_range(1..=1000);
    let text = id.to_string();
    let values = [Some(text.as_str())];
    match session.rng.random_range(0..1000) {
        0..400 => vec![query(&format!("SELECT name, price FROM items WHERE id = {id}"))],
        400..700 => vec![unnamed("SELECT name FROM items WHERE id = $1::text::int", &values)],
        700..820 => vec![named(session, &values)],
        820..880 => vec![
            query("BEGIN"),
            query(&format!("UPDATE items SET price = price + 1 WHERE id = {id}")),
            query("COMMIT"),
        ],
        880..920 => vec![query(&format!("INSERT INTO orders (item) VALUES ({id})"))],
        920..930 => vec![query("DELETE FROM orders WHERE at < now() - interval '5 seconds'")],
        930..940 => vec![never_seen(session, id)],
        940..950 => {
            let number = session.shop.number() % 20_000;
            let sql = format!("SELECT 1 /*controller='c{number}',route='%2Fitem%2F{number}'*/");
            vec![query(&sql)]
        }
        950..960 => {
            let list: Vec<String> = (0..id % 50 + 1).map(|n| n.to_string()).collect();
            vec![query(&format!("SELECT name FROM items WHERE id IN ({})", list.join(", ")))]
        }
        960..975 => vec![
            query(&format!("SET statement_timeout = '{}s'", 30 + id % 30)),
            query(&format!("SET application_name = 'renamed-{}'", session.worker())),
        ],
        975..980 => pinned(session, id),
        980..985 => vec![query("COPY items TO STDOUT")],
        985..990 => vec![query("SELECT * FROM missing")],
        990..997 => vec![query("SELECT pg_sleep(0.05)")],
        _ => vec![unnamed("SELECT length($1)", &[Some("x".repeat(100_000).as_str())])],
    }
}

fn unnamed(sql: &str, values: &[Option<&str>]) -> Vec<u8> {
    [parse("", sql), bind("", "", values), describe(b'P', ""), execute("", 0), sync()].concat()
}

/// A statement that is prepared by name once, and run by it from then on; a session that stays has
/// more and more of them, up to a bound.
fn named(session: &mut Session<'_>, values: &[Option<&str>]) -> Vec<u8> {
    let one = session.rng.random_range(0..40);
    let name = format!("s{one}");
    let sql = format!("SELECT price, {one} AS kind FROM items WHERE id = $1::text::int");
    let mut request = Vec::new();
    // Of those beyond nobody keeps a note.
    let noted = 1_u32.checked_shl(one).unwrap_or(0);
    if session.prepared & noted == 0 {
        request.extend(testkit::frames::close(b'S', &name));
        request.extend(parse(&name, &sql));
        session.prepared |= noted;
    }
    request.extend(bind("", &name, values));
    request.extend(execute("", 0));
    request.extend(sync());
    request
}

/// A statement of a shape of its own.
fn never_seen(session: &Session<'_>, id: u32) -> Vec<u8> {
    session.shop.ledger.done("statements never seen before");
    let number = session.shop.number();
    query(&format!("SELECT name AS name_{number} FROM items WHERE id = {id}"))
}

/// State that pins the client to its server connection, and goes again; or stays until it leaves.
fn pinned(session: &mut Session<'_>, id: u32) -> Vec<Vec<u8>> {
    session.shop.ledger.done("pins");
    let mut requests = match id % 4 {
        0 => vec![query("CREATE TEMP TABLE IF NOT EXISTS basket (item int)")],
        1 => vec![query("LISTEN news"), query("NOTIFY news, 'sale'")],
        2 => vec![query(&format!("SELECT pg_advisory_lock_shared({id})"))],
        _ => vec![query(&format!("PREPARE p{id} AS SELECT 1")), query(&format!("EXECUTE p{id}"))],
    };
    if session.rng.random_bool(0.8) {
        requests.push(query("DISCARD ALL"));
        session.prepared = 0;
    }
    requests
}
