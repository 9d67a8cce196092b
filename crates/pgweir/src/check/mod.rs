//! `pgweir check`: what the settings come to, and whether the servers let pgweir in.

mod document;
mod roles;
mod servers;
mod text;

use anyhow::anyhow;

use crate::cli::{CheckArguments, print};
use document::Document;

/// Reads the settings, asks the servers, and prints what came of it.
///
/// # Errors
/// Settings that are wrong, and a server that does not let pgweir in: the exit status is 1 then.
pub async fn run(arguments: &CheckArguments) -> anyhow::Result<()> {
    let file = arguments.run.file_read(std::env::vars_os());
    let file = file.map(|file| file.display().to_string());
    let resolved = match arguments.run.settings(std::env::vars_os()) {
        Ok(resolved) => resolved,
        Err(error) if arguments.json => {
            let mut document = Document::of_problems(&error);
            document.file = file;
            print(&mut std::io::stdout().lock(), &document.json()?)?;
            return Err(anyhow!("the settings are wrong: {} problems", error.problems.len()));
        }
        Err(error) => return Err(error.into()),
    };
    let mut document = Document::of(&resolved);
    document.file = file;
    if !arguments.offline {
        document.servers = servers::ask(&resolved.settings).await;
        document.ok = document.failed() == 0;
    }
    let text = if arguments.json { document.json()? } else { text::render(&document) };
    print(&mut std::io::stdout().lock(), &text)?;
    match document.failed() {
        0 => Ok(()),
        1 => Err(anyhow!("a server does not let pgweir in")),
        failed => Err(anyhow!("{failed} logins to servers failed")),
    }
}
