//! What people print: pages that stand alone, without scripts or anything fetched, in Chinese first and English small.

mod barcode;
mod order_sheet;

pub(crate) use order_sheet::{OrderSheet, order_sheet};

/// Text within an element or an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // What turns the direction of a line would show other words than are there.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            control if control.is_control() && !matches!(control, '\n' | '\t') => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A label in both languages.
pub(crate) fn label(zh: &str, en: &str) -> String {
    format!("{zh} <small>{en}</small>")
}

/// A row of a table of two columns: a label and a text, which is escaped.
pub(crate) fn row(zh: &str, en: &str, text: &str) -> String {
    format!("<tr><th>{}</th><td>{}</td></tr>\n", label(zh, en), escape(text))
}

/// A whole page; `title` is escaped, `body` stands as it is.
pub(crate) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file: data:\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

const STYLE: &str = "\
@page { size: A4; margin: 14mm 15mm; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 8mm; max-width: 190mm; color: #000; background: #fff;
  font: 11pt/1.5 'Noto Sans CJK SC', 'Source Han Sans SC', 'PingFang SC', 'Microsoft YaHei', 'WenQuanYi Zen Hei', sans-serif; }
@media print { body { padding: 0; max-width: none; } a { color: inherit; text-decoration: none; } }
h1 { font-size: 19pt; margin: 0 0 3mm; }
h2 { font-size: 12.5pt; margin: 6mm 0 2mm; border-bottom: .4mm solid #000; break-after: avoid; }
small { font-size: 72%; color: #444; font-weight: normal; }
table { width: 100%; border-collapse: collapse; }
th, td { border: .2mm solid #666; padding: 1.2mm 2mm; text-align: left; vertical-align: top; overflow-wrap: anywhere; white-space: pre-line; }
th { background: #f0f0f0; font-weight: 600; }
tr { break-inside: avoid; }
table.facts th { width: 42mm; }
table.list { font-size: 8.5pt; line-height: 1.35; }
table.list th { min-width: 14mm; }
.number { font: 700 34pt/1.2 'DejaVu Sans Mono', Consolas, monospace; letter-spacing: 1mm; margin: 2mm 0; }
.head { display: flex; justify-content: space-between; align-items: flex-start; gap: 8mm; }
.task { font-size: 16pt; font-weight: 600; }
.sign { display: grid; grid-template-columns: 1fr 1fr; gap: 0 10mm; margin-top: 4mm; break-inside: avoid; }
.sign div { border-bottom: .3mm solid #000; height: 15mm; }
.void td { color: #666; }
.mono { font-family: 'DejaVu Sans Mono', Consolas, monospace; font-size: 8pt; }
.photos { display: flex; flex-wrap: wrap; gap: 4mm; }
.photos figure { margin: 0; width: 58mm; break-inside: avoid; }
.photos img { width: 100%; border: .2mm solid #666; }
.photos figcaption { font-size: 7.5pt; overflow-wrap: anywhere; }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup_or_turns_a_line() {
        let page = page("<b>", &row("地点", "place", "<script>\"'&\u{202e}\u{0}x\n"));
        assert!(page.contains("&lt;script&gt;&quot;&#39;&amp;\u{fffd}\u{fffd}x\n"), "{page}");
        assert!(page.contains("<title>&lt;b&gt;</title>") && !page.contains("<script"), "{page}");
    }
}
