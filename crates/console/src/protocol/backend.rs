//! What the console answers, encoded and waiting to be sent.

use bytes::{BufMut, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::data::{
    DataRow, FieldDescription, NoData, ParameterDescription, RowDescription,
};
use pgwire::messages::extendedquery::{
    BindComplete, CloseComplete, ParseComplete, PortalSuspended,
};
use pgwire::messages::response::{
    CommandComplete, EmptyQueryResponse, ReadyForQuery, TransactionStatus,
};
use wire::error_response::ErrorFields;

use crate::error::ConsoleError;
use crate::sql::ParameterType;
use crate::table::{Column, Format, Row, Value};

/// Answers in the order of sending.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    pub(crate) bytes: BytesMut,
    /// Why one could not be encoded, to be raised before anything is sent.
    pub(crate) failure: Option<ConsoleError>,
}

impl Replies {
    pub(crate) fn parse_complete(&mut self) {
        self.put(&ParseComplete::new());
    }

    pub(crate) fn bind_complete(&mut self) {
        self.put(&BindComplete::new());
    }

    pub(crate) fn close_complete(&mut self) {
        self.put(&CloseComplete::new());
    }

    pub(crate) fn portal_suspended(&mut self) {
        self.put(&PortalSuspended::new());
    }

    pub(crate) fn parameters(&mut self, parameters: &[ParameterType]) {
        let oids = parameters.iter().map(|parameter| parameter.oid()).collect();
        self.put(&ParameterDescription::new(oids));
    }

    /// RowDescription, or NoData where a statement returns no rows.
    pub(crate) fn columns(&mut self, columns: Option<&[Column]>, formats: &[Format]) {
        let Some(columns) = columns else {
            return self.put(&NoData::new());
        };
        let fields = columns.iter().enumerate().map(|(place, column)| {
            let format = match format_of(formats, place) {
                Format::Text => 0,
                Format::Binary => 1,
            };
            let (oid, size) = (column.kind.oid(), column.kind.size());
            FieldDescription::new(column.name.to_string(), 0, 0, oid, size, -1, format)
        });
        self.put(&RowDescription::new(fields.collect()));
    }

    pub(crate) fn row(&mut self, row: &Row, formats: &[Format]) {
        let mut data = BytesMut::new();
        let mut field = BytesMut::new();
        for (place, value) in row.iter().enumerate() {
            if *value == Value::Null {
                data.put_i32(-1);
                continue;
            }
            field.clear();
            value.encode(format_of(formats, place), &mut field);
            // A field that is too long for its length makes a message that is too long, below.
            data.put_i32(i32::try_from(field.len()).unwrap_or(i32::MAX));
            data.put_slice(&field);
        }
        let count = i16::try_from(row.len()).unwrap_or(i16::MAX);
        self.put(&DataRow::new(data, count));
    }

    pub(crate) fn complete(&mut self, tag: &str) {
        self.put(&CommandComplete::new(tag.to_owned()));
    }

    pub(crate) fn empty_query(&mut self) {
        self.put(&EmptyQueryResponse::new());
    }

    pub(crate) fn ready(&mut self, status: TransactionStatus) {
        self.put(&ReadyForQuery::new(status));
    }

    /// ErrorResponse or NoticeResponse.
    pub(crate) fn fields(&mut self, fields: &ErrorFields) {
        self.bytes.put_slice(&fields.encode());
    }

    fn put(&mut self, message: &impl Message) {
        let before = self.bytes.len();
        if let Err(error) = message.encode(&mut self.bytes) {
            self.bytes.truncate(before);
            self.failure.get_or_insert(error.into());
        }
    }
}

/// The format of one column: see [`super::Bind`].
fn format_of(formats: &[Format], place: usize) -> Format {
    let format = if formats.len() == 1 { formats.first() } else { formats.get(place) };
    format.copied().unwrap_or(Format::Text)
}
