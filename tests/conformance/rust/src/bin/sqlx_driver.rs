//! sqlx: a pool that prepares everything and asks the catalogue for types.

use std::time::Duration;

use pgweir_conformance::{
    DIFFERENT, Failure, Outcome, ROWS, absent, asked, big, conclude, hold, raises, same, setting,
    token,
};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolCopyExt, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool, Row};

fn options() -> Result<PgConnectOptions, Failure> {
    Ok(std::env::var("DATABASE_URL")?.parse::<PgConnectOptions>()?)
}

async fn client() -> Result<PgConnection, Failure> {
    Ok(PgConnection::connect_with(&options()?).await?)
}

async fn pool(size: u32) -> Result<PgPool, Failure> {
    let pool = PgPoolOptions::new().max_connections(size).acquire_timeout(Duration::from_secs(60));
    Ok(pool.connect_with(options()?.application_name("conformance")).await?)
}

async fn text(conn: &mut PgConnection, sql: &'static str) -> Result<String, Failure> {
    Ok(sqlx::query_scalar(sql).fetch_one(conn).await?)
}

async fn echo(conn: &mut PgConnection, token: String) -> Outcome {
    let got: String =
        sqlx::query_scalar("SELECT $1::text").bind(token.clone()).fetch_one(conn).await?;
    same(got, token)
}

#[derive(Debug, PartialEq, sqlx::Type)]
#[sqlx(type_name = "mood", rename_all = "lowercase")]
enum Mood {
    Calm,
    Tired,
}

async fn connect() -> Outcome {
    let usual = options()?.application_name("conformance").statement_cache_capacity(50);
    let usual =
        usual.options([("search_path", "elsewhere,public"), ("statement_timeout", "12345")]);
    let mut one = PgConnection::connect_with(&usual).await?;
    same(text(&mut one, "SHOW application_name").await?, "conformance")?;
    same(text(&mut one, "SHOW statement_timeout").await?, "12345ms")?;
    same(text(&mut one, "SELECT name FROM place").await?, "elsewhere")?;
    // A type that it does not know is asked for from the catalogue.
    let kind: Mood = sqlx::query_scalar("SELECT $1").bind(Mood::Tired).fetch_one(&mut one).await?;
    same(kind, Mood::Tired)?;
    same(text(&mut client().await?, "SELECT name FROM place").await?, "public")?;
    one.ping().await?;
    hold("end");
    Ok(())
}

async fn prepared() -> Outcome {
    let (mut one, mut other) = (client().await?, client().await?);
    for number in 0..10 {
        for (conn, me) in [(&mut one, 1), (&mut other, 2)] {
            let mut transaction = conn.begin().await?;
            echo(&mut transaction, token(me, number)).await?;
            transaction.commit().await?;
        }
    }
    // Its cache holds 100: it closes the oldest.
    for _ in 0..2 {
        for number in 0..DIFFERENT {
            let sql = format!("SELECT $1::int + {number}");
            let got: i32 =
                sqlx::query_scalar(AssertSqlSafe(sql)).bind(1).fetch_one(&mut one).await?;
            same(got, number + 1)?;
        }
    }
    echo(&mut one, "again".into()).await?;
    one.clear_cached_statements().await?;
    echo(&mut one, "and again".into()).await?;
    hold("end");
    Ok(())
}

async fn transactions() -> Outcome {
    let (mut one, mut other) = (client().await?, client().await?);
    let count = "SELECT count(*)::text FROM item WHERE owner = -1";
    let add = "INSERT INTO item (owner, note) VALUES (-1, $1)";
    let mut transaction = one.begin().await?;
    sqlx::query(add).bind("kept").execute(&mut *transaction).await?;
    same(text(&mut other, count).await?, "0")?;
    let mut savepoint = transaction.begin().await?;
    sqlx::query(add).bind("lost").execute(&mut *savepoint).await?;
    raises("22012", sqlx::query("SELECT 1 / $1").bind(0).execute(&mut *savepoint).await)?;
    savepoint.rollback().await?;
    transaction.commit().await?;
    same(text(&mut other, count).await?, "1")?;
    let mut dropped = one.begin().await?;
    sqlx::query(add).bind("lost").execute(&mut *dropped).await?;
    drop(dropped);
    same(text(&mut one, count).await?, "1")?;
    sqlx::query("DELETE FROM item WHERE owner < 0").execute(&mut one).await?;
    hold("end");
    Ok(())
}

async fn pipeline() -> Outcome {
    let mut conn = client().await?;
    let sql = "INSERT INTO item (owner, note) VALUES (-3, 'a'); SELECT 1 / 0; SELECT 2";
    raises("22012", conn.execute(sqlx::raw_sql(sql)).await)?;
    raises("22012", sqlx::query("SELECT 1 / $1").bind(0).fetch_all(&mut conn).await)?;
    same(text(&mut conn, "SELECT count(*)::text FROM item WHERE owner = -3").await?, "0")?;
    hold("end");
    Ok(())
}

async fn copy() -> Outcome {
    let pool = pool(1).await?;
    let rows: String =
        (0..ROWS).map(|number| format!("{number}\t{}\n", token(0, number))).collect();
    let mut writer = pool.copy_in_raw("COPY bulk (id, note) FROM STDIN").await?;
    writer.send(rows.as_bytes()).await?;
    same(writer.finish().await?, ROWS as u64)?;
    let mut reader = pool.copy_out_raw("COPY (SELECT * FROM bulk ORDER BY id) TO STDOUT").await?;
    let mut out = Vec::new();
    while let Some(chunk) = futures_util::TryStreamExt::try_next(&mut reader).await? {
        out.extend_from_slice(&chunk);
    }
    same(out == rows.into_bytes(), true)?;
    drop(reader);
    let mut writer = pool.copy_in_raw("COPY bulk (id, note) FROM STDIN").await?;
    writer.send(&b"1\tgiven up\n"[..]).await?;
    writer.abort("given up").await?;
    let mut writer = pool.copy_in_raw("COPY bulk (id, note) FROM STDIN").await?;
    writer.send(&b"not a number\tx\n"[..]).await?;
    raises("22P02", writer.finish().await)?;
    sqlx::query("TRUNCATE bulk").execute(&pool).await?;
    echo(&mut *pool.acquire().await?, token(0, 0)).await?;
    hold("end");
    Ok(())
}

async fn large() -> Outcome {
    let (mut one, mut other) = (client().await?, client().await?);
    echo(&mut one, big(1)).await?;
    echo(&mut other, big(2)).await?;
    hold("end");
    Ok(())
}

async fn set() -> Outcome {
    let (mut one, mut other) = (client().await?, client().await?);
    one.execute("SET search_path TO elsewhere, public").await?;
    one.execute("SET TIME ZONE 'Asia/Tokyo'; SET statement_timeout = '54321ms'").await?;
    let config = sqlx::query("SELECT set_config($1, $2, false)").bind("work_mem").bind("7MB");
    config.execute(&mut one).await?;
    for _ in 0..5 {
        let mut transaction = other.begin().await?;
        same(text(&mut one, "SELECT name FROM place").await?, "elsewhere")?;
        same(text(&mut transaction, "SELECT name FROM place").await?, "public")?;
        same(text(&mut one, "SHOW TimeZone").await?, "Asia/Tokyo")?;
        transaction.commit().await?;
        same(text(&mut one, "SHOW statement_timeout").await?, "54321ms")?;
        same(text(&mut one, "SHOW work_mem").await?, "7MB")?;
        same(text(&mut other, "SHOW statement_timeout").await?, "0")?;
        same(text(&mut other, "SHOW work_mem").await?, "4MB")?;
    }
    let mut transaction = one.begin().await?;
    transaction.execute("SET search_path TO public").await?;
    transaction.rollback().await?;
    same(text(&mut one, "SELECT name FROM place").await?, "elsewhere")?;
    hold("end");
    Ok(())
}

async fn notify() -> Outcome {
    let pool = pool(2).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen("news").await?;
    hold("listening");
    sqlx::query("SELECT pg_notify('news', $1)").bind(token(0, 0)).execute(&pool).await?;
    let heard = tokio::time::timeout(Duration::from_secs(10), listener.recv()).await??;
    same(heard.payload(), token(0, 0))?;
    listener.unlisten_all().await?;
    hold("end");
    Ok(())
}

async fn temp() -> Outcome {
    let (mut one, mut other) = (client().await?, client().await?);
    one.execute("CREATE TEMP TABLE cart (note text)").await?;
    for number in 0..5 {
        sqlx::query("INSERT INTO cart VALUES ($1)")
            .bind(token(0, number))
            .execute(&mut one)
            .await?;
        same(text(&mut other, "SELECT (to_regclass('cart') IS NULL)::text").await?, "true")?;
    }
    same(text(&mut one, "SELECT count(*)::text FROM cart").await?, "5")?;
    hold("temp");
    one.execute("DROP TABLE cart").await?;
    one.execute("DISCARD TEMP").await?;
    hold("end");
    Ok(())
}

async fn share_of(pool: PgPool, me: i32) -> Outcome {
    for number in 0..setting("ROUNDS") {
        echo(&mut *pool.acquire().await?, token(me, number)).await?;
        let mut transaction = pool.begin().await?;
        let add = sqlx::query_scalar(
            "INSERT INTO item (owner, note, kind) VALUES ($1, $2, $3) RETURNING id",
        );
        let add = add.bind(me).bind(token(me, number)).bind(Mood::Tired);
        let item: i64 = add.fetch_one(&mut *transaction).await?;
        let mut savepoint = transaction.begin().await?;
        raises("22012", sqlx::query("SELECT 1 / $1").bind(0).execute(&mut *savepoint).await)?;
        savepoint.rollback().await?;
        let line = sqlx::query("INSERT INTO line (item_id, quantity) VALUES ($1, 3)").bind(item);
        line.execute(&mut *transaction).await?;
        transaction.commit().await?;
        let join = sqlx::query(
            "SELECT note, quantity, kind FROM item JOIN line ON item_id = item.id WHERE owner = $1",
        );
        let row = join.bind(me).fetch_one(&pool).await?;
        same((row.get::<String, _>(0), row.get::<i32, _>(1)), (token(me, number), 3))?;
        same(row.get::<Mood, _>(2), Mood::Tired)?;
        sqlx::query("DELETE FROM item WHERE id = $1").bind(item).execute(&pool).await?;
    }
    Ok(())
}

async fn share() -> Outcome {
    let clients = setting("CLIENTS");
    let pool = pool(clients.unsigned_abs()).await?;
    let tasks: Vec<_> = (0..clients).map(|me| tokio::spawn(share_of(pool.clone(), me))).collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

#[tokio::main]
async fn main() {
    let feature = asked("0.9.0");
    conclude(match feature.as_str() {
        "connect" => connect().await,
        "prepared" => prepared().await,
        "transactions" => transactions().await,
        "pipeline" => pipeline().await,
        "copy" => copy().await,
        "cancel" => absent("it has no way to cancel"),
        "large" => large().await,
        "set" => set().await,
        "notify" => notify().await,
        "temp" => temp().await,
        "share" => share().await,
        _ => absent("a driver, not an ORM"),
    });
}
