//! From tokens to a [`Statement`].

use model::Command;

use super::command::command;
use super::lexer::Lexed;
use super::query::{SHOWN_BY_SQL, explain, query, shown_by_sql};
use super::set::set;
use super::{Names, Sql, Statement, Token, TransactionControl};
use crate::parameters;
use crate::refusal::{self, Refusal};
use crate::show;

/// Reads one statement.
pub(super) fn statement(lexed: &Lexed<'_>, names: &Names<'_>) -> Result<Statement, Refusal> {
    if lexed.tokens.first().is_some_and(Token::begins_query) {
        return Ok(query(lexed, names));
    }
    if lexed.tokens.contains(&Token::Parameter) {
        let message = "commands take no parameters: write the value into the statement";
        return Err(Refusal::error("0A000", message));
    }
    let unknown = || refusal::unknown_command(lexed.text);
    let Some((Token::Word(verb), rest)) = lexed.tokens.split_first() else {
        return Err(unknown());
    };
    let verb = verb.to_ascii_uppercase();
    if verb == "SET" {
        return set(rest, names)?.ok_or_else(unknown);
    }
    if verb == "EXPLAIN" {
        return explain(rest);
    }
    if verb == "SHOW" {
        return show(rest, names)?.ok_or_else(|| match near(rest) {
            Some(near) => {
                unknown().with_hint(format!("Did you mean SHOW {near}? SHOW HELP lists all."))
            }
            None => unknown(),
        });
    }
    match verb.as_str() {
        "RESET" if words(rest).is_some_and(|words| words == ["STATS"]) => {
            Some(Statement::Command(Command::ResetStats))
        }
        "RESET" if !rest.is_empty() => Some(Statement::Ignored("RESET")),
        "DEALLOCATE" | "DISCARD" => deallocate(&verb, rest),
        _ => match transaction(&verb, rest) {
            Some(control) => Some(Statement::Transaction(control)),
            None => command(&verb, rest)?.map(Statement::Command),
        },
    }
    .ok_or_else(unknown)
}

fn show(rest: &[Token<'_>], names: &Names<'_>) -> Result<Option<Statement>, Refusal> {
    let Some((name, arguments)) = rest.split_first() else { return Ok(None) };
    let Some(name) = text_of(name) else { return Ok(None) };
    let name = name.to_ascii_lowercase();
    if name == "help" && arguments.is_empty() {
        return Ok(Some(Statement::Help));
    }
    if let Some(table) = show::find(&name) {
        let arguments = table.accepts.read(arguments)?;
        return Ok(arguments.map(|arguments| Statement::Show(table, arguments)));
    }
    if arguments.is_empty()
        && let Some(text) = shown_by_sql(&name)
    {
        return Ok(Some(Statement::Sql(Sql { text, before: 0, is_show: true })));
    }
    Ok(parameter(name, arguments, names))
}

/// The table that was meant, where there is none of the name.
fn near(rest: &[Token<'_>]) -> Option<String> {
    let name = text_of(rest.first()?)?.to_ascii_lowercase();
    let by_sql = SHOWN_BY_SQL.map(|(name, _)| name);
    let known = show::ALL.iter().map(|show| show.name).chain(by_sql).chain(["help"]);
    let near = model::nearest(&name, known).filter(|near| *near != name);
    near.map(str::to_ascii_uppercase)
}

fn parameter(name: String, rest: &[Token<'_>], names: &Names<'_>) -> Option<Statement> {
    let parameter = match words(rest)?.as_slice() {
        [] => name,
        [zone] if name == "time" && zone == "ZONE" => "timezone".to_owned(),
        [isolation, level] if isolation == "ISOLATION" && level == "LEVEL" => {
            format!("{name}_isolation")
        }
        _ => return None,
    };
    let known = parameters::find(&parameter).is_some() || names.is_setting(&parameter);
    known.then_some(Statement::Parameter(parameter))
}

/// What drivers and connection pools send to forget their prepared statements.
fn deallocate(verb: &str, rest: &[Token<'_>]) -> Option<Statement> {
    let is_all =
        |token: &Token<'_>| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("all"));
    match (verb, rest) {
        ("DISCARD", [all]) if is_all(all) => Some(Statement::Deallocate(None, "DISCARD ALL")),
        ("DEALLOCATE", [all]) if is_all(all) => Some(Statement::Deallocate(None, "DEALLOCATE ALL")),
        ("DEALLOCATE", [name]) => {
            // Names without quotes are folded, as everywhere in SQL.
            let name = match name {
                Token::Word(word) => word.to_ascii_lowercase(),
                name => text_of(name)?.to_owned(),
            };
            Some(Statement::Deallocate(Some(name), "DEALLOCATE"))
        }
        _ => None,
    }
}

fn transaction(verb: &str, rest: &[Token<'_>]) -> Option<TransactionControl> {
    use TransactionControl as Control;

    // Modes such as READ ONLY and ISOLATION LEVEL … are accepted, with their commas.
    let modes: Vec<_> =
        rest.iter().filter(|token| **token != Token::Symbol(',')).cloned().collect();
    match verb {
        "BEGIN" => words(&modes).map(|_| Control::Begin),
        "START" => match words(&modes)?.first()?.as_str() {
            "TRANSACTION" => Some(Control::StartTransaction),
            _ => None,
        },
        _ => match (verb, words(rest)?.as_slice()) {
            ("COMMIT" | "END", rest) if is_block(rest) => Some(Control::Commit),
            ("ROLLBACK" | "ABORT", rest) if is_block(rest) => Some(Control::Rollback),
            ("ROLLBACK", [to, .., _]) if to == "TO" => Some(Control::RollbackToSavepoint),
            ("SAVEPOINT", [_]) => Some(Control::Savepoint),
            ("RELEASE", [_] | [_, _]) => Some(Control::Release),
            _ => None,
        },
    }
}

fn is_block(rest: &[String]) -> bool {
    match rest {
        [] => true,
        [word] => word == "TRANSACTION" || word == "WORK",
        _ => false,
    }
}

/// The text of a word, a quoted name or a literal.
pub(super) fn text_of<'a>(token: &'a Token<'_>) -> Option<&'a str> {
    match token {
        Token::Word(text) => Some(text),
        Token::Quoted(text) | Token::Literal(text) => Some(text),
        Token::Parameter | Token::Symbol(_) => None,
    }
}

/// All tokens as words in capitals; none if there is something else among them.
pub(super) fn words(tokens: &[Token<'_>]) -> Option<Vec<String>> {
    tokens.iter().map(|token| text_of(token).map(str::to_ascii_uppercase)).collect()
}

#[cfg(test)]
mod tests {
    use model::{ClientId, SettingStatus, ShutdownMode};

    use super::super::command::MAX_NAME_BYTES;
    use super::*;
    use crate::table::Value;

    fn parsed(text: &str) -> Result<Vec<Statement>, Refusal> {
        let settings = [SettingStatus {
            key: "default_pool_size".to_owned(),
            value: "10".to_owned(),
            default: "20".to_owned(),
            changeable: true,
        }];
        let names = Names { user: "admin", version: "0.1.0", settings: &settings };
        super::super::parse(text, &names)
    }

    fn command(text: &str) -> Option<Command> {
        match parsed(text).ok()?.as_slice() {
            [Statement::Command(command)] => Some(command.clone()),
            _ => None,
        }
    }

    #[test]
    fn commands_in_any_case_with_or_without_a_semicolon() {
        assert_eq!(command("pause"), Some(Command::Pause(None)));
        assert_eq!(command("PAUSE Shop;"), Some(Command::Pause(Some("Shop".to_owned()))));
        assert_eq!(command("Resume \"my db\" ;"), Some(Command::Resume(Some("my db".to_owned()))));
        assert_eq!(command("RELOAD"), Some(Command::Reload));
        assert_eq!(command("kill_client 17"), Some(Command::KillClient(ClientId(17))));
        assert_eq!(command("SHUTDOWN"), Some(Command::Shutdown(ShutdownMode::Immediate)));
        let wait = Command::Shutdown(ShutdownMode::WaitForServers);
        assert_eq!(command("shutdown wait_for_servers"), Some(wait));
        for wrong in
            ["PAUSE a b", "RELOAD now", "SHUTDOWN soon", "PAUSE =", "PAUSE \"\"", "KILL shop now"]
        {
            assert_eq!(parsed(wrong).unwrap_err(), refusal::unknown_command(wrong));
        }
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        assert!(parsed(&format!("PAUSE {long}")).is_err());
    }

    #[test]
    fn what_drivers_send_at_connect() {
        let text = "SET extra_float_digits = 3; SET SESSION TIME ZONE 'UTC'; \
                    set application_name to 'x'; SHOW TRANSACTION ISOLATION LEVEL; SHOW TimeZone; \
                    BEGIN READ ONLY, DEFERRABLE; START TRANSACTION; COMMIT; ROLLBACK TO SAVEPOINT a;
                    SELECT 1; select pg_catalog.version(); SELECT current_user AS who";
        let statements = parsed(text).unwrap();
        assert_eq!(statements.len(), 12);
        let pool = parsed("DEALLOCATE \"S_1\"; deallocate all; DISCARD ALL; RESET ALL").unwrap();
        let tags = pool.iter().map(|statement| match statement {
            Statement::Deallocate(name, tag) => (name.as_deref(), *tag),
            Statement::Ignored(tag) => (None, *tag),
            other => panic!("{other:?}"),
        });
        let expected = [
            (Some("S_1"), "DEALLOCATE"),
            (None, "DEALLOCATE ALL"),
            (None, "DISCARD ALL"),
            (None, "RESET"),
        ];
        assert_eq!(tags.collect::<Vec<_>>(), expected);
        assert!(parsed("DISCARD TEMP").is_err());
        assert!(
            matches!(&statements[3], Statement::Parameter(name) if name == "transaction_isolation")
        );
        let control = TransactionControl::RollbackToSavepoint;
        assert!(matches!(statements[8], Statement::Transaction(found) if found == control));
        assert!(matches!(&statements[9], Statement::Select(_, Value::Int4(1))));
        assert!(
            matches!(&statements[10], Statement::Select(_, Value::Text(v)) if v.starts_with("pgweir 0.1.0"))
        );
        assert!(matches!(&statements[11], Statement::Select(column, _) if column.name == "who"));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_text() {
        assert_eq!(parsed("SHOW FDS").unwrap_err().message, "unknown command: SHOW FDS");
        assert_eq!(parsed("SHOW").unwrap_err().message, "unknown command: SHOW");
        for (typed, hint) in [
            ("SHOW POLS", "Did you mean SHOW POOLS? SHOW HELP lists all."),
            ("SHOW event", "Did you mean SHOW EVENTS? SHOW HELP lists all."),
            ("SHOW POOLS 3", "SHOW HELP lists what the console understands."),
            ("SHOW WEATHER", "SHOW HELP lists what the console understands."),
        ] {
            assert_eq!(parsed(typed).unwrap_err().hint.as_deref(), Some(hint), "{typed}");
        }
        // Compared with each table's name it would take gigabytes.
        let endless = format!("SHOW {}", "pools".repeat(10_000_000));
        let hint = parsed(&endless).unwrap_err().hint;
        assert_eq!(hint.as_deref(), Some("SHOW HELP lists what the console understands."));
        assert_eq!(parsed("SHOW POOLS 3").unwrap_err().message, "unknown command: SHOW POOLS 3");
        let long = parsed(&"é".repeat(100)).unwrap_err().message;
        assert_eq!(long, format!("unknown command: {}…", "é".repeat(80)));
        assert_eq!(parsed("EXPLAIN SELECT 1").unwrap_err().sqlstate(), "0A000");
        assert_eq!(parsed("SHOW QUERIES $1").unwrap_err().sqlstate(), "0A000");
        assert_eq!(parsed("SET x").unwrap_err().sqlstate(), "42601");
        // One that is not understood keeps the whole string from being run.
        assert!(parsed("PAUSE; nonsense").is_err());
    }
}
