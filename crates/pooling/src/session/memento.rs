//! What a client leaves behind that goes on in another process: all that its next message may depend
//! on, and nothing that belongs to a server connection.

use std::sync::Arc;

use model::{ClientId, LabelId, PoolMode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sql::ShapeRegistry;
use wire::backend::TransactionStatus;

use super::detached::Detached;
use super::probe::Doubt;
use super::{Barrier, ClientSession};
use crate::known::KnownStatements;
use crate::parameters::{ClientParameters, ParametersMemento};
use crate::prepared::Statement;

/// A client's session between two transactions, without a server connection. It holds statements'
/// texts and values of settings: it is not to be logged, and its `Debug` shows neither.
#[derive(Clone, Serialize, Deserialize)]
pub struct SessionMemento {
    parameters: ParametersMemento,
    statements: Vec<StatementMemento>,
}

/// A statement that the client has prepared.
#[derive(Clone, Serialize, Deserialize)]
struct StatementMemento {
    #[serde(with = "bytes_as_text")]
    name: Vec<u8>,
    #[serde(with = "bytes_as_text")]
    text: Vec<u8>,
    #[serde(with = "bytes_as_text")]
    types: Vec<u8>,
}

impl std::fmt::Debug for SessionMemento {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionMemento")
            .field("statements", &self.statements.len())
            .finish_non_exhaustive()
    }
}

impl ClientSession {
    /// What it takes to go on elsewhere; none while anything is under way, or is kept that only this
    /// process or a server connection has. To be asked of a client that holds no server connection.
    #[must_use]
    pub fn memento(&self) -> Option<SessionMemento> {
        if !self.is_between_requests() || self.statements.any_not_kept() {
            return None;
        }
        let statements = self.statements.iter().map(|(name, statement)| StatementMemento {
            name: name.to_vec(),
            text: statement.text().to_vec(),
            types: statement.types().to_vec(),
        });
        Some(SessionMemento {
            parameters: self.parameters.memento()?,
            statements: statements.collect(),
        })
    }

    fn is_between_requests(&self) -> bool {
        self.quiet
            && self.status == TransactionStatus::Idle
            && self.replies.is_empty()
            && self.barrier == Barrier::Open
            && self.body.is_none()
            && self.pins.is_empty()
            && self.doubt == Doubt::None
            && self.last_words.is_none()
            && matches!(self.detached, Detached::Clean)
            && !(self.skipping || self.copy_reads || self.lost_sync || self.unsure)
    }

    /// The same client, as it was where the memento was made. `known` is that of its pool here.
    #[must_use]
    pub fn restore(
        client: ClientId,
        labels: LabelId,
        mode: PoolMode,
        memento: SessionMemento,
        (shapes, known): (&ShapeRegistry, Arc<KnownStatements>),
    ) -> Self {
        let parameters = ClientParameters::restore(memento.parameters);
        let mut session = Self::new(client, labels, mode, parameters).with_known(known);
        for StatementMemento { name, text, types } in memento.statements {
            let observed = shapes.observe_one(&text);
            let tags = session.comments.tags(&text, &observed);
            let statement = Statement::new(&text, &types, observed.shape, observed.values)
                .read_as(session.reading().of(&text))
                .in_epoch(session.known.epoch())
                .tagged(tags);
            session.statements.insert(&name, Arc::new(statement));
        }
        session
    }
}

/// Bytes as a text with a character for each, of the same number: most are ASCII, and JSON has no
/// bytes.
mod bytes_as_text {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        text.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let byte = |character: char| u8::try_from(u32::from(character));
        let bytes: Result<_, _> = text.chars().map(byte).collect();
        bytes.map_err(|_| serde::de::Error::custom("a character that stands for no byte"))
    }
}
