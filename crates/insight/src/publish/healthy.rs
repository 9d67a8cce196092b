//! A shop on a good day: an hour of its traffic, and a catalogue in which nothing is wrong and every
//! detector finds something to look at.

use jiff::{SignedDuration, Timestamp};
use model::{
    CheckpointCounters, DatabaseCounters, DatabaseFacts, DatabaseUpkeep, FingerprintId,
    ForeignKeyFacts, HorizonHolder, IndexFacts, MemoryNode, PlanAnswer, PlanShape, PlanText,
    ReplicaFacts, ScanFacts, SequenceColumn, SequenceFacts, ServerFacts, ServerSettings, SlotFacts,
    Snapshot, TableFacts, TableUpkeep,
};

use crate::scene::{Scene, index, shop, table};

pub(super) const OF_CUSTOMER: &str =
    "SELECT id, state FROM orders WHERE customer_id = $1 ORDER BY id LIMIT $2";
pub(super) const BY_CODE: &str = "SELECT id FROM customers WHERE code = $1";
pub(super) const BY_NAME: &str = "SELECT id FROM customers WHERE name ILIKE $1";
pub(super) const BY_MAIL: &str = "SELECT id FROM customers WHERE lower(mail) = $1";
pub(super) const EITHER: &str = "SELECT state FROM orders WHERE customer_id = $1 OR id = $2";
pub(super) const LINES: &str = "SELECT id, note FROM lines WHERE order_id = $1 ORDER BY note";
const WITHOUT_ORDERS: &str =
    "SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)";
const COUNT: &str = "SELECT count(*) FROM lines WHERE order_id = $1";
const SETTING: &str = "SELECT * FROM settings WHERE id = $1";
const PAGE: &str = "SELECT id FROM orders WHERE customer_id = $1 ORDER BY id LIMIT $2 OFFSET $3";

/// Rounds of the same statements in a minute.
const ROUNDS: u64 = 20;

/// An hour of traffic, and the catalogue.
pub(super) fn scene() -> (Scene, Snapshot) {
    let mut scene = Scene::new();
    scene.messages = (0, 4);
    for turn in 0..60 * ROUNDS {
        round(&mut scene, turn);
        if turn.is_multiple_of(ROUNDS) {
            scene.pool_look(10, 0);
        }
    }
    let snapshot = scene.snapshot();
    let now = scene.now();
    scene.catalog.read_at = Some(now);
    scene.catalog.server_version = 150_000;
    scene.catalog.servers.insert(String::new(), server(now));
    scene.catalog.databases.insert("shop".to_owned(), database(now, &snapshot));
    (scene, snapshot)
}

/// Three seconds of a client.
fn round(scene: &mut Scene, turn: u64) {
    let ends = scene.now() + SignedDuration::from_secs(3);
    let id = turn.to_string();
    // Some customers have many orders.
    let ms = if turn.is_multiple_of(10) { 90 } else { 10 };
    let first = [&*id, "20"];
    scene.statement(OF_CUSTOMER).bound(&[20, 20], &first).values(turn).rows(15).work_ms(ms).run();
    for (text, types, value) in [
        (BY_CODE, [25u32], &*id),
        (BY_NAME, [25], "%oda%"),
        (BY_MAIL, [25], "a@example.org"),
        (COUNT, [20], &*id),
    ] {
        scene.statement(text).bound(&types, &[value]).values(turn).work_ms(10).run();
        scene.pause(20);
    }
    scene.statement(EITHER).bound(&[20, 20], &[&id, &id]).values(turn).work_ms(10).run();
    let second = [&*id, "20", "20"];
    scene.statement(PAGE).bound(&[20, 20, 20], &second).values(turn).work_ms(10).run();
    scene.statement(LINES).prepared(0).values(turn).rows(2_000).work_ms(20).run();
    scene.statement(SETTING).prepared(0).values(turn).rows(200).bytes(40_000).work_ms(10).run();
    scene.statement(WITHOUT_ORDERS).work_ms(10).run();
    scene.begin();
    for text in [
        "UPDATE orders SET state = $1 WHERE id = $2",
        "INSERT INTO lines (order_id, note) VALUES ($1, $2)",
    ] {
        scene.statement(text).values(turn).prepared(0).work_ms(2).run();
    }
    scene.commit();
    let rest = ends.duration_since(scene.now()).as_millis();
    scene.pause(u64::try_from(rest).unwrap_or(0));
}

fn server(now: Timestamp) -> ServerFacts {
    let checkpoints = |timed, ago| CheckpointCounters {
        at: now - SignedDuration::from_secs(ago),
        timed,
        requested: 1,
    };
    ServerFacts {
        read_at: Some(now),
        locks_read_at: Some(now),
        role: "pgweir".to_owned(),
        sees_sessions: true,
        settings: ServerSettings {
            autovacuum: true,
            vacuum_threshold: 50.0,
            vacuum_scale_factor: 0.2,
            freeze_max_age: 200_000_000,
            multixact_freeze_max_age: 400_000_000,
            max_wal_bytes: 1 << 30,
            checkpoint_timeout_s: 300.0,
            shared_buffers_bytes: 4 << 30,
        },
        checkpoints: vec![checkpoints(100, 840), checkpoints(103, 0)],
        replicas: vec![ReplicaFacts {
            name: "standby".to_owned(),
            state: "streaming".to_owned(),
            lag_bytes: Some(64 << 10),
            lag_ms: Some(4.0),
        }],
        slots: vec![SlotFacts {
            name: "standby".to_owned(),
            active: true,
            retained_bytes: 1 << 20,
            wal_status: "reserved".to_owned(),
        }],
        horizon: vec![HorizonHolder { pid: 71, age: 20, ..HorizonHolder::default() }],
        ..ServerFacts::default()
    }
}

fn database(now: Timestamp, snapshot: &Snapshot) -> DatabaseFacts {
    let counters = |reading: u64, ago| DatabaseCounters {
        at: now - SignedDuration::from_secs(ago),
        blocks_read: 1_000 * reading,
        blocks_hit: 900_000 * reading,
        temp_files: 3,
        temp_bytes: 4 << 20,
    };
    let upkeep = DatabaseUpkeep {
        frozen_age: 90_000_000,
        multixact_age: 1_000_000,
        counted_since: Some(now - SignedDuration::from_hours(24 * 60)),
        work_mem_bytes: 4 << 20,
        hash_mem_multiplier: 2.0,
        counters: vec![counters(1, 840), counters(2, 0)],
        ..DatabaseUpkeep::default()
    };
    let sequence = SequenceFacts {
        schema: "public".to_owned(),
        name: "lines_id_seq".to_owned(),
        increment: 1,
        least: 1,
        most: i64::from(i32::MAX),
        readable: true,
        last: Some(3_000_000),
        column: Some(SequenceColumn {
            schema: "public".to_owned(),
            table: "lines".to_owned(),
            name: "id".to_owned(),
            type_name: "integer".to_owned(),
        }),
        ..SequenceFacts::default()
    };
    let mut database = shop(tables(now));
    database.hypopg = true;
    database.upkeep = upkeep;
    database.sequences = vec![sequence];
    database.plans =
        snapshot.shapes.iter().filter_map(|(id, shape)| Some((*id, plan(&shape.text)?))).collect();
    database
}

fn tables(now: Timestamp) -> Vec<TableFacts> {
    let mut orders = table("orders", 1e6, &[("id", -1.0), ("customer_id", -0.1), ("state", 5.0)]);
    orders.indexes.push(index(&["customer_id"]));
    let columns = [("id", -1.0), ("code", -1.0), ("name", -0.9), ("mail", -1.0)];
    let mut customers = table("customers", 1e5, &columns);
    for column in &mut customers.columns[1..] {
        column.type_name = "text".to_owned();
    }
    customers.indexes.push(index(&["code"]));
    customers.indexes.push(index(&["(lower(mail))"]));
    customers.indexes.push(IndexFacts { method: "gin".to_owned(), ..index(&["name"]) });
    let mut lines = table("lines", 3e6, &[("id", -1.0), ("order_id", -0.3), ("note", -0.5)]);
    lines.indexes.push(index(&["order_id"]));
    lines.foreign_keys.push(ForeignKeyFacts {
        name: "lines_order_id_fkey".to_owned(),
        columns: vec!["order_id".to_owned()],
        parent_schema: "public".to_owned(),
        parent_table: "orders".to_owned(),
        parent_deleted: 5_000,
    });
    let settings = table("settings", 2e3, &[("id", -1.0), ("value", -1.0)]);
    let mut tables = vec![customers, lines, orders, settings];
    for table in &mut tables {
        look_after(table, now);
    }
    tables
}

/// Fills in what the server counts of a table in good order.
fn look_after(table: &mut TableFacts, now: Timestamp) {
    let hours_ago = |hours| Some(now - SignedDuration::from_hours(hours));
    let rows = table.rows as u64;
    table.index_scans = 900_000;
    table.writes = 400_000;
    table.upkeep = TableUpkeep {
        heap_bytes: rows * 64,
        fill_factor: 100,
        autovacuum: true,
        live_rows: rows,
        dead_rows: rows / 50,
        modified_since_analyze: rows / 30,
        updated: 200_000,
        deleted: 5_000,
        last_vacuum: hours_ago(4),
        last_analyze: hours_ago(4),
        blocks_read: 40_000,
        blocks_hit: 90_000_000,
        ..TableUpkeep::default()
    };
    for column in &mut table.columns {
        column.not_null = true;
        column.null_share = Some(0.0);
        column.commonest_share = Some(0.01);
        column.correlation = Some(0.5);
    }
    for index in &mut table.indexes {
        index.bytes = rows * 24;
        index.scans = 100_000;
        index.entries_read = 1_500_000;
        index.first_seen = hours_ago(24 * 30);
        index.key_options = vec!["1978/0/0".to_owned()];
        index.definition = Some(format!("CREATE INDEX {} ON public.{}", index.name, table.name));
    }
}

/// The plan of a statement: by an index, and the same for any values.
fn plan(text: &str) -> Option<PlanAnswer> {
    let (table, index, rows) = match text {
        OF_CUSTOMER => ("orders", "on_customer_id", 15.0),
        PAGE => ("orders", "on_customer_id", 1.0),
        EITHER => ("orders", "on_id", 1.0),
        BY_CODE => ("customers", "on_code", 1.0),
        BY_NAME => ("customers", "on_name", 1.0),
        BY_MAIL => ("customers", "on_(lower(mail))", 1.0),
        LINES => ("lines", "on_order_id", 2_000.0),
        COUNT => ("lines", "on_order_id", 1.0),
        SETTING => ("settings", "on_id", 200.0),
        _ => return None,
    };
    let text = PlanText { shape: PlanShape(1), cost: 20.0, ..PlanText::default() };
    Some(PlanAnswer {
        cost: Some(20.0),
        rows: Some(rows),
        scans: vec![ScanFacts {
            node: "Index Scan".to_owned(),
            schema: "public".to_owned(),
            table: table.to_owned(),
            rows,
            cost: 18.0,
            filtered: true,
            index: Some(index.to_owned()),
            ..ScanFacts::default()
        }],
        memory: vec![MemoryNode { node: "Sort".to_owned(), rows, bytes: 200e3 }],
        plan: Some(text.clone()),
        generic: Some(text),
        ..PlanAnswer::default()
    })
}

/// The fingerprint of one of the statements.
pub(super) fn fingerprint(text: &str, snapshot: &Snapshot) -> FingerprintId {
    let mut shapes = snapshot.shapes.iter();
    let found = shapes.find(|(_, shape)| &*shape.text == text);
    *found.unwrap_or_else(|| panic!("{text} was not run")).0
}
