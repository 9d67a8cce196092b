//! Takes a sample of a statement, values and all, when its shape asks for one.

use model::{ParameterFormat, Sample, SampleParameter};
use sql::Shape;
use wire::frontend;

use crate::parameters::ClientParameters;
use crate::prepared::Statement;

/// Samples longer than this are not taken: they would not be planned either.
const MAX_SAMPLE_BYTES: usize = 64 * 1024;

/// A sample of a statement sent with its values in the text.
pub(super) fn of_text(
    shape: &Shape,
    text: &[u8],
    client: &ClientParameters,
) -> Option<Box<Sample>> {
    if text.len() > MAX_SAMPLE_BYTES || !shape.take_sample_request() {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?.into();
    let settings = client.for_planning().into();
    Some(Box::new(Sample { text, settings, ..Sample::default() }))
}

/// A sample of a statement whose values are bound.
pub(super) fn of_bind(
    statement: &Statement,
    bind: &frontend::Bind<'_>,
    client: &ClientParameters,
) -> Option<Box<Sample>> {
    let bytes = statement.text().len() + bind.rest.len();
    if !statement.is_kept() || bytes > MAX_SAMPLE_BYTES || !statement.shape.take_sample_request() {
        return None;
    }
    let text = std::str::from_utf8(statement.text()).ok()?.into();
    let parameters = bind.values()?.into_iter().map(|(format, value)| SampleParameter {
        format: if format == 1 { ParameterFormat::Binary } else { ParameterFormat::Text },
        value: value.map(Into::into),
    });
    let parameter_types = frontend::parameter_types(statement.types()).collect();
    let settings = client.for_planning().into();
    Some(Box::new(Sample { text, parameter_types, parameters: parameters.collect(), settings }))
}
