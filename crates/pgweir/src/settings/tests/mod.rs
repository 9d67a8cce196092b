//! What files, environments and flags become.

mod access;
mod authentication;
mod detection;
mod fleet;
mod history;
mod hosts;
mod limits;
mod monitoring;
mod pgbouncer;
mod places;
mod reference;
mod tcp;
mod tls;
mod unix_socket;
mod values;

use std::path::Path;

use super::{Resolved, Settings, Written};

fn file(contents: &str) -> Written {
    let mut written = Written::default();
    written.add_file(Path::new("pgweir.toml"), contents);
    written
}

fn url(url: &str) -> Written {
    let mut written = Written::default();
    written.add_urls(&[url.to_owned()]);
    written
}

fn used(written: Written) -> Settings {
    resolved(written).settings
}

fn resolved(written: Written) -> Resolved {
    written.resolve().unwrap_or_else(|error| panic!("should be right: {error}"))
}

/// The problems, one a line.
fn wrong(written: Written) -> String {
    match written.resolve() {
        Ok(_) => panic!("should have been refused"),
        Err(error) => error.to_string(),
    }
}
