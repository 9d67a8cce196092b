//! What drivers and tools ask before anybody asks anything: DBeaver and PostgreSQL's JDBC driver,
//! Grafana's PostgreSQL data source, psycopg, Npgsql.

use std::sync::Arc;

use super::client::Client;
use super::driver::connect;
use super::live::FakeLive;
use crate::live::Role;

const ASKED: &[&str] = &[
    "SELECT current_schema(),session_user",
    "SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN \
     pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 AND \
     d.classoid='pg_namespace'::regclass ORDER BY nspname",
    "SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE 1 = 1 AND datallowconn AND NOT \
     datistemplate OR db.datname = 'pgweir' ORDER BY db.datname",
    "select * from pg_catalog.pg_settings where name='standard_conforming_strings'",
    "select string_agg(word, ',') from pg_catalog.pg_get_keywords() where word <> ALL \
     ('{a,abs}'::text[])",
    "SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as \
     base_type_name, d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN \
     pg_catalog.pg_type et ON et.oid=t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON \
     c.oid=t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid WHERE \
     t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS \
     NULL OR et.typcategory <> 'C')",
    "SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as \
     partition_expr, pg_catalog.pg_get_partkeydef(c.oid) as partition_key FROM \
     pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND \
     d.objsubid=0 AND d.classoid='pg_class'::regclass WHERE c.relnamespace=2200 AND c.relkind \
     not in ('i','I','c')",
    "SELECT c.relname,a.*,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as \
     def_value,dsc.description,dep.objid FROM pg_catalog.pg_attribute a INNER JOIN \
     pg_catalog.pg_class c ON (a.attrelid=c.oid) LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON \
     (a.attrelid=ad.adrelid AND a.attnum = ad.adnum) LEFT OUTER JOIN \
     pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid) LEFT \
     OUTER JOIN pg_depend dep on dep.refobjid = a.attrelid AND dep.deptype = 'i' and \
     dep.refobjsubid = a.attnum and dep.classid = dep.refclassid WHERE NOT a.attisdropped AND \
     c.oid=16384 ORDER BY a.attnum",
    "SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, c.relname AS TABLE_NAME, CASE \
     n.nspname ~ '^pg_' OR n.nspname = 'information_schema' WHEN true THEN CASE WHEN \
     n.nspname = 'pg_catalog' THEN 'SYSTEM TABLE' ELSE NULL END WHEN false THEN CASE \
     c.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' ELSE NULL END ELSE NULL END AS \
     TABLE_TYPE, d.description AS REMARKS, '' as TYPE_CAT FROM pg_catalog.pg_namespace n, \
     pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND \
     d.objsubid = 0 and d.classoid = 'pg_class'::regclass) WHERE c.relnamespace = n.oid AND \
     (false OR ( c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> \
     'information_schema' )) ORDER BY TABLE_TYPE,TABLE_SCHEM,TABLE_NAME",
    "SELECT * FROM (SELECT n.nspname,c.relname,a.attname,a.atttypid,a.attnotnull OR \
     (t.typtype = 'd' AND t.typnotnull) AS \
     attnotnull,a.atttypmod,a.attlen,t.typtypmod,row_number() OVER (PARTITION BY a.attrelid \
     ORDER BY a.attnum) AS attnum, nullif(a.attidentity, '') as \
     attidentity,nullif(a.attgenerated, '') as attgenerated,pg_catalog.pg_get_expr(def.adbin, \
     def.adrelid) AS adsrc,dsc.description,t.typbasetype,t.typtype FROM \
     pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c ON (c.relnamespace = n.oid) JOIN \
     pg_catalog.pg_attribute a ON (a.attrelid=c.oid) JOIN pg_catalog.pg_type t ON (a.atttypid \
     = t.oid) LEFT JOIN pg_catalog.pg_attrdef def ON (a.attrelid=def.adrelid AND a.attnum = \
     def.adnum) LEFT JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = \
     dsc.objsubid) LEFT JOIN pg_catalog.pg_class dc ON (dc.oid=dsc.classoid AND \
     dc.relname='pg_class') LEFT JOIN pg_catalog.pg_namespace dn ON (dc.relnamespace=dn.oid \
     AND dn.nspname='pg_catalog') WHERE c.relkind in ('r','p','v','f','m') and a.attnum > 0 \
     AND NOT a.attisdropped AND c.relname LIKE 'queries') c WHERE true ORDER BY \
     nspname,c.relname,attnum",
    "SELECT current_setting('server_version_num')::int/100 as version",
    "SELECT extname FROM pg_extension WHERE extname = 'timescaledb'",
    "SELECT CASE WHEN quote_ident(table_schema) IN ('public') THEN quote_ident(table_name) \
     ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS \"table\" FROM \
     information_schema.tables WHERE quote_ident(table_schema) NOT IN \
     ('information_schema','pg_catalog') ORDER BY CASE WHEN quote_ident(table_schema) IN \
     ('public') THEN 0 ELSE 1 END, 1",
    "SELECT quote_ident(column_name) AS \"column\", data_type AS \"type\" FROM \
     information_schema.columns WHERE CASE WHEN array_length(parse_ident('queries'),1) = 2 \
     THEN quote_ident(table_schema) = (parse_ident('queries'))[1] AND \
     quote_ident(table_name) = (parse_ident('queries'))[2] ELSE quote_ident(table_name) = \
     'queries' END",
    "SELECT floor(extract(epoch from minute)/300)*300 AS \"time\", application AS metric, \
     sum(calls) AS value FROM query_minutes WHERE minute BETWEEN '2026-11-30T09:00:00Z' AND \
     '2026-12-01T11:00:00.123Z' GROUP BY 1, 2 ORDER BY 1",
    "SELECT t.oid, typarray FROM pg_type t JOIN pg_namespace ns ON typnamespace = ns.oid \
     WHERE typname = 'hstore'",
    "SELECT typname AS name, oid, typarray AS array_oid, oid::regtype::text AS regtype, \
     typdelim AS delimiter FROM pg_type t WHERE t.oid = to_regtype('text') ORDER BY t.oid",
    "select relname, nspname, relkind from pg_catalog.pg_class c, pg_catalog.pg_namespace n \
     where relkind in ('r', 'v', 'm', 'f', 'p') and n.oid = c.relnamespace and nspname not in \
     ('pg_catalog', 'information_schema', 'pg_toast', 'pg_temp_1') order by nspname, relname",
];

#[tokio::test]
async fn what_tools_ask_is_answered() {
    let live = Arc::new(FakeLive::default());
    let mut client = Client::new(Role::Stats, live.clone());
    let driver = connect(live).await;
    for text in ASKED {
        let lines = client.query(text).await;
        assert!(!lines.iter().any(|line| line.starts_with("ERROR")), "{text}: {lines:?}");
        // The types that were told are those of the rows.
        let rows = driver.query(*text, &[]).await.unwrap();
        let shown = lines.iter().filter(|line| line.starts_with("row ")).count();
        assert_eq!(rows.len(), shown, "{text}");
    }
}

#[tokio::test]
async fn tables_and_columns_are_what_they_find() {
    let mut client = Client::new(Role::Stats, Arc::new(FakeLive::default()));
    let text = "SELECT column_name, data_type FROM information_schema.columns \
                WHERE table_name = 'events' ORDER BY ordinal_position";
    let lines = client.query(text).await;
    assert_eq!(lines[1..4], ["row at|timestamp with time zone", "row kind|text", "row text|text"]);
    let lines = client.query("SELECT current_setting('server_version_num')::int / 100 AS v").await;
    assert_eq!(lines[1], "row 1500");
    let lines = client.query("SELECT 'queries'::regclass::oid, 16384::regclass").await;
    assert_eq!(lines[1], "row 16384|queries");
}
