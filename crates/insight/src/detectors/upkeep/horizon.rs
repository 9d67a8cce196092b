//! Who keeps VACUUM from removing dead rows, in words.

use model::{HorizonHolder, HorizonKind};

use crate::wording::duration_ms;

/// Who it is, in a sentence.
pub(super) fn named(holder: &HorizonHolder) -> String {
    let open =
        holder.open_ms.map_or_else(String::new, |ms| format!(", open for {}", duration_ms(ms)));
    match holder.kind {
        HorizonKind::Session => {
            let who = match (&*holder.name, holder.client) {
                (name, Some(client)) => format!(" (client {} of pgweir, {name})", client.0),
                ("", None) => String::new(),
                (name, None) => format!(" ({name})"),
            };
            format!("the transaction of session {}{who}, user {}{open}", holder.pid, holder.user)
        }
        HorizonKind::Prepared => format!("the prepared transaction '{}'{open}", holder.name),
        HorizonKind::Slot => format!("the replication slot {}", holder.name),
        HorizonKind::Standby => {
            format!("a transaction on the standby {} (hot_standby_feedback)", holder.name)
        }
    }
}

/// How to make it stop, as a statement where one is harmless enough, and in words.
pub(super) fn release(holder: &HorizonHolder) -> (Option<String>, String) {
    let name = holder.name.replace('\'', "''");
    match holder.kind {
        HorizonKind::Session => (
            Some(format!("SELECT pg_terminate_backend({});", holder.pid)),
            "End the transaction that holds VACUUM back, best in the application; the statement \
             ends its connection."
                .to_owned(),
        ),
        HorizonKind::Prepared => (
            None,
            format!(
                "Ask whoever coordinates the prepared transaction whether they want COMMIT PREPARED \
                 '{name}' or ROLLBACK PREPARED '{name}'. Neither can be taken back."
            ),
        ),
        HorizonKind::Slot => (
            None,
            format!(
                "See who should read the slot. Only if it is not needed any more: SELECT \
                 pg_drop_replication_slot('{name}'); its reader then has to start anew."
            ),
        ),
        HorizonKind::Standby => (
            None,
            "End the long query on the standby, or switch hot_standby_feedback off there; queries \
             on the standby may then be cancelled."
                .to_owned(),
        ),
    }
}
