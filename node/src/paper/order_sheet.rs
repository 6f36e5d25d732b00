//! The order sheet (派遣单): what is handed to a unit that its node does not reach, to be worked from and signed.

use townmesh_crdt::domain::case::OrderKind;
use townmesh_crdt::domain::position::Position;

use super::barcode::code_128;
use super::{escape, label, page, row};
use crate::moment::in_town;

/// What stands on a sheet. Texts are as people wrote them; they are escaped here.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrderSheet {
    /// Number of the order, as people say it.
    pub(crate) number: String,
    /// Number of the case.
    pub(crate) case: String,
    /// Dispatch or whistle.
    pub(crate) kind: Option<OrderKind>,
    /// Code or name of the team, with its name where it is known.
    pub(crate) team: String,
    /// Phone of the team's duty desk.
    pub(crate) team_phone: Option<String>,
    /// Whether the team leads.
    pub(crate) leads: bool,
    /// Who of the team does it, with name and phone where they are known.
    pub(crate) person: Option<String>,
    /// What is to be done.
    pub(crate) task: String,
    /// Village or community, with its name where it is known.
    pub(crate) region: String,
    /// The place in words.
    pub(crate) place: String,
    /// The place on the map.
    pub(crate) position: Option<Position>,
    /// What is wrong.
    pub(crate) description: String,
    /// Category and severity.
    pub(crate) category: String,
    /// When the order was written, in milliseconds since 1970.
    pub(crate) sent_ms: i64,
    /// Who sent it, with name and phone where they are known.
    pub(crate) sent_by: String,
    /// The limit in words.
    pub(crate) limit: String,
    /// When it is reached, in milliseconds since 1970.
    pub(crate) due_ms: Option<i64>,
    /// Names of the photos of the problem.
    pub(crate) photos: Vec<String>,
    /// When it was handed on before, in words.
    pub(crate) conveyed: Vec<String>,
}

/// The groups of a number with room between them, to be read aloud.
fn spaced(number: &str) -> String {
    number.split('-').collect::<Vec<_>>().join("\u{2003}")
}

/// A sheet as a page of A4.
pub(crate) fn order_sheet(sheet: &OrderSheet) -> String {
    let code = code_128(&sheet.number).map(|svg| format!("<div class=\"code\">{svg}</div>")).unwrap_or_default();
    let mut body = format!(
        "<style>.code svg {{ width: 72mm; height: 14mm; display: block; }} .due {{ font-size: 15pt; font-weight: 700; }}</style>\n\
         <div class=\"head\"><div><h1>{}</h1>{}</div>{code}</div>\n<div class=\"number\">{}</div>\n",
        label("派遣单", "order"),
        sheet.kind.map(|kind| label(kind.chinese(), kind.english())).unwrap_or_default(),
        escape(&spaced(&sheet.number)),
    );
    let due = sheet.due_ms.map(in_town).unwrap_or_default();
    body += &format!(
        "<table class=\"facts\">\n<tr><th>{}</th><td class=\"task\">{}</td></tr>\n{}<tr><th>{}</th><td class=\"due\">{}</td></tr>\n{}</table>\n",
        label("任务", "task"),
        escape(&sheet.task),
        row("地点", "place", &place(sheet)),
        label("限时", "deadline"),
        escape(&due),
        rows(sheet),
    );
    body += &photos(sheet);
    body += &answer();
    page(&format!("派遣单 {}", sheet.number), &body)
}

fn place(sheet: &OrderSheet) -> String {
    let position = sheet.position.map(|at| format!("\n北纬 {:.5}  东经 {:.5}", at.latitude(), at.longitude()));
    format!("{}\n{}{}", sheet.region, sheet.place, position.unwrap_or_default())
}

fn rows(sheet: &OrderSheet) -> String {
    let phone = sheet.team_phone.as_ref().map(|phone| format!("  {phone}")).unwrap_or_default();
    let lead = if sheet.leads { "（牵头）" } else { "" };
    let rows = [
        ("时限", "limit", sheet.limit.clone()),
        ("情况", "what is wrong", sheet.description.clone()),
        ("类别", "category", sheet.category.clone()),
        ("队伍", "team", format!("{}{lead}{phone}", sheet.team)),
        ("落实到人", "person", sheet.person.clone().unwrap_or_default()),
        ("派遣人", "sent by", format!("{}  {}", sheet.sent_by, in_town(sheet.sent_ms))),
        ("案卷编号", "case", sheet.case.clone()),
        ("已传达", "handed on before", sheet.conveyed.join("\n")),
    ];
    rows.iter().filter(|(.., text)| !text.is_empty()).map(|(zh, en, text)| row(zh, en, text)).collect()
}

fn photos(sheet: &OrderSheet) -> String {
    if sheet.photos.is_empty() {
        return String::new();
    }
    let names: String =
        sheet.photos.iter().map(|name| format!("<div class=\"mono\">{}</div>\n", escape(name))).collect();
    format!("<h2>{}</h2>\n{names}", label("照片编号", "photos"))
}

/// What the unit fills in.
fn answer() -> String {
    let fields = [
        ("签收人", "received by"),
        ("签收时间", "when"),
        ("到场时间", "on site at"),
        ("完成时间", "done at"),
        ("处置结果", "result"),
        ("处置人签字", "signature"),
    ];
    let fields: String = fields.iter().map(|(zh, en)| format!("<div>{}</div>\n", label(zh, en))).collect();
    format!("<h2>{}</h2>\n<div class=\"sign\">\n{fields}</div>\n", label("回执", "to be filled in and returned"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_stands_alone_and_says_what_people_need() {
        let sheet = OrderSheet {
            number: "7K3-9XQ-2PAD".into(),
            task: "清运 <script>alert(1)</script>".into(),
            place: "村东\"头\"".into(),
            position: Position::from_degrees(39.72, 116.32),
            due_ms: Some(1_780_272_000_000),
            team_phone: Some("110".into()),
            ..OrderSheet::default()
        };
        let page = order_sheet(&sheet);
        for wanted in [
            "7K3\u{2003}9XQ\u{2003}2PAD",
            "2026-06-01 08:00",
            "39.72000",
            "&lt;script&gt;",
            "村东&quot;头&quot;",
            "110",
            "<svg",
        ] {
            assert!(page.contains(wanted), "{wanted}: {page}");
        }
        for forbidden in ["<script", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        let empty = order_sheet(&OrderSheet::default());
        assert!(!empty.contains("<svg") && !empty.contains("照片编号"));
    }
}
