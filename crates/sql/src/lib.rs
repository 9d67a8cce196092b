//! SQL text: lexical normaliser, statement classes, fingerprints, and facts by sqlparser.
