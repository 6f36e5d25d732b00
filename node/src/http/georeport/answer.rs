//! Answers of GeoReport: a list of flat records, as JSON or as XML, and errors as such a list, too.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use serde_json::{Map, Value};

use super::super::error::ApiError;

/// As what an answer is written: the ending of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Xml,
}

/// A flat record: texts, numbers, truth values, nulls.
pub(super) type Record = Map<String, Value>;

/// A list of records, and how it and each of them are called in XML.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) list: &'static str,
    pub(super) one: &'static str,
    pub(super) records: Vec<Record>,
}

impl Form {
    /// The form that the end of a path names, and what stands before it.
    pub(super) fn of(name: &str) -> Option<(&str, Self)> {
        let (stem, ending) = name.rsplit_once('.')?;
        match ending {
            "json" => Some((stem, Self::Json)),
            "xml" => Some((stem, Self::Xml)),
            _ => None,
        }
    }

    /// An answer, or the error in its place.
    pub(super) fn answer(self, answer: Result<(StatusCode, Records), ApiError>) -> Response {
        let (status, records) = answer.unwrap_or_else(|error| (status_of(&error), records_of(&error)));
        let (kind, body) = match self {
            Self::Json => {
                ("application/json; charset=utf-8", Value::from_iter(records.records).to_string().into_bytes())
            }
            Self::Xml => ("text/xml; charset=utf-8", xml(&records)),
        };
        let mut response = (status, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}

/// GeoReport knows 400 for whatever is wrong with a request, 404 for what is not there.
fn status_of(error: &ApiError) -> StatusCode {
    match error.status {
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT => StatusCode::BAD_REQUEST,
        StatusCode::GONE => StatusCode::NOT_FOUND,
        status => status,
    }
}

fn records_of(error: &ApiError) -> Records {
    let mut record = Record::new();
    record.insert("code".into(), status_of(error).as_u16().into());
    record.insert("description".into(), error.message.to_string().into());
    record.insert("error".into(), error.message.code.clone().into());
    Records { list: "errors", one: "error", records: vec![record] }
}

fn xml(records: &Records) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    // Writing into memory does not fail.
    let _ = write_xml(&mut writer, records);
    writer.into_inner()
}

fn write_xml(writer: &mut Writer<Vec<u8>>, records: &Records) -> std::io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    writer.write_event(Event::Start(BytesStart::new(records.list)))?;
    for record in &records.records {
        writer.write_event(Event::Start(BytesStart::new(records.one)))?;
        for (name, value) in record {
            writer.write_event(Event::Start(BytesStart::new(name.as_str())))?;
            writer.write_event(Event::Text(BytesText::new(&text(value))))?;
            writer.write_event(Event::End(BytesEnd::new(name.as_str())))?;
        }
        writer.write_event(Event::End(BytesEnd::new(records.one)))?;
    }
    writer.write_event(Event::End(BytesEnd::new(records.list)))
}

/// A value as it stands in an element. XML has no way to write most control characters, not even escaped.
fn text(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    let is_writable = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(is_writable).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::Reader;

    use super::*;

    fn records(text: &str) -> Records {
        let mut record = Record::new();
        record.insert("description".into(), text.into());
        record.insert("lat".into(), 39.7.into());
        record.insert("zipcode".into(), Value::Null);
        Records { list: "service_requests", one: "request", records: vec![record] }
    }

    #[test]
    fn a_record_is_a_flat_element() {
        let written = String::from_utf8(xml(&records("垃圾 <b> & \u{1}"))).unwrap();
        let wanted = "<?xml version=\"1.0\" encoding=\"utf-8\"?><service_requests><request>\
                      <description>垃圾 &lt;b&gt; &amp; </description><lat>39.7</lat><zipcode></zipcode>\
                      </request></service_requests>";
        assert_eq!(written, wanted);
    }

    proptest! {
        #[test]
        fn any_text_makes_xml_that_is_read(text in any::<String>()) {
            let written = xml(&records(&text));
            let mut reader = Reader::from_reader(written.as_slice());
            let mut depth = 0_i32;
            loop {
                let event = reader.read_event().unwrap();
                if event == Event::Eof {
                    break;
                }
                depth += i32::from(matches!(event, Event::Start(_))) - i32::from(matches!(event, Event::End(_)));
            }
            prop_assert_eq!(depth, 0);
        }
    }
}
