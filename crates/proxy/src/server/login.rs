//! Our side of a server's password exchange.

use wire::WireError;
use wire::auth::{
    self, AuthenticationRequest, AwaitingChallenge, AwaitingSignature, ClientBinding, ScramClient,
    ScramKeys, Secret,
};

use crate::error::ProxyError;
use crate::tls::ChannelBinding;

/// What the login is bound to.
pub(super) struct Binding {
    /// The server's certificate, where there is TLS and a type of binding for it.
    end_point: Option<Vec<u8>>,
    is_required: bool,
}

impl Binding {
    pub(super) fn new(wanted: ChannelBinding, end_point: Option<&[u8]>) -> Self {
        let end_point = end_point.filter(|_| wanted != ChannelBinding::Disable);
        let is_required = wanted == ChannelBinding::Require;
        Self { end_point: end_point.map(<[u8]>::to_vec), is_required }
    }

    /// The mechanism to take of those on offer.
    fn choose(&self, offered: &[&str]) -> Result<(&'static str, ClientBinding), ProxyError> {
        let plus = offered.contains(&auth::SCRAM_SHA_256_PLUS);
        match &self.end_point {
            Some(hash) if plus => {
                Ok((auth::SCRAM_SHA_256_PLUS, ClientBinding::EndPoint(hash.clone())))
            }
            None if self.is_required => Err(ProxyError::NotBound(
                "has no TLS, or a certificate that nothing can be bound to",
            )),
            Some(_) if self.is_required => {
                Err(ProxyError::NotBound("does not offer SCRAM-SHA-256-PLUS"))
            }
            _ if !offered.contains(&auth::SCRAM_SHA_256) => Err(WireError::SaslMechanism.into()),
            Some(_) => Ok((auth::SCRAM_SHA_256, ClientBinding::NotOffered)),
            None => Ok((auth::SCRAM_SHA_256, ClientBinding::Unsupported)),
        }
    }
}

/// What a client's login has shown that is good for a login to the server in its name.
#[derive(Clone, Debug)]
pub(crate) enum Learned {
    /// Nothing.
    Nothing,
    /// The password, or its MD5 hash.
    Secret(Secret),
    /// The keys of a SCRAM exchange: as good as the password where the server keeps the verifier
    /// that the client was checked against.
    Keys(ScramKeys),
}

/// Where the exchange stands.
enum State {
    /// Nothing asked yet.
    Begun,
    /// A password was sent, or SCRAM is through; AuthenticationOk is due.
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
    learned: Learned,
    binding: Binding,
    is_bound: bool,
    state: State,
}

impl<'a> Login<'a> {
    /// A configured password goes before what was learned, if it is one that will do.
    pub(super) fn new(
        user: &'a str,
        password: Option<Secret>,
        learned: Learned,
        binding: Binding,
    ) -> Self {
        Self { user, password, learned, binding, is_bound: false, state: State::Begun }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Answers one Authentication message; none where no answer is due. Key derivation runs off the
    /// reactor.
    pub(super) async fn answer(&mut self, body: &[u8]) -> Result<Option<Vec<u8>>, ProxyError> {
        let request = AuthenticationRequest::parse(body)?;
        let other_than_scram = matches!(
            request,
            AuthenticationRequest::Ok
                | AuthenticationRequest::CleartextPassword
                | AuthenticationRequest::Md5Password { .. }
        );
        if self.binding.is_required && !self.is_bound && other_than_scram {
            return Err(ProxyError::NotBound("does not ask for SCRAM"));
        }
        let state = std::mem::replace(&mut self.state, State::Answered);
        match (state, request) {
            (State::Begun | State::Answered, AuthenticationRequest::Ok) => {
                self.state = State::Done;
                Ok(None)
            }
            (State::Begun, AuthenticationRequest::CleartextPassword) => match self.plain() {
                Some(password) => Ok(Some(auth::password_message(password))),
                None => Err(self.no_password()),
            },
            (State::Begun, AuthenticationRequest::Md5Password { salt }) => {
                let response =
                    self.secrets().find_map(|secret| auth::md5_response(self.user, secret, salt));
                let response = response.ok_or_else(|| self.no_password())?;
                Ok(Some(auth::password_message(&response)))
            }
            (State::Begun, AuthenticationRequest::Sasl(mechanisms)) => {
                let (mechanism, binding) = self.binding.choose(&mechanisms)?;
                let (client, _) = match (self.plain(), &self.learned) {
                    (Some(password), _) => ScramClient::new(password, rand::random()),
                    (None, Learned::Keys(keys)) => {
                        ScramClient::with_keys(keys.clone(), rand::random())
                    }
                    (None, _) => return Err(self.no_password()),
                };
                let (client, first) = client.bound(binding);
                self.is_bound = mechanism == auth::SCRAM_SHA_256_PLUS;
                self.state = State::Challenge(client);
                Ok(Some(auth::sasl_initial_response(mechanism, &first)))
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

    fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let learned = match &self.learned {
            Learned::Secret(secret) => Some(secret),
            Learned::Nothing | Learned::Keys(_) => None,
        };
        self.password.iter().chain(learned)
    }

    fn plain(&self) -> Option<&str> {
        self.secrets().find_map(|secret| match secret {
            Secret::Plain(password) => Some(password.as_str()),
            Secret::Md5(_) | Secret::Scram(_) => None,
        })
    }

    fn no_password(&self) -> ProxyError {
        ProxyError::NoPassword(self.user.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLUS: [&str; 2] = [auth::SCRAM_SHA_256_PLUS, auth::SCRAM_SHA_256];
    const PLAIN: [&str; 1] = [auth::SCRAM_SHA_256];

    fn choose(wanted: ChannelBinding, has_tls: bool, offered: &[&str]) -> Option<String> {
        let hash = [7; 32];
        let binding = Binding::new(wanted, has_tls.then_some(&hash[..]));
        let (mechanism, binding) = binding.choose(offered).ok()?;
        Some(format!("{mechanism} {binding:?}"))
    }

    #[test]
    fn a_login_is_bound_where_both_sides_can() {
        use ChannelBinding::{Disable, Prefer, Require};
        for (wanted, has_tls, offered, expected) in [
            (Prefer, true, &PLUS[..], Some("SCRAM-SHA-256-PLUS EndPoint(..)")),
            (Require, true, &PLUS[..], Some("SCRAM-SHA-256-PLUS EndPoint(..)")),
            (Disable, true, &PLUS[..], Some("SCRAM-SHA-256 Unsupported")),
            // A server that did offer it learns from this that its offer was changed.
            (Prefer, true, &PLAIN[..], Some("SCRAM-SHA-256 NotOffered")),
            (Require, true, &PLAIN[..], None),
            (Prefer, false, &PLAIN[..], Some("SCRAM-SHA-256 Unsupported")),
            (Prefer, false, &PLUS[..], Some("SCRAM-SHA-256 Unsupported")),
            (Require, false, &PLUS[..], None),
            (Prefer, true, &["SCRAM-SHA-512"], None),
        ] {
            let chosen = choose(wanted, has_tls, offered);
            assert_eq!(chosen.as_deref(), expected, "{wanted:?} {has_tls} {offered:?}");
        }
    }
}
