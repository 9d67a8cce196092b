//! What the Rust programs share: how they talk to the matrix.

use std::error::Error;
use std::fmt::Debug;

/// Why a feature failed.
pub type Failure = Box<dyn Error + Send + Sync>;
/// How a feature ended: the error text of an absent one begins with [`ABSENT`].
pub type Outcome = Result<(), Failure>;

/// Rows of a COPY.
pub const ROWS: i32 = 10_000;
/// Different prepared statements.
pub const DIFFERENT: i32 = 250;
const ABSENT: &str = "n/a ";

/// A number from the environment.
#[must_use]
pub fn setting(name: &str) -> i32 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(1)
}

/// Fails unless they are equal; long values are shown short.
pub fn same<T: PartialEq<U> + Debug, U: Debug>(got: T, expected: U) -> Outcome {
    if got == expected {
        return Ok(());
    }
    let short = |text: String| text.chars().take(80).collect::<String>();
    Err(format!("expected {}, got {}", short(format!("{expected:?}")), short(format!("{got:?}")))
        .into())
}

/// Fails unless this is an error whose words contain `what`, a SQLSTATE for instance.
pub fn raises<T>(what: &str, result: Result<T, impl Debug>) -> Outcome {
    match result {
        Ok(_) => Err(format!("no error {what}").into()),
        Err(error) if format!("{error:?}").contains(what) => Ok(()),
        Err(error) => Err(format!("no {what} but {error:?}").into()),
    }
}

/// The driver has no such thing.
pub fn absent(why: &str) -> Outcome {
    Err(format!("{ABSENT}{why}").into())
}

/// Lets the matrix look at the console while our connections are open.
pub fn hold(label: &str) {
    println!("hold {label}");
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
}

/// A value that no other client sends.
#[must_use]
pub fn token(client: i32, number: i32) -> String {
    format!("client {client} value {number}")
}

/// 10 MB that no other client sends.
#[must_use]
pub fn big(client: i32) -> String {
    format!("{client:08}").repeat(10 * 1024 * 1024 / 8)
}

/// The feature that is asked for.
#[must_use]
pub fn asked(version: &str) -> String {
    println!("version {version}");
    std::env::args().next_back().unwrap_or_default()
}

/// Tells how it went.
pub fn conclude(outcome: Outcome) {
    match outcome {
        Ok(()) => println!("pass"),
        Err(error) => {
            let text = format!("{error} {error:?}").replace('\n', " ");
            match text.strip_prefix(ABSENT) {
                Some(_) => println!("{error}"),
                None => println!("fail {text}"),
            }
        }
    }
}
