//! The server's side of a client's password exchange.

use access::hba::Method;
use wire::WireError;
use wire::auth::{
    self, AuthenticationRequest, MockSeed, ScramServer, ScramVerifier, Secret, ServerBinding,
};
use wire::error_response::ErrorFields;
use wire::frame::HEAD_BYTES;
use wire::frontend;

use super::secrets::Known;
use super::{Authenticator, Claim};
use crate::client::login::Talk;
use crate::error::ProxyError;
use crate::login_settings::LoginSettings;
use crate::server::Learned;

/// A password message is no longer than this (PG_MAX_AUTH_TOKEN_LENGTH in auth.c).
const MAX_PASSWORD_BYTES: usize = 65_535;

impl Authenticator {
    /// Asks for the password. An unknown user takes the same way as a wrong password.
    pub(super) async fn check_password(
        &self,
        login: &LoginSettings,
        talk: &mut Talk,
        claim: Claim<'_>,
        method: Method,
    ) -> Result<Option<Learned>, ProxyError> {
        let user = claim.user;
        let known = self.known(login, claim).await;
        let secret = known.secret();
        let by_md5 = match secret {
            Some(secret) => !matches!(secret, Secret::Scram(_)),
            None => speaks_md5(login),
        };
        let learned = match method {
            Method::Password => self.plain(talk, user, secret).await?,
            Method::Md5 if by_md5 => self.md5(talk, user, secret).await?,
            _ => self.scram(talk, user, secret).await?,
        };
        match (learned, known) {
            (Some(learned), _) => Ok(Some(learned)),
            (None, Known::Unavailable(error)) => Err(ProxyError::Refused(error)),
            (None, _) => {
                let error = Box::new(ErrorFields::password_authentication_failed(user));
                Err(ProxyError::Rejected { user: user.to_owned(), error })
            }
        }
    }

    async fn plain(
        &self,
        talk: &mut Talk,
        user: &str,
        secret: Option<&Secret>,
    ) -> Result<Option<Learned>, ProxyError> {
        talk.send(&AuthenticationRequest::CleartextPassword.encode()).await?;
        let body = password(talk).await?;
        let password = auth::parse_password_message(&body)?.to_vec();
        let (user, secret, seed) = (user.to_owned(), secret.cloned(), self.seed.clone());
        let given = password.clone();
        let check = move || accepts(&seed, &user, secret.as_ref(), &password);
        let accepted = self.verifiers.derive(check).await?;
        // What is not UTF-8 cannot be sent on as it came.
        let given = String::from_utf8(given).ok().filter(|_| accepted);
        Ok(match given {
            Some(password) => Some(Learned::Secret(Secret::Plain(password))),
            None => accepted.then_some(Learned::Nothing),
        })
    }

    async fn md5(
        &self,
        talk: &mut Talk,
        user: &str,
        secret: Option<&Secret>,
    ) -> Result<Option<Learned>, ProxyError> {
        let salt: [u8; 4] = rand::random();
        talk.send(&AuthenticationRequest::Md5Password { salt }.encode()).await?;
        let body = password(talk).await?;
        let response = auth::parse_password_message(&body)?;
        let mock = self.seed.md5_secret(user);
        let secret = secret.unwrap_or(&mock);
        let accepted = auth::verify_md5(user, secret, salt, response);
        Ok(accepted.then(|| Learned::Secret(secret.clone())))
    }

    async fn scram(
        &self,
        talk: &mut Talk,
        user: &str,
        secret: Option<&Secret>,
    ) -> Result<Option<Learned>, ProxyError> {
        let verifier = self.verifier(user, secret).await?;
        let end_point = talk.stream.end_point().map(<[u8]>::to_vec);
        let offer = match end_point {
            Some(_) => vec![auth::SCRAM_SHA_256_PLUS, auth::SCRAM_SHA_256],
            None => vec![auth::SCRAM_SHA_256],
        };
        talk.send(&AuthenticationRequest::Sasl(offer).encode()).await?;
        let body = password(talk).await?;
        let initial = auth::parse_sasl_initial_response(&body)?;
        let binding = match (initial.mechanism, end_point) {
            (auth::SCRAM_SHA_256_PLUS, Some(hash)) => ServerBinding::Chosen(hash),
            (auth::SCRAM_SHA_256, Some(_)) => ServerBinding::Offered,
            (auth::SCRAM_SHA_256, None) => ServerBinding::NotOffered,
            _ => return Err(WireError::SaslMechanism.into()),
        };
        let server = ScramServer::new(verifier, rand::random()).over(binding);
        let (server, challenge) = server.first(initial.data.unwrap_or_default())?;
        talk.send(&AuthenticationRequest::SaslContinue(&challenge).encode()).await?;
        let body = password(talk).await?;
        match server.finish(auth::parse_sasl_response(&body)) {
            Ok(accepted) => {
                let signature = AuthenticationRequest::SaslFinal(&accepted.server_final).encode();
                talk.send(&signature).await?;
                Ok(Some(match secret {
                    // Good for whatever the server asks for, and with whatever salt.
                    Some(secret @ Secret::Plain(_)) => Learned::Secret(secret.clone()),
                    _ => Learned::Keys(accepted.keys),
                }))
            }
            Err(WireError::PasswordRejected) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The user's verifier; made from the password once.
    async fn verifier(
        &self,
        user: &str,
        secret: Option<&Secret>,
    ) -> Result<ScramVerifier, ProxyError> {
        match secret {
            Some(Secret::Scram(verifier)) => Ok(verifier.clone()),
            Some(Secret::Plain(password)) => self.verifiers.of(user, password).await,
            // MD5 secrets cannot be checked by SCRAM: as good as no user.
            Some(Secret::Md5(_)) | None => Ok(self.seed.scram_verifier(user)),
        }
    }
}

/// Whether the password is the user's.
fn accepts(seed: &MockSeed, user: &str, secret: Option<&Secret>, password: &[u8]) -> bool {
    if let Some(secret @ Secret::Scram(_)) = secret {
        return auth::verify_plain(user, secret, password);
    }
    // A SCRAM verifier makes it derive a key. Those without one take as long, so that the time does
    // not tell who is known.
    let mock = Secret::Scram(seed.scram_verifier(user));
    std::hint::black_box(auth::verify_plain(user, &mock, password));
    secret.is_some_and(|secret| auth::verify_plain(user, secret, password))
}

/// Whether an unknown user is asked for an MD5 hash where the method is `md5`: as most of the users
/// that are known. PostgreSQL goes by password_encryption.
fn speaks_md5(login: &LoginSettings) -> bool {
    login.users.values().any(|secret| !matches!(secret, Secret::Scram(_)))
}

/// Reads a password message.
async fn password(talk: &mut Talk) -> Result<Vec<u8>, ProxyError> {
    talk.read.fill_to(&mut talk.stream, HEAD_BYTES).await?;
    let head = talk.read.bytes();
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if head[0] != frontend::PASSWORD || !(4..=MAX_PASSWORD_BYTES).contains(&length) {
        return Err(WireError::MessageFormat("expected a password message").into());
    }
    talk.read.fill_to(&mut talk.stream, 1 + length).await?;
    let body = talk.read.bytes()[HEAD_BYTES..=length].to_vec();
    talk.read.consume(1 + length);
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use wire::auth::DEFAULT_ITERATIONS;

    use super::*;

    const ROUNDS: usize = 9;

    /// Must survive: users told apart by time
    #[test]
    fn a_password_takes_as_long_to_check_whoever_is_said_to_have_it() {
        let seed = MockSeed::new(rand::random());
        let verifier = ScramVerifier::from_password(b"secret", &[7; 16], DEFAULT_ITERATIONS);
        let known = [
            None,
            Some(Secret::parse("secret")),
            Some(Secret::parse("md5c0ffeec0ffeec0ffeec0ffeec0ffeec0")),
            Some(Secret::Scram(verifier)),
        ];
        let mut times = [const { Vec::new() }; 4];
        for _ in 0..ROUNDS {
            for (secret, times) in known.iter().zip(&mut times) {
                let since = Instant::now();
                assert!(!accepts(&seed, "user", secret.as_ref(), b"wrong"));
                times.push(since.elapsed());
            }
        }
        // Others have the processor too: only the shortest time is the check's own.
        let shortest: [Duration; 4] = times.map(|times| times.into_iter().min().unwrap());
        // The derivation of a key is all but nothing of it: who is spared that stands out.
        let (least, most) = (shortest.iter().min().unwrap(), shortest.iter().max().unwrap());
        assert!(*most < *least * 3, "{shortest:?}");
    }
}
