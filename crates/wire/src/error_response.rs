//! ErrorResponse and NoticeResponse: the ones we send, and a view of the ones we receive
//! (manual, sections 55.7 and 55.8).

use std::borrow::Cow;

/// How bad an error or a notice is: the values of the fields S and V.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed; the connection goes on.
    Error,
    /// The connection ends.
    Fatal,
    /// All connections of that server end.
    Panic,
    /// A notice that somebody should read.
    Warning,
    /// A notice.
    Notice,
    /// A notice for developers.
    Debug,
    /// A notice that the client asked for.
    Info,
    /// A notice meant for the server's log.
    Log,
}

impl Severity {
    const ALL: [Self; 8] = [
        Self::Error,
        Self::Fatal,
        Self::Panic,
        Self::Warning,
        Self::Notice,
        Self::Debug,
        Self::Info,
        Self::Log,
    ];

    /// As it stands on the wire, not localised.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Panic => "PANIC",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Log => "LOG",
        }
    }

    /// Whether it travels in an ErrorResponse; the others travel in a NoticeResponse.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Error | Self::Fatal | Self::Panic)
    }

    fn from_wire(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str().as_bytes() == text)
    }
}

/// An error or a notice to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorFields {
    /// Decides between ErrorResponse and NoticeResponse.
    pub severity: Severity,
    sqlstate: Cow<'static, str>,
    /// One line, without a final stop, as PostgreSQL's style guide asks.
    pub message: String,
    /// More facts, in sentences.
    pub detail: Option<String>,
    /// What to do about it, in sentences.
    pub hint: Option<String>,
    /// Where in the query string, in characters from 1.
    pub position: Option<usize>,
}

impl ErrorFields {
    /// An error or a notice without detail and hint. The SQLSTATE is one of PostgreSQL's appendix
    /// A, or one that a server sent.
    pub fn new(
        severity: Severity,
        sqlstate: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            sqlstate: sqlstate.into(),
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
        }
    }

    /// An error that ends the connection; the caller closes it after sending.
    pub fn fatal(sqlstate: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Fatal, sqlstate, message)
    }

    /// An error that ends the statement only.
    pub fn error(sqlstate: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, sqlstate, message)
    }

    /// What a client gets for a wrong password and for an unknown user alike, so that nobody can
    /// tell one from the other.
    pub fn password_authentication_failed(user: &str) -> Self {
        Self::fatal("28P01", format!("password authentication failed for user \"{user}\""))
    }

    /// Five characters of PostgreSQL's appendix A.
    pub fn sqlstate(&self) -> &str {
        &self.sqlstate
    }

    /// Adds a detail.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a place in the query string, in characters from 1.
    #[must_use]
    pub fn with_position(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    /// The whole message, type byte and length included: ErrorResponse, or NoticeResponse for
    /// the lesser severities.
    pub fn encode(&self) -> Vec<u8> {
        let position = self.position.map(|position| position.to_string());
        let fields = [
            (b'S', Some(self.severity.as_str())),
            (b'V', Some(self.severity.as_str())),
            (b'C', Some(&self.sqlstate)),
            (b'M', Some(self.message.as_str())),
            (b'D', self.detail.as_deref()),
            (b'H', self.hint.as_deref()),
            (b'P', position.as_deref()),
        ];
        // Not with pgwire's ErrorResponse: it would copy a NUL in a text as it is, and whoever
        // chose that text could end the field there and write further ones.
        let mut message = vec![if self.severity.is_error() { b'E' } else { b'N' }, 0, 0, 0, 0];
        for (kind, text) in fields {
            if let Some(text) = text {
                message.push(kind);
                message.extend(text.bytes().filter(|&byte| byte != 0));
                message.push(0);
            }
        }
        message.push(0);
        let length = (message.len() - 1) as u32;
        message[1..5].copy_from_slice(&length.to_be_bytes());
        message
    }
}

/// What is given for an error that came without a usable SQLSTATE: internal_error.
const UNKNOWN_SQLSTATE: &[u8] = b"XX000";

/// The body of a received ErrorResponse or NoticeResponse.
///
/// Nothing is checked beforehand: fields that are missing, cut short or not UTF-8 are dealt with
/// when they are asked for, because an error must be readable even from a broken server.
#[derive(Debug, Clone, Copy)]
pub struct ErrorView<'a> {
    body: &'a [u8],
}

impl<'a> ErrorView<'a> {
    /// A view of a body, that is, of what follows the length field.
    pub fn new(body: &'a [u8]) -> Self {
        Self { body }
    }

    /// The first field of this type (manual, section 55.8), without its terminator; all that is
    /// left if the terminator is missing.
    pub fn field(&self, kind: u8) -> Option<&'a [u8]> {
        let mut rest = self.body;
        while let [found, value @ ..] = rest {
            if *found == 0 {
                return None;
            }
            let end = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
            if *found == kind {
                return Some(&value[..end]);
            }
            rest = value.get(end + 1..).unwrap_or_default();
        }
        None
    }

    /// The five characters of the SQLSTATE; `XX000` if there is none, or none of five letters
    /// and digits.
    pub fn sqlstate(&self) -> &'a [u8] {
        let well_formed =
            |code: &&[u8]| code.len() == 5 && code.iter().all(u8::is_ascii_alphanumeric);
        self.field(b'C').filter(well_formed).unwrap_or(UNKNOWN_SQLSTATE)
    }

    /// The message's first line; empty if there is none.
    pub fn message(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.field(b'M').unwrap_or_default())
    }

    /// The severity, from the field that is never translated if the server sent it.
    pub fn severity(&self) -> Option<Severity> {
        Severity::from_wire(self.field(b'V').or_else(|| self.field(b'S'))?)
    }

    /// Code and message, to be sent on as an error of this severity.
    pub fn to_fields(&self, severity: Severity) -> ErrorFields {
        let sqlstate = String::from_utf8_lossy(self.sqlstate()).into_owned();
        ErrorFields::new(severity, sqlstate, self.message())
    }

    /// Whether the server closes the connection after it.
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity(), Some(Severity::Fatal | Severity::Panic))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encodes_every_field_in_postgresqls_order() {
        let fields = ErrorFields::error("42601", "bad").with_detail("why").with_hint("do");
        assert_eq!(fields.encode(), b"E\0\0\0\x28SERROR\0VERROR\0C42601\0Mbad\0Dwhy\0Hdo\0\0");
    }

    #[test]
    fn a_place_in_the_query_comes_last() {
        let fields = ErrorFields::error("42601", "bad").with_hint("do").with_position(12);
        assert!(fields.encode().ends_with(b"Mbad\0Hdo\0P12\0\0"));
    }

    #[test]
    fn notices_have_their_own_message_type() {
        let notice = ErrorFields::new(Severity::Warning, "01000", "careful");
        assert_eq!(notice.encode()[0], b'N');
    }

    #[test]
    fn a_nul_in_a_text_cannot_start_another_field() {
        let encoded = ErrorFields::fatal("3D000", "no such database: a\0C00000\0\0").encode();
        let view = ErrorView::new(&encoded[5..]);
        assert_eq!(view.sqlstate(), b"3D000");
        assert_eq!(view.message(), "no such database: aC00000");
        assert_eq!(encoded[1..5], (encoded.len() as u32 - 1).to_be_bytes());
    }

    #[test]
    fn reads_what_a_server_sends() {
        let view = ErrorView::new(
            b"SFEHLER\0VERROR\0C23505\0Mdoppelter Schl\xc3\xbcssel\0Dx\0Fnbtinsert.c\0\0",
        );
        assert_eq!(view.severity(), Some(Severity::Error));
        assert!(!view.is_fatal());
        assert_eq!(view.sqlstate(), b"23505");
        assert_eq!(view.message(), "doppelter Schlüssel");
        assert_eq!(view.field(b'F'), Some(&b"nbtinsert.c"[..]));
        assert_eq!(view.field(b'H'), None);
    }

    #[test]
    fn reads_what_a_broken_server_sends() {
        let absent = ErrorView::new(b"");
        assert_eq!(absent.sqlstate(), b"XX000");
        assert_eq!(absent.message(), "");
        assert_eq!(absent.severity(), None);

        let old_and_cut = ErrorView::new(b"SFATAL\0C570\0M\xffhalf");
        assert_eq!(old_and_cut.severity(), Some(Severity::Fatal));
        assert!(old_and_cut.is_fatal());
        assert_eq!(old_and_cut.sqlstate(), b"XX000");
        assert_eq!(old_and_cut.message(), "\u{fffd}half");

        let after_the_end = ErrorView::new(b"SERROR\0\0C23505\0\0");
        assert_eq!(after_the_end.sqlstate(), b"XX000");
    }

    proptest! {
        #[test]
        fn any_body_can_be_viewed(body: Vec<u8>, kind: u8) {
            let view = ErrorView::new(&body);
            prop_assert_eq!(view.sqlstate().len(), 5);
            prop_assert!(view.field(kind).is_none_or(|value| !value.contains(&0)));
            let _ = (view.message(), view.severity());
        }

        #[test]
        fn what_is_encoded_is_read_back(message in "[^\0]*", hint in "[^\0]*") {
            let encoded = ErrorFields::fatal("53300", &*message).with_hint(&*hint).encode();
            let view = ErrorView::new(&encoded[5..]);
            prop_assert_eq!(view.message(), message);
            prop_assert_eq!(view.field(b'H'), Some(hint.as_bytes()));
            prop_assert_eq!(view.severity(), Some(Severity::Fatal));
        }
    }
}
