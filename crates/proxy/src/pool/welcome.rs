//! What a server reported at login, for clients that log in.

use pooling::parameters::ServerParameters;

/// What a server reported at login. Made once, for all clients that log in.
#[derive(Debug)]
pub(crate) struct Welcome {
    /// Names and values, in the server's spelling and order.
    pub(crate) reported: Box<[(String, String)]>,
    /// The same, as a server connection has them that nobody has used yet.
    pub(crate) parameters: ServerParameters,
}

impl Welcome {
    pub(crate) fn new(reported: &[(String, String)]) -> Self {
        let mut parameters = ServerParameters::default();
        for (name, value) in reported {
            parameters.reported_at_login(name, value);
        }
        Self { reported: reported.into(), parameters }
    }
}
