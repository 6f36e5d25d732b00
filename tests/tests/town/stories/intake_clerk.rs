//! The intake clerk takes in what the town is told: the hotline's list, the public's forms, walk-ins. What is told twice
//! becomes one case, what is nothing is refused, what is doubtful is looked at first, and who called is called back.

use serde_json::{Value, json};
use townmesh_node::demo::plan::{CENTER, VILLAGE_1};

use super::story::{Person, Story, has, quoted, refusal, same, says, text, wrong_role, wrong_state};
use super::work::{Desks, file};

pub(super) fn day(story: &Story<'_>) -> anyhow::Result<()> {
    let clerk = story.person(CENTER, "sly-1", "intake_clerk")?;
    let village = story.village(0)?;

    story.step("imports the list of the hotline, twice");
    imports_the_hotline(story, &clerk, village)?;
    story.step("finds what a resident reported by the public's form");
    let reported = takes_a_form(&clerk, village)?;
    story.step("merges what was told twice");
    merges(&clerk, village, &reported)?;
    story.step("refuses what is none of the town's business, and says why");
    refuses(&clerk, village)?;
    story.step("may take in, but not file, dispatch or close");
    clerk.does(&reported, json!("accept"))?;
    clerk.cannot(&reported, json!("accept"), &wrong_state("待立案"))?;
    clerk.cannot(&reported, file("wiring", "general"), &wrong_role("待立案"))?;
    story.step("decides otherwise than the village, which is cut off");
    decides_apart(story, &clerk, village)?;
    story.step("calls back once it is closed, and not before");
    calls_back(story, &clerk, village)
}

fn imports_the_hotline(story: &Story<'_>, clerk: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let list = format!(
        "工单编号,来电时间,村居,地址,诉求内容,类别,来电人,来电号码\n\
         H1,2026-11-20 08:30,{village},村口,飞线充电,用电隐患,王小明,13800138000\n\
         H2,2026-11-20 08:40,999999999999,村东,垃圾,,,\n\
         H3,2026-11-20 08:50,{village},村东,垃圾无人清运,,李四,13900139000\n"
    );
    let file = story.file("12345.csv", list)?;
    let told = clerk.runs_with(1, &["case", "import", &file])?;
    says(&told, "/created", json!(2))?;
    says(&told, "/rejected/0/row", json!(3))?;
    says(&told, "/rejected/0/problems/0/code", json!("region_unknown"))?;
    let again = clerk.runs_with(1, &["case", "import", &file])?;
    same(
        "calls imported the second time",
        &(again["created"].as_u64(), again["unchanged"].as_u64()),
        &(Some(0), Some(2)),
    )?;
    let listed = clerk.looks_until(&format!("/v1/cases?text={}", quoted("飞线充电")), |told| has(told, 1))?;
    let case = text(&listed, "/rows/0/document")?;
    let shown = clerk.case(&case)?;
    says(&shown, "/category", json!("wiring"))?;
    // Who called is masked until somebody says why they look.
    says(&shown, "/reporters/0/data", json!({ "name": "王*", "phone": "138****8000" }))?;
    let clear = clerk.sees(&format!("/v1/cases/{case}?reveal={}", quoted("回访")))?;
    says(&clear, "/reporters/0/data/phone", json!("13800138000"))
}

fn takes_a_form(clerk: &Person<'_>, village: &str) -> anyhow::Result<String> {
    let form = format!(
        "service_code=wiring&jurisdiction_id={village}&address_string={}&description={}&last_name={}&first_name={}&phone=13700137000",
        quoted("幸福路8号"),
        quoted("电线私拉乱接"),
        quoted("张"),
        quoted("小明"),
    );
    let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Idempotency-Key", "form-1")];
    let send = || -> anyhow::Result<Value> {
        let answer = clerk.api.ask(("POST", "/georeport/v2/requests.json"), &headers, form.as_bytes())?;
        Ok(serde_json::from_slice(&answer)?)
    };
    let case = text(&send()?, "/0/service_request_id")?;
    same("the form sent again", &text(&send()?, "/0/service_request_id")?, &case)?;
    let shown = clerk.case(&case)?;
    says(&shown, "/source", json!("public"))?;
    says(&shown, "/reporters/0/data/name", json!("张*"))?;
    Ok(case)
}

/// Merging leads to another case that is here and was not merged itself: a chain that ends nowhere would hide both.
fn merges(clerk: &Person<'_>, village: &str, first: &str) -> anyhow::Result<()> {
    let second = clerk.reports(village, "幸福路8号门前", "电线乱拉")?;
    let into = |case: &str| json!({ "merge": { "into": case } });
    let itself = refusal(
        422,
        "merge_into_itself",
        "案卷不能并入自身，也不能并入已并入它的案卷，请填另一件案卷的编号",
        "a case cannot be merged into itself, nor into one that was merged into it: name another case",
    );
    clerk.cannot(&second, into(&second), &itself)?;
    let nowhere = "0".repeat(32);
    let unknown = refusal(
        404,
        "not_found",
        &format!("本节点没有此案卷（{nowhere}），请核对编号或先同步"),
        &format!("there is no case {nowhere} here: check the id, or synchronise with the node that recorded it"),
    );
    clerk.cannot(&second, into(&nowhere), &unknown)?;
    clerk.does(&second, into(first))?;
    let merged = clerk.case(&second)?;
    says(&merged, "/state", json!("linked"))?;
    says(&merged, "/folded/linked_to", json!(first))?;
    clerk.cannot(first, into(&second), &itself)?;
    let third = clerk.reports(village, "幸福路8号后院", "电线乱拉")?;
    let onward = refusal(
        422,
        "merged_already",
        &format!("案卷 {second} 已并入 {first}，请填后者的编号"),
        &format!("case {second} was merged into {first} itself: name that one"),
    );
    clerk.cannot(&third, into(&second), &onward)?;
    clerk.does(&third, into(first)).map(drop)
}

fn refuses(clerk: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let case = clerk.reports(village, "网上", "邻居唱歌难听")?;
    let silent = json!({ "refuse": { "reason": " " } });
    let blank = refusal(
        422,
        "blank",
        "action.reason：不能为空白，请填写或不要给出",
        "action.reason: it is blank; fill it in or leave it out",
    );
    clerk.cannot(&case, silent, &blank)?;
    clerk.does(&case, json!({ "refuse": { "reason": "不属于受理范围" } }))?;
    says(&clerk.case(&case)?, "/state", json!("refused"))?;
    clerk.cannot(&case, json!("accept"), &wrong_state("不予受理"))
}

/// The village accepts what the center refuses. That it lives on goes first, and both are shown to whoever settles.
fn decides_apart(story: &Story<'_>, clerk: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let at_village = story.person(VILLAGE_1, "sly-2", "intake_clerk")?;
    let case = clerk.reports(village, "村北", "渣土堆放")?;
    at_village.comes_to_see_case(&case, "reported")?;
    story.cut_off(VILLAGE_1);
    at_village.does(&case, json!("accept"))?;
    clerk.does(&case, json!({ "refuse": { "reason": "位置不明" } }))?;
    story.links_return();
    for one in [clerk, &at_village] {
        one.looks_until(&format!("/v1/cases/{case}"), |shown| {
            says(shown, "/state", json!("accepted"))?;
            says(shown, "/folded/conflicts/0/kind", json!("contrary_intake"))
        })?;
    }
    let inbox = clerk.looks_until(&format!("/v1/conflicts?document={case}"), |told| has(told, 1))?;
    let (id, revision) = (text(&inbox, "/rows/0/id")?, &inbox["rows"][0]["revision"]);
    let settle = format!("/v1/conflicts/{id}/settle");
    let choice = |by: &Person<'_>| json!({ "revision": revision, "action": "settle", "actor": by.actor() });
    clerk.is_refused(&settle, choice(clerk), &wrong_role("待立案"))?;
    let duty_head = story.person(CENTER, "zb-1", "duty_head")?;
    duty_head.records(&settle, choice(&duty_head))?;
    at_village.looks_until(&format!("/v1/conflicts?document={case}"), |told| has(told, 0))?;
    Ok(())
}

fn calls_back(story: &Story<'_>, clerk: &Person<'_>, village: &str) -> anyhow::Result<()> {
    let asked = json!({ "callback": { "satisfaction": "dissatisfied", "solved": false } });
    let desks = Desks::at(story, CENTER)?;
    let open = desks.handled(village, "村东")?;
    clerk.cannot(&open, asked.clone(), &wrong_state("待核查"))?;
    let closed = desks.closed(village, "村南")?;
    clerk.does(&closed, asked)?;
    clerk.does(&closed, json!({ "reopen": { "cause": "unsolved" } }))?;
    let shown = clerk.case(&closed)?;
    says(&shown, "/state", json!("filed"))?;
    says(&shown, "/folded/reopened", json!(1))
}
