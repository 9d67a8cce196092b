//! A day's worth of a shop's connects, queries, kills and reloads in half an hour: what pgweir holds
//! ends where it began.

mod errands;
mod holdings;
mod operators;
mod session;
mod shop;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::plan::SoakPlan;
use holdings::{Holdings, quiesce};
use shop::Shop;

/// How far pgweir's own memory, what it has of no file, may grow in the last third of the run, KiB, after
/// everybody has left and what was measured is forgotten. In the long run a leak of 75 bytes for each
/// client, or of 3 bytes for each statement, is more.
const GROWTH_KIB: u64 = 4 * 1024;
/// The same after a short run, which does not wait until memory is at rest.
const UNSETTLED_GROWTH_KIB: u64 = 8 * 1024;
/// How far it may be, after a long run, above what it was before anybody came, KiB: texts known, some
/// thousands of kinds of clients, SQLite's pages, and what lies free between them.
const ABOVE_START_KIB: u64 = 32 * 1024;
/// How far beyond `history_size` the history's files may go, bytes: SQLite's log of what is not
/// written back yet.
const BEYOND_HISTORY_SIZE: u64 = 8 << 20;

/// Where the run is looked at, in percent of its time. The parts are as long as each other, so that as
/// many minutes are in memory at the end of each.
const LOOKS: [(&str, u32); 3] = [("first", 34), ("second", 67), ("third", 100)];

/// Runs the day, and gives what is wrong afterwards, and a report.
pub(crate) async fn run(plan: SoakPlan) -> (Vec<String>, String) {
    let mut shop = Shop::open(plan).await;
    let before = quiesce(&shop, None).await.unwrap_or_else(|problem| panic!("{problem}"));
    let mut looks = vec![("start", before)];
    let mut report = vec![plan.to_string(), format!("{:>6} start   {}", 0, looks[0].1)];
    let mut failures = Vec::new();
    let began = Instant::now();
    let mut spent = 0;
    for (name, percent) in LOOKS {
        let phase = plan.length() * (percent - spent) / 100;
        spent = percent;
        shop = trade(shop, phase, began, &mut report).await;
        let seconds = began.elapsed().as_secs();
        match quiesce(&shop, Some(&before)).await {
            Ok(found) => {
                report.push(format!("{seconds:>6} {name:7} {found}"));
                looks.push((name, found));
            }
            Err(problem) => {
                report.push(format!("{seconds:>6} {name:7} {problem}"));
                failures.push(format!("{name}: {problem}"));
                break;
            }
        }
    }
    failures.extend(verdict(&shop, &looks));
    report.push(shop.ledger.to_string());
    failures.extend(shop.ledger.missing());
    failures.extend(shop.ledger.wrong());
    if !failures.is_empty() {
        failures.push(shop.proxy().log().lines().rev().take(40).collect::<Vec<_>>().join("\n"));
    }
    (failures, report.join("\n"))
}

/// All of the shop's people and machines at once, for so long.
async fn trade(mut shop: Shop, length: Duration, began: Instant, report: &mut Vec<String>) -> Shop {
    shop.open_until(Instant::now() + length);
    let shop = Arc::new(shop);
    let mut busy = JoinSet::new();
    operators::start(&shop, &mut busy);
    session::start(&shop, &mut busy);
    let mut tick = tokio::time::interval(shop.plan.look_every());
    tick.tick().await;
    loop {
        tokio::select! {
            done = busy.join_next() => match done {
                Some(done) => done.unwrap_or_else(|error| panic!("{error}")),
                None => break,
            },
            _ = tick.tick() => {
                let now = Holdings::of_process(&shop);
                let line = format!("{:>6}         {now}", began.elapsed().as_secs());
                eprintln!("{line}");
                report.push(line);
            }
        }
    }
    drop(busy);
    Arc::into_inner(shop).unwrap_or_else(|| panic!("somebody has not gone home"))
}

/// What has grown that must not.
fn verdict(shop: &Shop, looks: &[(&str, Holdings)]) -> Vec<String> {
    let mut failures = Vec::new();
    let find = |name: &str| looks.iter().find(|(found, _)| *found == name).map(|(_, one)| one);
    if let (Some(before), Some(after)) = (find("second"), find("third")) {
        let grown = after.anonymous_kib.saturating_sub(before.anonymous_kib);
        let most = if shop.plan.is_long() { GROWTH_KIB } else { UNSETTLED_GROWTH_KIB };
        if grown > most {
            failures
                .push(format!("memory grew by {grown} KiB in the last third, more than {most}"));
        }
    }
    if let (Some(before), Some(after)) = (find("start"), find("third"))
        && shop.plan.is_long()
    {
        let above = after.anonymous_kib.saturating_sub(before.anonymous_kib);
        if above > ABOVE_START_KIB {
            failures.push(format!(
                "memory is {above} KiB above what it was at the start, more than {ABOVE_START_KIB}"
            ));
        }
    }
    for (name, one) in looks {
        let most = shop.plan.history_bytes() + BEYOND_HISTORY_SIZE;
        if one.history_bytes > most {
            failures.push(format!("{name}: the history has {} bytes", one.history_bytes));
        }
    }
    failures
}
