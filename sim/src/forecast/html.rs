//! The report as one page that opens without internet and without scripts.

use std::fmt::Write as _;

use super::charts::{self, bytes_text};
use super::{Arrival, Forecast, Report, map};

const STYLE: &str = "body{font:16px/1.5 system-ui,'Noto Sans CJK SC','Microsoft YaHei',sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#1b1f24}\
h1{font-size:1.7rem}h2{font-size:1.25rem;margin-top:2.4rem;border-bottom:2px solid #3f74a8}h3{font-size:1rem;margin-bottom:.3rem}\
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{padding:.35rem .5rem;border-bottom:1px solid #ddd;text-align:right}\
th:first-child,td:first-child{text-align:left}th{background:#eef2f6}svg{width:100%;height:auto;display:block}svg.map{max-width:760px;margin:auto}\
svg text{font-size:13px;fill:#1b1f24}svg text.small{font-size:12px}svg text.mid{text-anchor:middle}svg text.end{text-anchor:end}\
svg text.halo{paint-order:stroke;stroke:#fff;stroke-width:4px}.cards{display:flex;gap:1rem;flex-wrap:wrap}\
.card{flex:1;min-width:210px;background:#eef2f6;border-radius:8px;padding:.8rem 1rem}.card b{display:block;font-size:1.6rem}\
.key{margin-right:1rem;white-space:nowrap}.box{display:inline-block;width:14px;height:14px;border:1px solid #999;margin-right:5px;vertical-align:-2px}\
.bar{display:inline-block;width:22px;height:4px;margin-right:5px;vertical-align:4px}.keys,.note{font-size:.88rem;color:#444}.wrong{color:#99253a;font-weight:bold}";

impl Forecast {
    /// The page.
    pub fn page(&self) -> String {
        let report = &self.report;
        let mut text = format!(
            "<!DOCTYPE html>\n<html lang=\"zh-CN\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width\"/><title>{0} 断网推演 / outage forecast</title><style>{STYLE}</style></head><body>\n<h1>{0} 断网推演 <small>/ outage forecast</small></h1>\n",
            report.town
        );
        text += &head(report);
        text += "<h2>各村滞后 / staleness of each village</h2>\n<p class=\"note\">某一时刻的滞后 = 该时刻尚未到达的、最早已确认记录的年龄；没有则为 0。/ Staleness at a moment: the age of the oldest acknowledged record that has not arrived by then; 0 if there is none.</p>";
        text += &charts::legend(!self.cuts.is_empty());
        text += "<h3>村 → 中心：本村已确认、任何指挥中心都还没有的记录 / village to center: records of the village that no center holds</h3>";
        text += &charts::heat_map(self, |age| age.0, "村到中心的滞后 / staleness toward the center");
        text += "<h3>其他节点 → 村：别处已确认、本村可读但还没有的记录 / rest of the town to village: what the village may read and lacks</h3>";
        text += &charts::heat_map(self, |age| age.1, "到村的滞后 / staleness toward the village");
        text += &villages(report);
        text += "<h2>改哪条路线最有用 / which route change helps most</h2>\n";
        text += &changes(report);
        text += "<h2>地图 / contact map</h2>\n<p class=\"note\">村名后的数字是该村最大滞后（分钟，两个方向取大者）。/ The number after a village is its worst staleness in minutes, in either direction.</p>\n";
        text += &charts::legend(false);
        text += &map::map(self);
        text += "<h2>从确认到到达 / from acknowledgement to arrival</h2>\n";
        text += &arrival("到达任一指挥中心 / at a center", &report.to_center);
        text += &arrival("到达所有可读节点（含车辆）/ at all who may read it, vehicles included", &report.to_all);
        text += "<h2>各链路字节数 / bytes per link</h2>\n<p class=\"keys\"><span class=\"key\"><span class=\"box\" style=\"background:#3f74a8\"></span>专线 / line</span><span class=\"key\"><span class=\"box\" style=\"background:#2f8f6b\"></span>电台 / radio</span><span class=\"key\"><span class=\"box\" style=\"background:#8a5fb0\"></span>移动网 / mobile</span>最多的 30 条，两个方向合计，不含 06:30 前的部署；全部见 links.csv / the 30 busiest, both ways, without deployment before 06:30; all in links.csv</p>\n";
        text += &charts::links(self);
        text += "<h2>各车 / each vehicle</h2>\n";
        text += &vehicles(report);
        text + "</body></html>\n"
    }
}

fn head(report: &Report) -> String {
    let outages = match report.outages.is_empty() {
        true => "无 / none".to_owned(),
        false => report.outages.join("；"),
    };
    let worst = report.worst_first().first().and_then(|site| report.villages.iter().find(|row| row.site == *site));
    let mut text = format!(
        "<p>断网 / outage: <b>{outages}</b><br/>{} 个节点，自 06:30 起 {} 小时，工作量 {} %，种子 {}，每 {} 分钟取样 / {0} nodes, {1} hours from 06:30, {2} % of the usual work, seed {3}, sampled every {4} minutes</p>\n<div class=\"cards\">",
        report.nodes, report.hours, report.load_percent, report.seed, report.sample_min
    );
    let mut card = |value: String, words: &str| {
        let _ = write!(text, "<div class=\"card\"><b>{value}</b>{words}</div>");
    };
    card(format!("{:.0} min", report.staleness.worst_min), "最大滞后 / worst staleness");
    card(
        format!("{:.1} min", report.staleness.mean_min),
        "平均滞后（各村、各时刻、两个方向）/ mean staleness (villages, samples, both ways)",
    );
    card(
        worst.map_or_else(|| "–".into(), |row| row.name.clone()),
        "最滞后的村（按平均）/ the village worst off on average",
    );
    let records = report.to_center.arrived + report.to_center.not_arrived;
    card(format!("{} / {records}", report.to_center.arrived), "已到中心的记录 / records at a center by the end");
    text += "</div>\n";
    for violation in &report.violations {
        let _ = write!(
            text,
            "<p class=\"wrong\">产品缺陷，请上报 / a defect of townmesh, please report: {}</p>",
            escape(violation)
        );
    }
    text
}

fn villages(report: &Report) -> String {
    let mut text = "<table><tr><th>村 / village</th><th>最大 → 中心<br/>worst to center</th><th>平均 → 中心<br/>mean to center</th><th>最大 → 村<br/>worst to village</th><th>平均 → 村<br/>mean to village</th></tr>".to_owned();
    for row in &report.villages {
        let _ = write!(
            text,
            "<tr><td>{}</td><td>{:.0} min</td><td>{:.1} min</td><td>{:.0} min</td><td>{:.1} min</td></tr>",
            row.name,
            row.worst_to_center_min,
            row.mean_to_center_min,
            row.worst_to_village_min,
            row.mean_to_village_min
        );
    }
    text + "</table>\n"
}

fn changes(report: &Report) -> String {
    let mut text = format!(
        "<p class=\"note\">接触图模型试了 {} 种改动，其中 {} 种有用；下面是最好的几种，用真实副本重新推演过。模型假定每次接触瞬间传完；它给出的现状平均滞后为 {:.1} 分钟，推演为 {:.1} 分钟，两者之差就是模型的误差。结论只对这一天的工作（种子 {}）成立，可换种子再试。/ The contact-graph model tried {0} changes, {1} of which help; the best were simulated again with real replicas. The model takes every contact to carry everything at once; for the town as it is it says {2:.1} min on average, the simulation {3:.1}: the difference is its error. This holds for this day's work (seed {4}); try other seeds.</p>",
        report.changes_tried,
        report.changes_that_help,
        report.staleness_modelled.mean_min,
        report.staleness.mean_min,
        report.seed
    );
    if report.changes.is_empty() {
        return text + "<p>没有找到有用的改动 / no change was found that helps</p>";
    }
    text += "<table><tr><th>改动 / change</th><th>平均滞后：推演<br/>mean, simulated</th><th>最大滞后：推演<br/>worst, simulated</th><th>平均滞后：模型<br/>mean, model</th><th>多行驶 / detour</th></tr>";
    for row in &report.changes {
        let _ = write!(
            text,
            "<tr><td>{}<br/>{}</td><td>{:.1} → <b>{:.1}</b></td><td>{:.0} → <b>{:.0}</b></td><td>{:.1} → {:.1}</td><td>{:+.1} km</td></tr>",
            row.words_zh,
            row.words_en,
            row.simulated_before.mean_min,
            row.simulated.mean_min,
            row.simulated_before.worst_min,
            row.simulated.worst_min,
            row.modelled_before.mean_min,
            row.modelled.mean_min,
            row.detour_m as f64 / 1_000.0
        );
    }
    text + "</table>\n"
}

fn arrival(title: &str, arrival: &Arrival) -> String {
    format!(
        "<h3>{title}</h3><p class=\"note\">中位数 / median {:.1} min，95 %: {:.1} min，最长 / longest {:.1} min；未到 / not arrived: {}</p>{}",
        arrival.median_min,
        arrival.p95_min,
        arrival.longest_min,
        arrival.not_arrived,
        charts::histogram(arrival, title)
    )
}

fn vehicles(report: &Report) -> String {
    let mut text = "<table><tr><th>车 / vehicle</th><th>每天行驶<br/>km a day</th><th>电台接触<br/>radio contacts</th><th>电台收<br/>radio in</th><th>电台发<br/>radio out</th><th>移动网<br/>mobile</th></tr>".to_owned();
    for row in &report.vehicles {
        let _ = write!(
            text,
            "<tr><td>{}</td><td>{:.1}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            row.name,
            row.metres_a_day as f64 / 1_000.0,
            row.contacts,
            bytes_text(row.radio_in),
            bytes_text(row.radio_out),
            bytes_text(row.mobile)
        );
    }
    text + "</table>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
