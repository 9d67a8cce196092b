//! Who may log in from where, and how they prove who they are (pg_hba.conf; manual, section 21.1).

pub(crate) mod address;
mod parse;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use address::Interface;

use crate::lines::{LineError, ReadList};
use address::Source;

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// It need not.
    Trust,
    /// It cannot.
    Reject,
    /// Password in clear text.
    Password,
    /// MD5, or SCRAM for users whose secret is a SCRAM verifier.
    Md5,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// By the common name of its TLS certificate.
    Cert,
    /// By the name that the system gives the other end of the Unix socket.
    Peer,
}

/// What a client's TLS certificate must show, besides what the method asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCert {
    /// That a known authority has signed it.
    VerifyCa,
    /// And that its common name is the user, or is mapped to it.
    VerifyFull,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands, counted from 1.
    pub line: usize,
    transport: Transport,
    databases: Vec<Database>,
    users: Vec<User>,
    /// None for a Unix socket.
    source: Option<Source>,
    /// How the client proves who it is.
    pub method: Method,
    /// `clientcert`.
    pub client_cert: Option<ClientCert>,
    /// `map`: which map of pg_ident.conf says whom a name may log in as.
    pub map: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Local,
    Host,
    HostSsl,
    HostNoSsl,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Database {
    All,
    SameUser,
    /// Connections of physical replication, which no other word stands for.
    Replication,
    Name(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum User {
    All,
    Name(String),
}

/// A connection that asks to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection<'a> {
    /// The database it asks for.
    pub database: &'a str,
    /// The user it claims to be.
    pub user: &'a str,
    /// Where it comes from; none is a Unix socket.
    pub address: Option<IpAddr>,
    /// Whether it is encrypted by TLS.
    pub encrypted: bool,
    /// Whether it is for physical replication, which is of no database.
    pub replication: bool,
}

/// A file's lines. The first that fits decides; where none fits, nobody is let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Reads a file; `lists` reads the files that `@name` names.
    ///
    /// # Errors
    /// Every line that is not as it should be, or asks for what is not supported.
    pub fn parse(text: &str, lists: &ReadList<'_>) -> Result<Self, Vec<LineError>> {
        parse::parse(text, lists).map(Self)
    }

    /// The rule for a connection. `interfaces` gives this machine's addresses; it is asked only if a
    /// rule says samehost or samenet.
    pub fn find(
        &self,
        connection: Connection<'_>,
        interfaces: &dyn Fn() -> Vec<Interface>,
    ) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.fits(connection, interfaces))
    }

    /// All lines.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }
}

impl Rule {
    fn fits(&self, connection: Connection<'_>, interfaces: &dyn Fn() -> Vec<Interface>) -> bool {
        let Connection { database, user, address, encrypted, replication } = connection;
        let transport = match self.transport {
            Transport::Local => address.is_none(),
            Transport::Host => address.is_some(),
            Transport::HostSsl => address.is_some() && encrypted,
            Transport::HostNoSsl => address.is_some() && !encrypted,
        };
        transport
            && self.databases.iter().any(|item| item.fits(database, user, replication))
            && self.users.iter().any(|item| item.fits(user))
            && match (&self.source, address) {
                (Some(source), Some(address)) => source.contains(address, interfaces),
                (None, None) => true,
                _ => false,
            }
    }
}

/// The admin console has two names: who bars one of them means both.
fn is_console(database: &str) -> bool {
    matches!(database, "pgweir" | "pgbouncer")
}

impl Database {
    /// As check_db in hba.c.
    fn fits(&self, database: &str, user: &str, replication: bool) -> bool {
        match self {
            _ if replication => *self == Self::Replication,
            Self::All => true,
            Self::SameUser => database == user,
            Self::Replication => false,
            Self::Name(name) => name == database || (is_console(name) && is_console(database)),
        }
    }
}

impl User {
    fn fits(&self, user: &str) -> bool {
        match self {
            Self::All => true,
            Self::Name(name) => name == user,
        }
    }
}
