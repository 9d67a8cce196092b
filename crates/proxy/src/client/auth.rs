//! The server's side of a client's password exchange.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use wire::WireError;
use wire::auth::{
    self, AuthenticationRequest, DEFAULT_ITERATIONS, MockSeed, ScramServer, ScramVerifier, Secret,
    ServerBinding,
};
use wire::error_response::ErrorFields;
use wire::frame::HEAD_BYTES;
use wire::frontend;

use super::login::Talk;
use crate::error::ProxyError;
use crate::settings::AuthType;

/// A password message is no longer than this (PG_MAX_AUTH_TOKEN_LENGTH in auth.c).
const MAX_PASSWORD_BYTES: usize = 65_535;

/// Checks who clients are.
#[derive(Debug)]
pub(crate) struct Authenticator {
    seed: Arc<MockSeed>,
    /// Verifiers made from passwords, by user: making one costs milliseconds.
    verifiers: Mutex<HashMap<String, (String, ScramVerifier)>>,
}

impl Authenticator {
    pub(crate) fn new() -> Self {
        let seed = Arc::new(MockSeed::new(rand::random()));
        Self { seed, verifiers: Mutex::default() }
    }

    /// Runs the exchange up to, and without, AuthenticationOk. An unknown user (`secret` is none)
    /// takes the same way as a wrong password.
    pub(super) async fn check(
        &self,
        talk: &mut Talk,
        how: AuthType,
        user: &str,
        secret: Option<&Secret>,
    ) -> Result<(), ProxyError> {
        let accepted = match how {
            AuthType::Trust => true,
            AuthType::Plain => self.plain(talk, user, secret).await?,
            AuthType::Md5 if !matches!(secret, Some(Secret::Scram(_))) => {
                self.md5(talk, user, secret).await?
            }
            AuthType::Md5 | AuthType::ScramSha256 => self.scram(talk, user, secret).await?,
        };
        if accepted {
            return Ok(());
        }
        let error = ErrorFields::password_authentication_failed(user);
        Err(ProxyError::Refused(Box::new(error)))
    }

    async fn plain(
        &self,
        talk: &mut Talk,
        user: &str,
        secret: Option<&Secret>,
    ) -> Result<bool, ProxyError> {
        talk.send(&AuthenticationRequest::CleartextPassword.encode()).await?;
        let body = password(talk).await?;
        let password = auth::parse_password_message(&body)?.to_vec();
        let (user, secret, seed) = (user.to_owned(), secret.cloned(), Arc::clone(&self.seed));
        let checked = tokio::task::spawn_blocking(move || {
            if let Some(secret @ Secret::Scram(_)) = &secret {
                return auth::verify_plain(&user, secret, &password);
            }
            // A SCRAM verifier makes it derive a key. Those without one take as long, so that the
            // time does not tell who is known.
            let mock = Secret::Scram(seed.scram_verifier(&user));
            std::hint::black_box(auth::verify_plain(&user, &mock, &password));
            secret.is_some_and(|secret| auth::verify_plain(&user, &secret, &password))
        });
        checked.await.map_err(|_| ProxyError::Closed)
    }

    async fn md5(
        &self,
        talk: &mut Talk,
        user: &str,
        secret: Option<&Secret>,
    ) -> Result<bool, ProxyError> {
        let salt: [u8; 4] = rand::random();
        talk.send(&AuthenticationRequest::Md5Password { salt }.encode()).await?;
        let body = password(talk).await?;
        let response = auth::parse_password_message(&body)?;
        let mock = self.seed.md5_secret(user);
        Ok(auth::verify_md5(user, secret.unwrap_or(&mock), salt, response))
    }

    async fn scram(
        &self,
        talk: &mut Talk,
        user: &str,
        secret: Option<&Secret>,
    ) -> Result<bool, ProxyError> {
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
                Ok(true)
            }
            Err(WireError::PasswordRejected) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The user's verifier; made from the password once, off the reactor.
    async fn verifier(
        &self,
        user: &str,
        secret: Option<&Secret>,
    ) -> Result<ScramVerifier, ProxyError> {
        let password = match secret {
            Some(Secret::Scram(verifier)) => return Ok(verifier.clone()),
            Some(Secret::Plain(password)) => password.clone(),
            // MD5 secrets cannot be checked by SCRAM: as good as no user.
            Some(Secret::Md5(_)) | None => return Ok(self.seed.scram_verifier(user)),
        };
        if let Some((made_from, verifier)) = self.verifiers.lock().get(user)
            && *made_from == password
        {
            return Ok(verifier.clone());
        }
        let salt = self.seed.salt(user);
        let made = tokio::task::spawn_blocking(move || {
            let verifier =
                ScramVerifier::from_password(password.as_bytes(), &salt, DEFAULT_ITERATIONS);
            (password, verifier)
        });
        let entry = made.await.map_err(|_| ProxyError::Closed)?;
        let verifier = entry.1.clone();
        self.verifiers.lock().insert(user.to_owned(), entry);
        Ok(verifier)
    }
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
