//! Reading lines.

use super::address::{Source, parse_cidr, with_mask};
use super::{ClientCert, Database, Method, Rule, Transport, User};
use crate::lines::{self, Line, LineError, ReadList, Token};

pub(super) fn parse(text: &str, lists: &ReadList<'_>) -> Result<Vec<Rule>, Vec<LineError>> {
    let mut rules = Vec::new();
    let mut errors = Vec::new();
    for line in lines::read(text, lists)? {
        match rule(&line) {
            Ok(rule) => rules.push(rule),
            Err(message) => errors.push(LineError { line: line.number, message }),
        }
    }
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}

fn rule(line: &Line) -> Result<Rule, String> {
    let mut fields = line.fields.iter();
    let transport = transport(only(fields.next(), "how it connects")?)?;
    let databases = list(fields.next(), "database", database)?;
    let users = list(fields.next(), "user", user)?;
    let source = match transport {
        Transport::Local => None,
        _ => Some(source(&mut fields)?),
    };
    let method = method(only(fields.next(), "method")?)?;
    let mut rule = Rule {
        line: line.number,
        transport,
        databases,
        users,
        source,
        method,
        client_cert: None,
        map: None,
    };
    for field in fields {
        for token in field {
            option(&mut rule, token)?;
        }
    }
    check(rule)
}

/// A field that is no list.
fn only<'a>(field: Option<&'a Vec<Token>>, what: &str) -> Result<&'a Token, String> {
    match field.map(Vec::as_slice) {
        Some([token]) => Ok(token),
        Some(_) => Err(format!("{what}: one word, not a list")),
        None => Err(format!("the line ends before its {what}")),
    }
}

fn transport(token: &Token) -> Result<Transport, String> {
    match token.text.as_str() {
        "local" => Ok(Transport::Local),
        // Nobody comes encrypted by GSSAPI here.
        "host" | "hostnogssenc" => Ok(Transport::Host),
        "hostssl" => Ok(Transport::HostSsl),
        "hostnossl" => Ok(Transport::HostNoSsl),
        "hostgssenc" => Err("hostgssenc: GSSAPI encryption is not supported".to_owned()),
        "include" | "include_if_exists" | "include_dir" => {
            Err(format!("{} is not supported: write the lines into this file", token.text))
        }
        other => Err(format!(
            "`{other}` is not a type of connection; write local, host, hostssl or hostnossl"
        )),
    }
}

fn list<T>(
    field: Option<&Vec<Token>>,
    what: &str,
    item: impl Fn(&Token) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let field = field.ok_or_else(|| format!("the line ends before its {what}"))?;
    field.iter().map(item).collect()
}

fn database(token: &Token) -> Result<Database, String> {
    if token.is("samerole") || token.is("samegroup") {
        return Err(format!(
            "{} is not supported: pgweir does not know who is a member of a role",
            token.text
        ));
    }
    no_pattern(token)?;
    Ok(match token {
        _ if token.is("all") => Database::All,
        _ if token.is("sameuser") => Database::SameUser,
        _ if token.is("replication") => Database::Replication,
        _ => Database::Name(token.text.clone()),
    })
}

fn user(token: &Token) -> Result<User, String> {
    if let Some(role) = token.after('+') {
        return Err(format!(
            "`+{role}` is not supported: pgweir does not know who is a member of a role; name the \
             users, or keep them in a file and write @file"
        ));
    }
    no_pattern(token)?;
    Ok(if token.is("all") { User::All } else { User::Name(token.text.clone()) })
}

fn no_pattern(token: &Token) -> Result<(), String> {
    match token.after('/') {
        Some(_) => Err(format!("`{}`: regular expressions are not supported", token.text)),
        None => Ok(()),
    }
}

fn source<'a>(fields: &mut impl Iterator<Item = &'a Vec<Token>>) -> Result<Source, String> {
    let token = only(fields.next(), "address")?;
    match token {
        _ if token.is("all") => Ok(Source::All),
        _ if token.is("samehost") => Ok(Source::SameHost),
        _ if token.is("samenet") => Ok(Source::SameNet),
        _ if token.text.contains('/') => parse_cidr(&token.text),
        _ if token.text.parse::<std::net::IpAddr>().is_err() => parse_cidr(&token.text),
        _ => with_mask(&token.text, &only(fields.next(), "mask")?.text),
    }
}

fn method(token: &Token) -> Result<Method, String> {
    Ok(match token.text.as_str() {
        "trust" => Method::Trust,
        "reject" => Method::Reject,
        "password" => Method::Password,
        "md5" => Method::Md5,
        "scram-sha-256" => Method::ScramSha256,
        "cert" => Method::Cert,
        "peer" => Method::Peer,
        other @ ("gss" | "sspi" | "ident" | "ldap" | "radius" | "pam" | "bsd" | "oauth") => {
            return Err(format!("the method {other} is not supported; there are {METHODS}"));
        }
        other => return Err(format!("`{other}` is not a method; there are {METHODS}")),
    })
}

const METHODS: &str = "trust, reject, password, md5, scram-sha-256, cert and peer";

fn option(rule: &mut Rule, token: &Token) -> Result<(), String> {
    let Some((name, value)) = token.text.split_once('=') else {
        return Err(format!("`{}` is not an option; write name=value", token.text));
    };
    match (name, value) {
        ("map", "") => return Err("map: the name of a map follows `=`".to_owned()),
        ("map", map) => rule.map = Some(map.to_owned()),
        ("clientcert", "verify-ca") => rule.client_cert = Some(ClientCert::VerifyCa),
        ("clientcert", "verify-full") => rule.client_cert = Some(ClientCert::VerifyFull),
        ("clientcert", other) => {
            return Err(format!("clientcert is `{other}`; it may be verify-ca or verify-full"));
        }
        ("clientname", "CN") => {}
        ("clientname", _) => {
            return Err("clientname: only CN, the common name, is supported".to_owned());
        }
        (other, _) => {
            return Err(format!(
                "the option `{other}` is not supported; there are clientcert and map"
            ));
        }
    }
    Ok(())
}

/// What only shows in the whole line.
fn check(rule: Rule) -> Result<Rule, String> {
    let encrypted = rule.transport == Transport::HostSsl;
    if rule.method == Method::Peer && rule.transport != Transport::Local {
        return Err("peer works on Unix sockets only: write it in a `local` line".to_owned());
    }
    if rule.method == Method::Cert && !encrypted {
        return Err("cert works over TLS only: write it in a `hostssl` line".to_owned());
    }
    if rule.client_cert.is_some() && !encrypted {
        return Err("clientcert works over TLS only: write it in a `hostssl` line".to_owned());
    }
    if rule.method == Method::Cert && rule.client_cert == Some(ClientCert::VerifyCa) {
        return Err("cert always means clientcert=verify-full: leave clientcert out".to_owned());
    }
    let named = matches!(rule.method, Method::Peer | Method::Cert)
        || rule.client_cert == Some(ClientCert::VerifyFull);
    if rule.map.is_some() && !named {
        return Err("map goes with peer, cert and clientcert=verify-full only".to_owned());
    }
    Ok(rule)
}
