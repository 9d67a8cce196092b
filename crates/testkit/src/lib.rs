//! What tests need: a throwaway PostgreSQL, a scripted client, a server that misbehaves.
