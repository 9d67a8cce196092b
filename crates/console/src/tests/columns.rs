//! PgBouncer's columns, written down a second time: exporters and agents read them by name.

use super::client::Client;
use crate::live::Role;
use crate::show;
use crate::statement::Arguments;
use crate::table::{Kind, Value};

/// Names by table; `#` marks int4, `~` numeric, `+` int8, `.` float8, `!` bool, none text.
const EXPECTED: [(&str, &str); 24] = [
    (
        "pools",
        "database user #cl_active #cl_waiting #cl_active_cancel_req #cl_waiting_cancel_req \
         #sv_active #sv_active_cancel #sv_being_canceled #sv_idle #sv_used #sv_tested #sv_login \
         #maxwait #maxwait_us pool_mode load_balance_hosts #cl_pinned +xact_count \
         +pinned_xact_count .wait_p95_ms",
    ),
    (
        "stats",
        "database ~total_server_assignment_count ~total_xact_count ~total_query_count \
         ~total_received ~total_sent ~total_xact_time ~total_query_time ~total_wait_time \
         ~total_client_parse_count ~total_server_parse_count ~total_bind_count \
         ~avg_server_assignment_count ~avg_xact_count ~avg_query_count ~avg_recv ~avg_sent \
         ~avg_xact_time ~avg_query_time ~avg_wait_time ~avg_client_parse_count \
         ~avg_server_parse_count ~avg_bind_count",
    ),
    (
        "stats_totals",
        "database ~server_assignment_count ~xact_count ~query_count ~bytes_received ~bytes_sent \
         ~xact_time ~query_time ~wait_time ~client_parse_count ~server_parse_count ~bind_count",
    ),
    (
        "stats_averages",
        "database ~server_assignment_count ~xact_count ~query_count ~bytes_received ~bytes_sent \
         ~xact_time ~query_time ~wait_time ~avg_client_parse_count \
         ~avg_server_parse_count ~avg_bind_count",
    ),
    (
        "clients",
        "type user database replication state addr #port local_addr #local_port connect_time \
         request_time #wait #wait_us #close_needed ptr link #remote_pid tls application_name \
         #prepared_statements #id pinned fingerprint activity activity_time",
    ),
    (
        "servers",
        "type user database replication state addr #port local_addr #local_port connect_time \
         request_time #wait #wait_us #close_needed ptr link #remote_pid tls application_name \
         #prepared_statements #id pinned fingerprint activity activity_time host",
    ),
    (
        "databases",
        "name host #port database force_user #pool_size #min_pool_size #reserve_pool_size \
         #server_lifetime pool_mode load_balance_hosts #max_connections #current_connections \
         #max_client_connections #current_client_connections #paused #disabled \
         target_session_attrs",
    ),
    (
        "hosts",
        "host #port address state role !read_only .lag_ms +timeline check_time \
         #current_connections databases last_error",
    ),
    ("totals", "name ~value"),
    ("sockets", SOCKETS),
    ("active_sockets", SOCKETS),
    ("dns_hosts", "hostname +ttl addrs"),
    ("dns_zones", "zonename +serial #count"),
    ("mem", "name #size #used #free #memtotal"),
    ("lists", "list #items"),
    ("config", "key value default changeable"),
    (
        "users",
        "name pool_size reserve_pool_size pool_mode #max_user_connections #current_connections \
         #max_user_client_connections #current_client_connections",
    ),
    ("peers", "#peer_id host #port #pool_size"),
    (
        "peer_pools",
        "#peer_id #cl_active_cancel_req #cl_waiting_cancel_req #sv_active_cancel #sv_login",
    ),
    ("state", "key value"),
    ("version", "version"),
    (
        "queries",
        "+rank fingerprint database user application +calls +errors +rows +bytes .total_ms \
         .mean_ms .p50_ms .p95_ms .p99_ms .max_ms .wait_ms text tags",
    ),
    ("findings", "severity detector title why fix undo confidence database tables fingerprints"),
    ("report", "report"),
];

const SOCKETS: &str = "type user database replication state addr #port local_addr #local_port \
                       connect_time request_time #wait #wait_us #close_needed ptr link #remote_pid \
                       tls application_name #prepared_statements #id #recv_pos #pkt_pos #pkt_remain \
                       #send_pos #send_remain #pkt_avail #send_avail";

/// Tables of what pgweir does not have.
const EMPTY: [&str; 3] = ["dns_hosts", "dns_zones", "mem"];

#[tokio::test]
async fn every_table_has_its_columns_in_order_and_of_their_types() {
    let mut client = Client::admin();
    assert_eq!(show::ALL.len(), EXPECTED.len(), "a table is missing here");
    for (name, columns) in EXPECTED {
        let described = columns.split_whitespace().map(|column| {
            let mut characters = column.chars();
            let (name, oid) = match characters.next() {
                Some('#') => (characters.as_str(), 23),
                Some('~') => (characters.as_str(), 1700),
                Some('+') => (characters.as_str(), 20),
                Some('!') => (characters.as_str(), 16),
                Some('.') => (characters.as_str(), 701),
                _ => (column, 25),
            };
            format!("{name}:{oid}:0")
        });
        let described = described.collect::<Vec<_>>().join(" ");
        let lines = client.query(&format!("SHOW {name}")).await;
        assert_eq!(lines[0], format!("columns {described}"), "{name}");
    }
}

#[tokio::test]
async fn every_row_has_a_value_of_its_columns_kind_in_every_column() {
    let live = super::live::FakeLive::default();
    for show in show::ALL {
        let table = show.table(&live, &Arguments::default(), Role::Admin).await.unwrap();
        assert_eq!(table.rows.is_empty(), EMPTY.contains(&show.name), "{}", show.name);
        for row in &table.rows {
            assert_eq!(row.len(), table.columns.len(), "{}", show.name);
            for (value, column) in row.iter().zip(&table.columns) {
                let kind = match value {
                    Value::Null => column.kind,
                    Value::Text(_) => Kind::Text,
                    Value::Int4(_) => Kind::Int4,
                    Value::Int8(_) => Kind::Int8,
                    Value::Float8(_) => Kind::Float8,
                    Value::Numeric(_) => Kind::Numeric,
                    Value::Bool(_) => Kind::Bool,
                    Value::Date(_) => Kind::Date,
                    Value::Time(_) => Kind::Timestamptz,
                    Value::Interval(_) => Kind::Interval,
                };
                assert_eq!(kind, column.kind, "{} {}", show.name, column.name);
            }
        }
    }
}
