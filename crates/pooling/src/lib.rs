//! The pooler's decisions, pure: sessions, prepared statements, parameters, reply queue, scheduler.
