//! Our side of a server's password exchange.

use wire::WireError;
use wire::auth::{
    self, AuthenticationRequest, AwaitingChallenge, AwaitingSignature, ScramClient, Secret,
};

use crate::error::ProxyError;

/// Where the exchange stands.
enum State {
    /// Nothing asked yet.
    Begun,
    /// A password was sent; AuthenticationOk is due.
    Answered,
    /// SCRAM: the challenge is due.
    Challenge(ScramClient<AwaitingChallenge>),
    /// SCRAM: the server's signature is due.
    Signature(ScramClient<AwaitingSignature>),
    /// AuthenticationOk came.
    Done,
}

/// A login under way.
pub(super) struct Login<'a> {
    user: &'a str,
    password: Option<Secret>,
    state: State,
}

impl<'a> Login<'a> {
    pub(super) fn new(user: &'a str, password: Option<Secret>) -> Self {
        Self { user, password, state: State::Begun }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Answers one Authentication message; none where no answer is due. Key derivation runs off the
    /// reactor.
    pub(super) async fn answer(&mut self, body: &[u8]) -> Result<Option<Vec<u8>>, ProxyError> {
        let request = AuthenticationRequest::parse(body)?;
        let state = std::mem::replace(&mut self.state, State::Answered);
        match (state, request) {
            (State::Begun | State::Answered, AuthenticationRequest::Ok) => {
                self.state = State::Done;
                Ok(None)
            }
            (State::Begun, AuthenticationRequest::CleartextPassword) => match &self.password {
                Some(Secret::Plain(password)) => Ok(Some(auth::password_message(password))),
                _ => Err(self.no_password()),
            },
            (State::Begun, AuthenticationRequest::Md5Password { salt }) => {
                let secret = self.password.as_ref().ok_or_else(|| self.no_password())?;
                let response = auth::md5_response(self.user, secret, salt);
                let response = response.ok_or_else(|| self.no_password())?;
                Ok(Some(auth::password_message(&response)))
            }
            (State::Begun, AuthenticationRequest::Sasl(mechanisms)) => {
                if !mechanisms.contains(&auth::SCRAM_SHA_256) {
                    return Err(WireError::SaslMechanism.into());
                }
                let Some(Secret::Plain(password)) = &self.password else {
                    return Err(self.no_password());
                };
                let (client, first) = ScramClient::new(password, rand::random());
                self.state = State::Challenge(client);
                Ok(Some(auth::sasl_initial_response(auth::SCRAM_SHA_256, &first)))
            }
            (State::Challenge(client), AuthenticationRequest::SaslContinue(challenge)) => {
                let challenge = challenge.to_vec();
                let derived =
                    tokio::task::spawn_blocking(move || client.challenge(&challenge)).await;
                let (client, answer) = derived.map_err(|_| ProxyError::Closed)??;
                self.state = State::Signature(client);
                Ok(Some(auth::sasl_response(&answer)))
            }
            (State::Signature(client), AuthenticationRequest::SaslFinal(signature)) => {
                client.finish(signature)?;
                Ok(None)
            }
            _ => Err(WireError::MessageFormat("Authentication out of order").into()),
        }
    }

    fn no_password(&self) -> ProxyError {
        ProxyError::NoPassword(self.user.to_owned())
    }
}
