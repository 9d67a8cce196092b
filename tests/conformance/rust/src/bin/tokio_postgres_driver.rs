//! tokio-postgres: everything prepared, everything pipelined.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt, future, pin_mut, stream};
use pgweir_conformance::{
    DIFFERENT, Failure, Outcome, ROWS, absent, asked, big, conclude, hold, raises, same, setting,
    token,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Notification};

fn config() -> Config {
    std::env::var("DATABASE_URL").unwrap_or_default().parse().unwrap_or_default()
}

async fn open(config: Config) -> Result<(Client, UnboundedReceiver<Notification>), Failure> {
    let (client, mut connection) = config.connect(NoTls).await?;
    let (heard, notifications) = unbounded_channel();
    tokio::spawn(async move {
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(notification) = message {
                let _ = heard.send(notification);
            }
        }
    });
    Ok((client, notifications))
}

async fn client() -> Result<Client, Failure> {
    Ok(open(config()).await?.0)
}

async fn text(client: &Client, sql: &str) -> Result<String, Failure> {
    Ok(client.query_one(sql, &[]).await?.get(0))
}

async fn echo(client: &Client, token: &str) -> Outcome {
    let row = client.query_one("SELECT $1::text", &[&token]).await?;
    same(row.get::<_, &str>(0), token)
}

async fn connect() -> Outcome {
    let mut usual = config();
    usual
        .application_name("conformance")
        .options("-c search_path=elsewhere -c statement_timeout=12345");
    usual.connect_timeout(Duration::from_secs(5)).keepalives(true);
    let (one, _) = open(usual).await?;
    same(text(&one, "SHOW application_name").await?, "conformance")?;
    same(text(&one, "SHOW statement_timeout").await?, "12345ms")?;
    same(text(&one, "SELECT name FROM place").await?, "elsewhere")?;
    same(text(&client().await?, "SELECT name FROM place").await?, "public")?;
    // A type that it does not know is asked for from the catalogue.
    let kind = one.query_one("SELECT 'tired'::public.mood", &[]).await?;
    same(kind.columns()[0].type_().name(), "mood")?;
    hold("end");
    Ok(())
}

async fn prepared() -> Outcome {
    let (mut one, mut other) = (client().await?, client().await?);
    let (mine, theirs) =
        (one.prepare("SELECT $1::text AS t").await?, other.prepare("SELECT $1::text AS t").await?);
    for number in 0..10 {
        for (client, statement, me) in [(&mut one, &mine, 1), (&mut other, &theirs, 2)] {
            let transaction = client.transaction().await?;
            let row = transaction.query_one(statement, &[&token(me, number)]).await?;
            same(row.get::<_, String>(0), token(me, number))?;
            transaction.commit().await?;
        }
    }
    let mut kept = Vec::new();
    for number in 0..DIFFERENT {
        kept.push(one.prepare(&format!("SELECT $1::int + {number}")).await?);
    }
    for (number, statement) in (0..).zip(&kept) {
        same(one.query_one(statement, &[&1]).await?.get::<_, i32>(0), number + 1)?;
    }
    // Dropping them closes them, at some later time.
    drop(kept);
    same(one.query_one(&mine, &[&"again"]).await?.get::<_, String>(0), "again")?;
    hold("end");
    Ok(())
}

async fn transactions() -> Outcome {
    let (mut one, other) = (client().await?, client().await?);
    let count = "SELECT count(*)::text FROM item WHERE owner = -1";
    let add = "INSERT INTO item (owner, note) VALUES (-1, $1)";
    let mut transaction = one.transaction().await?;
    transaction.execute(add, &[&"kept"]).await?;
    same(text(&other, count).await?, "0")?;
    let savepoint = transaction.savepoint("a").await?;
    savepoint.execute(add, &[&"lost"]).await?;
    raises("22012", savepoint.query("SELECT 1 / $1::int", &[&0]).await)?;
    savepoint.rollback().await?;
    transaction.commit().await?;
    same(text(&other, count).await?, "1")?;
    // Dropped: rolled back.
    one.transaction().await?.execute(add, &[&"lost"]).await?;
    same(text(&one, count).await?, "1")?;
    let transaction = one.transaction().await?;
    let portal = transaction.bind("SELECT generate_series(1, 20)", &[]).await?;
    let mut seen = 0;
    loop {
        let rows = transaction.query_portal(&portal, 7).await?;
        seen += rows.len();
        if rows.is_empty() {
            break;
        }
    }
    same(seen, 20)?;
    transaction.commit().await?;
    one.batch_execute("DELETE FROM item WHERE owner < 0").await?;
    hold("end");
    Ok(())
}

async fn pipeline() -> Outcome {
    let client = client().await?;
    let divide = client.prepare("SELECT 100 / $1::int").await?;
    let divisors: Vec<i32> = (0..40).map(|n| n % 8).collect();
    let answers = future::join_all(divisors.iter().map(|by| {
        let (client, divide) = (&client, &divide);
        async move { client.query_one(divide, &[by]).await }
    }));
    for (by, answer) in divisors.iter().zip(answers.await) {
        match by {
            0 => raises("22012", answer)?,
            by => same(answer?.get::<_, i32>(0), 100 / by)?,
        }
    }
    let text = "INSERT INTO item (owner, note) VALUES (-3, 'a'); SELECT 1 / 0; SELECT 2";
    raises("22012", client.batch_execute(text).await)?;
    same(self::text(&client, "SELECT count(*)::text FROM item WHERE owner = -3").await?, "0")?;
    hold("end");
    Ok(())
}

async fn copy() -> Outcome {
    let client = client().await?;
    let rows: String =
        (0..ROWS).map(|number| format!("{number}\t{}\n", token(0, number))).collect();
    let sink = client.copy_in("COPY bulk (id, note) FROM STDIN").await?;
    pin_mut!(sink);
    sink.send(std::io::Cursor::new(rows.clone().into_bytes())).await?;
    same(sink.finish().await?, ROWS as u64)?;
    let reader = client.copy_out("COPY (SELECT * FROM bulk ORDER BY id) TO STDOUT").await?;
    pin_mut!(reader);
    let mut out = Vec::new();
    while let Some(chunk) = reader.next().await {
        out.extend_from_slice(&chunk?);
    }
    same(out == rows.into_bytes(), true)?;
    let sink = client.copy_in("COPY bulk (id, note) FROM STDIN").await?;
    pin_mut!(sink);
    let sent = sink.send(std::io::Cursor::new(b"not a number\tx\n".to_vec())).await;
    raises(
        "22P02",
        match sent {
            Ok(()) => sink.finish().await.map(|_| ()),
            Err(error) => Err(error),
        },
    )?;
    client.batch_execute("TRUNCATE bulk").await?;
    echo(&client, &token(0, 0)).await?;
    hold("end");
    Ok(())
}

async fn cancel() -> Outcome {
    let client = client().await?;
    let cancel = client.cancel_token();
    let canceller = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel_query(NoTls).await
    });
    raises("57014", client.query("SELECT pg_sleep(30)", &[]).await)?;
    canceller.await??;
    echo(&client, &token(0, 0)).await?;
    hold("end");
    Ok(())
}

async fn large() -> Outcome {
    let (one, other) = (client().await?, client().await?);
    echo(&one, &big(1)).await?;
    echo(&other, &big(2)).await?;
    hold("end");
    Ok(())
}

async fn set() -> Outcome {
    let (one, mut other) = (client().await?, client().await?);
    let plain = text(&other, "SHOW TimeZone").await?;
    one.batch_execute("SET search_path TO elsewhere, public; SET TIME ZONE 'Asia/Tokyo'").await?;
    one.execute("SET statement_timeout = '54321ms'", &[]).await?;
    one.query("SELECT set_config($1, $2, false)", &[&"work_mem", &"7MB"]).await?;
    let transaction = other.transaction().await?;
    transaction.batch_execute("SET LOCAL search_path = elsewhere").await?;
    transaction.commit().await?;
    for _ in 0..5 {
        let transaction = other.transaction().await?;
        same(text(&one, "SELECT name FROM place").await?, "elsewhere")?;
        same(
            transaction.query_one("SELECT name FROM place", &[]).await?.get::<_, String>(0),
            "public",
        )?;
        same(text(&one, "SHOW TimeZone").await?, "Asia/Tokyo")?;
        same(transaction.query_one("SHOW TimeZone", &[]).await?.get::<_, &str>(0), plain.as_str())?;
        transaction.commit().await?;
        same(text(&one, "SHOW statement_timeout").await?, "54321ms")?;
        same(text(&one, "SHOW work_mem").await?, "7MB")?;
        same(text(&other, "SHOW statement_timeout").await?, "0")?;
        same(text(&other, "SHOW work_mem").await?, "4MB")?;
    }
    one.batch_execute("BEGIN; SET search_path TO public; ROLLBACK").await?;
    same(text(&one, "SELECT name FROM place").await?, "elsewhere")?;
    one.batch_execute("RESET ALL").await?;
    same(text(&one, "SELECT name FROM place").await?, "public")?;
    hold("end");
    Ok(())
}

async fn notify() -> Outcome {
    let (one, mut heard) = open(config()).await?;
    let other = client().await?;
    one.batch_execute("LISTEN news").await?;
    hold("listening");
    other.execute("SELECT pg_notify('news', $1)", &[&token(0, 0)]).await?;
    let notification = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await?;
    same(notification.map(|one| one.payload().to_owned()), Some(token(0, 0)))?;
    one.batch_execute("UNLISTEN *").await?;
    echo(&one, &token(0, 1)).await?;
    hold("end");
    Ok(())
}

async fn temp() -> Outcome {
    let (one, other) = (client().await?, client().await?);
    one.batch_execute("CREATE TEMP TABLE cart (note text)").await?;
    for number in 0..5 {
        one.execute("INSERT INTO cart VALUES ($1)", &[&token(0, number)]).await?;
        same(text(&other, "SELECT (to_regclass('cart') IS NULL)::text").await?, "true")?;
    }
    same(text(&one, "SELECT count(*)::text FROM cart").await?, "5")?;
    hold("temp");
    one.batch_execute("DROP TABLE cart").await?;
    one.batch_execute("DISCARD ALL").await?;
    hold("end");
    Ok(())
}

async fn share_of(me: i32) -> Outcome {
    let mut usual = config();
    usual.application_name("conformance");
    let (mut client, _heard) = open(usual).await?;
    let add = client.prepare("INSERT INTO item (owner, note) VALUES ($1, $2) RETURNING id").await?;
    let join = client
        .prepare("SELECT note, quantity FROM item JOIN line ON item_id = item.id WHERE owner = $1")
        .await?;
    for number in 0..setting("ROUNDS") {
        echo(&client, &token(me, number)).await?;
        let mut transaction = client.transaction().await?;
        let item: i64 = transaction.query_one(&add, &[&me, &token(me, number)]).await?.get(0);
        let savepoint = transaction.savepoint("a").await?;
        raises("22012", savepoint.query("SELECT 1 / $1::int", &[&0]).await)?;
        savepoint.rollback().await?;
        transaction
            .execute("INSERT INTO line (item_id, quantity) VALUES ($1, 3)", &[&item])
            .await?;
        transaction.commit().await?;
        let row = client.query_one(&join, &[&me]).await?;
        same((row.get::<_, String>(0), row.get::<_, i32>(1)), (token(me, number), 3))?;
        client.execute("DELETE FROM item WHERE id = $1", &[&item]).await?;
    }
    Ok(())
}

async fn share() -> Outcome {
    let tasks: Vec<_> = (0..setting("CLIENTS")).map(|me| tokio::spawn(share_of(me))).collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

#[tokio::main]
async fn main() {
    let feature = asked("0.7.18");
    conclude(match feature.as_str() {
        "connect" => connect().await,
        "prepared" => prepared().await,
        "transactions" => transactions().await,
        "pipeline" => pipeline().await,
        "copy" => copy().await,
        "cancel" => cancel().await,
        "large" => large().await,
        "set" => set().await,
        "notify" => notify().await,
        "temp" => temp().await,
        "share" => share().await,
        _ => absent("a driver, not an ORM"),
    });
}
