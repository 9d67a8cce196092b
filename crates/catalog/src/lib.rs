//! Catalogue facts, EXPLAIN and HypoPG through pgweir's own connections to the upstream.
