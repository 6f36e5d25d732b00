//! What is wrong with a pack.

use serde::Serialize;

/// Something that is not as it must be: what, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A stable word for programs.
    pub code: &'static str,
    /// The file, entry or event.
    pub place: String,
    /// What is wrong, in Chinese.
    #[serde(rename = "message_zh")]
    pub zh: String,
    /// What is wrong, in English.
    #[serde(rename = "message_en")]
    pub en: String,
}

impl Problem {
    /// A problem at a place.
    pub fn new(code: &'static str, place: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code, place: place.into(), zh: zh.into(), en: en.into() }
    }
}
