//! Settings of the history.

use super::{Depends, SIZE, SettingReference, TEXT, TIMEOUT, Unset, Value, fixed, setting};

pub(super) const DATA_DIR: SettingReference = fixed(setting(
    "data_dir",
    "directory",
    Unset,
    "Where history is kept: one process a folder. Unset: $STATE_DIRECTORY (systemd), else \
     $XDG_STATE_HOME/pgweir, else ~/.local/state/pgweir (macOS: ~/Library/Application \
     Support/pgweir). See docs/history.md.",
));
pub(super) const HISTORY_MINUTES: SettingReference = fixed(setting(
    "history_minutes",
    "duration ≥ 1h",
    Value("24h"),
    "How long minutes are kept. Hours that are over are rolled up before.",
));
pub(super) const HISTORY_HOURS: SettingReference =
    fixed(setting("history_hours", "duration ≥ 1h", Value("30d"), "How long hours are kept."));
pub(super) const HISTORY_DAYS: SettingReference =
    fixed(setting("history_days", "duration ≥ 1h", Value("730d"), "How long days are kept."));
pub(super) const HISTORY_SIZE: SettingReference = fixed(setting(
    "history_size",
    SIZE,
    Value("1GB"),
    "How large the history's file may become, at least 8MB. Beyond it the oldest minutes go \
     first, then hours, then days. In memory never more than 64MB.",
));
pub(super) const HISTORY_FLUSH: SettingReference = fixed(setting(
    "history_flush",
    TIMEOUT,
    Value("15s"),
    "How often the minute that is being measured is written before it is over: so much is lost \
     when pgweir is killed, and 5 s more.",
));
pub(super) const STORE: SettingReference = fixed(setting(
    "store",
    "URL",
    Unset,
    "A PostgreSQL that gets the same history, under `instance_name`, so that one report sees \
     several instances. Rows wait in `data_dir` while it is away.",
));
pub(super) const INSTANCE_NAME: SettingReference = fixed(setting(
    "instance_name",
    TEXT,
    Depends("the host's name and the port of `listen`, such as `web-1:6432`"),
    "Name of this process in `store`.",
));
