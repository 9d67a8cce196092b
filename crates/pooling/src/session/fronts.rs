//! How much of a client's message must be at hand before it is dealt with; the rest is streamed.

use wire::frontend;

/// The longest text that is read whole, so that every statement in it is seen.
const QUERY_FRONT_BYTES: usize = 256 * 1024;
const BIND_FRONT_BYTES: usize = 64 * 1024;
/// The longest text of a prepared statement that is kept.
const PARSE_FRONT_BYTES: usize = 1024 * 1024;
/// The OID of the function that a FunctionCall calls.
const FUNCTION_BYTES: usize = 4;
/// lo_create, lo_open, lo_close, loread, lowrite, lo_lseek, lo_creat, lo_tell, lo_unlink,
/// lo_truncate, lo_lseek64, lo_tell64, lo_truncate64 (pg_proc.dat).
const LARGE_OBJECT_FUNCTIONS: [u32; 13] =
    [715, 952, 953, 954, 955, 956, 957, 958, 964, 1004, 3170, 3171, 3172];

/// How much of a message of this type must be at hand.
pub(super) fn front_limit(kind: u8) -> usize {
    match kind {
        frontend::QUERY => QUERY_FRONT_BYTES,
        frontend::BIND => BIND_FRONT_BYTES,
        frontend::PARSE => PARSE_FRONT_BYTES,
        frontend::COPY_DATA => 0,
        frontend::FUNCTION_CALL => FUNCTION_BYTES,
        _ => wire::frame::MAX_SMALL_BODY_BYTES,
    }
}

/// Whether a FunctionCall, of which this is the front, is about large objects, as most are. Their
/// descriptors end with the transaction; what other functions leave behind is not known.
pub(super) fn calls_large_object(front: &[u8]) -> bool {
    let function = front.first_chunk().map(|oid| u32::from_be_bytes(*oid));
    function.is_some_and(|oid| LARGE_OBJECT_FUNCTIONS.contains(&oid))
}
