//! The manual of settings, made from the table in `reference.rs`.

use std::fmt::Write;

use insight::DetectionSettings;

use super::detection::kind_text;
use super::reference::{
    APPLICATION_KEYS, DATABASE_KEYS, Fallback, KeyReference, PEER_KEYS, REFERENCE, USER_KEYS,
};

const INTRODUCTION: &str = "\
# Settings

<!-- Made by `pgweir settings --markdown`; change crates/pgweir/src/settings/reference.rs instead. -->

Settings come from four places; later ones win:

1. the defaults below;
2. a file: `pgweir.toml` in the working directory, or the one named by `-c FILE` or `PGWEIR_CONFIG`; it
   may be PgBouncer's [pgbouncer.ini](migrating-from-pgbouncer.md) as it is;
3. the environment: `PGWEIR_` and the name in capitals, such as `PGWEIR_POOL_MODE=session`;
4. flags: `--pool-mode session`; `--set NAME=VALUE` sets any of them.

All problems are reported at once, each with its place, and pgweir does not start with any.
A duration is `\"500ms\"`, `\"15s\"`, `\"2m\"`, `\"1h 30m\"`, `\"30d\"`, or a number of seconds; a size is
`\"500MB\"`, `\"2GB\"`, or a number of bytes. Names and
meanings are PgBouncer's where PgBouncer has them.

```toml
listen = \"0.0.0.0:6432\"
upstream = \"postgres://app:secret@db.internal/shop\"
default_pool_size = 20
query_wait_timeout = \"10s\"

[databases.archive]
host = \"archive.internal\"
pool_size = 5

[users.reports]
password = \"SCRAM-SHA-256$4096:…\"
pool_mode = \"session\"
```

";

/// `docs/settings.md`.
#[must_use]
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    // Writing to a String cannot fail.
    let _ = page.write_str(
        "| name | value | default | what it does | RELOAD |\n| --- | --- | --- | --- | --- |\n",
    );
    for setting in REFERENCE {
        let default = match setting.default {
            Fallback::Value(text) if !text.is_empty() => format!("`{text}`"),
            other => other.to_string(),
        };
        let _ = writeln!(
            page,
            "| `{}` | {} | {default} | {} | {} |",
            setting.name,
            setting.kind,
            setting.what,
            if setting.reloadable { "yes" } else { "restart" }
        );
    }
    let _ = page.write_str(
        "\n## `[databases.NAME]`\n\nA database that clients may ask for as NAME. \
         `[databases.\"*\"]` is where every other name leads.\n\n",
    );
    keys(&mut page, DATABASE_KEYS);
    let _ = page.write_str("\n## `[users.NAME]`\n\nA user that clients may log in as.\n\n");
    keys(&mut page, USER_KEYS);
    let _ = page.write_str(
        "\n## `[peers.ID]`\n\nAnother pgweir or PgBouncer of the fleet, whose `peer_id` is ID \
         ([fleet.md](fleet.md)). Our own may stand there too.\n\n",
    );
    keys(&mut page, PEER_KEYS);
    let _ = page.write_str(
        "\n## `[applications.\"NAME\"]`\n\nWhat clients call themselves (`application_name`, also by \
         SET). `*` in NAME stands for anything; the name itself goes before a pattern, a longer \
         pattern before a shorter one.\n\n",
    );
    keys(&mut page, APPLICATION_KEYS);
    detection(&mut page);
    page
}

fn detection(page: &mut String) {
    let settings = DetectionSettings::default();
    let _ = write!(
        page,
        "\n## `[detection]`\n\nWhen detectors speak; RELOAD changes all of it. `window` (default \
         `{}`, 1 minute to 1 hour) is how far back they look: long enough for a percentile, short \
         enough that a fixed fault is soon gone from the report. Each detector has a section \
         `[detection.NAME]`, in which `enabled = false` switches it off; what each looks at is in \
         [detectors/](detectors/).\n",
        insight::ThresholdValue::Duration(settings.window),
    );
    for (section, thresholds) in settings.reference() {
        let _ = write!(page, "\n### `[detection.{section}]`\n\n");
        if thresholds.is_empty() {
            let _ = page.write_str("Only `enabled`.\n");
            continue;
        }
        let _ = page
            .write_str("| key | value | default | what it decides |\n| --- | --- | --- | --- |\n");
        for one in thresholds {
            let (key, kind) = (one.key, kind_text(&one));
            let _ = writeln!(page, "| `{key}` | {kind} | `{}` | {} |", one.value, one.why);
        }
    }
}

fn keys(page: &mut String, keys: &[KeyReference]) {
    let _ = page.write_str("| key | value | default | what it does |\n| --- | --- | --- | --- |\n");
    for key in keys {
        let _ =
            writeln!(page, "| `{}` | {} | {} | {} |", key.name, key.kind, key.default, key.what);
    }
}

/// Names, values and defaults for a terminal.
#[must_use]
pub fn plain_text() -> String {
    let mut text = String::new();
    let width = |of: fn(&KeyReference) -> &str, rows: &[KeyReference]| {
        rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0)
    };
    let rows: Vec<(KeyReference, String)> = REFERENCE
        .iter()
        .map(|setting| {
            let row = KeyReference {
                name: setting.name,
                kind: setting.kind,
                default: "",
                what: setting.what,
            };
            (row, setting.default.to_string())
        })
        .collect();
    let columns: Vec<KeyReference> = rows.iter().map(|(row, _)| *row).collect();
    let (name, kind) = (width(|row| row.name, &columns), width(|row| row.kind, &columns));
    for (row, default) in &rows {
        let _ = writeln!(text, "{:name$}  {:kind$}  {default}", row.name, row.kind);
    }
    text.push_str("\n[databases.NAME]: ");
    text.push_str(&DATABASE_KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", "));
    text.push_str("\n[users.NAME]: ");
    text.push_str(&USER_KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", "));
    text.push_str("\n[peers.ID]: ");
    text.push_str(&PEER_KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", "));
    text.push_str("\n[applications.NAME]: ");
    text.push_str(&APPLICATION_KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", "));
    let sections = DetectionSettings::default().reference();
    text.push_str("\n[detection.NAME]: thresholds, for NAME one of ");
    text.push_str(&sections.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "));
    text.push_str("\n\npgweir settings --markdown says what each does.\n");
    text
}
