//! The password exchanges, for both roles: pgweir is the server of its clients and a client of
//! its servers (manual, sections 55.2.1 and 55.3).
//!
//! Nothing here reads a clock, a socket or a random generator: nonces and salts are arguments.
//! What is compared with a secret is compared in constant time.

mod channel_binding;
#[cfg(test)]
mod channel_binding_tests;
#[cfg(test)]
mod exchange_tests;
mod md5;
mod message;
mod scram_attributes;
mod scram_client;
mod scram_keys;
mod scram_server;
mod verifier;

pub use self::channel_binding::{ClientBinding, ServerBinding};
pub use self::md5::{md5_response, verify_md5};
pub use message::{
    AuthenticationRequest, SaslInitialResponse, parse_password_message,
    parse_sasl_initial_response, parse_sasl_response, password_message, sasl_initial_response,
    sasl_response,
};
pub use scram_client::{AwaitingChallenge, AwaitingSignature, ScramClient};
pub use scram_keys::ScramKeys;
pub use scram_server::{AwaitingFirst, AwaitingProof, ScramAccepted, ScramServer};
pub use verifier::{DEFAULT_ITERATIONS, MockSeed, ScramVerifier, Secret, verify_plain};

/// The name of SCRAM with SHA-256 and without channel binding (RFC 7677).
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";

/// The same with channel binding.
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Random bytes behind a nonce, as many as PostgreSQL takes. They must be fresh for every
/// exchange and come from a cryptographic generator.
pub type NonceBytes = [u8; 18];
