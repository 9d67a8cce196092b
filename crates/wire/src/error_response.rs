//! error_response
