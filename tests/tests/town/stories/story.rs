//! How a story is told: somebody at a node, who sees, records, acts and is refused, step after step. What does not come
//! as it should ends the story with who, in which step, what was expected and what came.

use std::cell::Cell;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use townmesh_node::demo::api::{Api, ApiError};
use townmesh_node::demo::town::Town;
use townmesh_node::message::Message;
use townmesh_tests::process::{run_to_end, said};

/// How long what was recorded elsewhere may take to arrive.
const SOON: Duration = Duration::from_secs(40);
/// How often one looks whether it has.
const LOOK: Duration = Duration::from_millis(100);

/// The day of one role in a town.
pub(super) struct Story<'a> {
    pub(super) town: &'a Town,
    pub(super) folder: &'a Path,
    step: Cell<&'static str>,
}

/// Somebody at a node, in a role.
#[derive(Clone)]
pub(super) struct Person<'a> {
    pub(super) api: &'a Api,
    pub(super) data_dir: PathBuf,
    /// The member's code.
    pub(super) code: &'static str,
    pub(super) role: &'static str,
}

/// A refusal as it must come: HTTP status, stable code, both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    code: String,
    zh: String,
    en: String,
}

/// That a request is refused so.
pub(super) fn refusal(status: u16, code: &str, zh: &str, en: &str) -> Refusal {
    Refusal { status, code: code.to_owned(), zh: zh.to_owned(), en: en.to_owned() }
}

/// That the rules of a case refuse somebody a step, for a reason, in a state (as it is called in Chinese).
pub(super) fn by_the_case(code: &str, reason: (&str, &str), state: &str) -> Refusal {
    let (zh, en) = reason;
    refusal(422, code, &format!("{zh}（当前状态：{state}）"), &format!("the case does not allow this: {en}"))
}

/// That a step comes too late or too early: the same, with the status of what clashes.
pub(super) fn by_what_stands(code: &str, reason: (&str, &str), state: &str) -> Refusal {
    Refusal { status: 409, ..by_the_case(code, reason, state) }
}

/// That the role may not take the step.
pub(super) fn wrong_role(state: &str) -> Refusal {
    by_the_case("wrong_role", ("此角色不能进行此操作", "this role may not do this"), state)
}

/// That the step does not lead on from this state.
pub(super) fn wrong_state(state: &str) -> Refusal {
    by_what_stands("wrong_state", ("当前状态不允许此操作", "the state does not allow this"), state)
}

/// That nobody acts in this role on the node.
pub(super) fn role_not_held(zh: &str, en: &str) -> Refusal {
    let zh = format!("本节点的证书不含“{zh}”角色，请在有此角色的节点上操作，或请授权机构签发含此角色的邀请");
    let en = format!(
        "nobody acts as {en} on this node: its certificate does not list the role; do it on a node that may, or ask the authority for an invite with --acts-as"
    );
    refusal(403, "role_not_held", &zh, &en)
}

impl<'a> Story<'a> {
    pub(super) fn new(town: &'a Town, folder: &'a Path) -> Self {
        Self { town, folder, step: Cell::new("begins the day") }
    }

    /// Names what is done next.
    pub(super) fn step(&self, words: &'static str) {
        self.step.set(words);
    }

    /// What was being done.
    pub(super) fn at(&self) -> &'static str {
        self.step.get()
    }

    /// Somebody who works at a node.
    pub(super) fn person(&self, node: &str, code: &'static str, role: &'static str) -> anyhow::Result<Person<'a>> {
        let api = &self.town.node(node)?.api;
        Ok(Person { api, data_dir: self.town.data_dir(node), code, role })
    }

    /// The code of the first, second or third village.
    pub(super) fn village(&self, place: usize) -> anyhow::Result<&'a str> {
        Ok(&self.town.plan.villages.get(place).context("there are three villages")?.code)
    }

    /// Takes a node off every link.
    pub(super) fn cut_off(&self, node: &str) {
        self.town.relays.set_cut(true, |link| link.touches(node));
    }

    /// Every link is back.
    pub(super) fn links_return(&self) {
        self.town.relays.set_cut(false, |_| true);
    }

    /// Writes a file that somebody brings along.
    pub(super) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<String> {
        let path = self.folder.join(name);
        std::fs::write(&path, content)?;
        Ok(path.display().to_string())
    }
}

impl Person<'_> {
    /// The same person in another of their roles.
    pub(super) fn as_role(&self, role: &'static str) -> Self {
        Self { role, ..self.clone() }
    }

    /// What stands beside every action: who, in which role.
    pub(super) fn actor(&self) -> Value {
        json!({ "by": self.code, "role": self.role })
    }

    /// Looks at something.
    pub(super) fn sees(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.api.fetch(path)?)
    }

    /// Looks until it is so: what others did arrives in its own time. Returns what was seen then.
    pub(super) fn comes_to_see(&self, path: &str, pointer: &str, expected: Value) -> anyhow::Result<Value> {
        self.looks_until(path, |shown| says(shown, pointer, expected.clone()))
    }

    /// Looks until nothing is wrong with what is seen, and returns it.
    pub(super) fn looks_until(
        &self,
        path: &str,
        is_right: impl Fn(&Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<Value> {
        let began = Instant::now();
        loop {
            let shown = self.sees(path);
            let wrong = match &shown {
                Ok(shown) => is_right(shown).err(),
                Err(_) => None,
            };
            match (shown, wrong) {
                (Ok(shown), None) => return Ok(shown),
                (Ok(_), Some(wrong)) | (Err(wrong), _) if began.elapsed() > SOON => {
                    return Err(wrong.context(format!("{path} did not come to be so in {} s", SOON.as_secs())));
                }
                _ => std::thread::sleep(LOOK),
            }
        }
    }

    /// Records something; what it was recorded as.
    pub(super) fn records(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let answer: Value = self.api.post(path, &body)?;
        Ok(answer.get("value").cloned().unwrap_or(answer))
    }

    /// Changes something; the whole answer.
    pub(super) fn edits(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let headers = [("Content-Type", "application/json")];
        Ok(serde_json::from_slice(&self.api.ask(("PATCH", path), &headers, body.to_string().as_bytes())?)?)
    }

    /// Tries to record something in vain.
    pub(super) fn is_refused(&self, path: &str, body: Value, expected: &Refusal) -> anyhow::Result<()> {
        refused(self.api.post::<Value>(path, &body), expected)
    }

    /// Tries to look at something in vain.
    pub(super) fn may_not_see(&self, path: &str, expected: &Refusal) -> anyhow::Result<()> {
        refused(self.api.fetch::<Value>(path), expected)
    }

    /// Reports a problem from patrol; the case.
    pub(super) fn reports(&self, region: &str, place: &str, description: &str) -> anyhow::Result<String> {
        let report = json!({ "source": "patrol", "place": place, "description": description });
        text(
            &self.records("/v1/cases", json!({ "actor": self.actor(), "region": region, "report": report }))?,
            "/document",
        )
    }

    /// Takes a step of a case; the event.
    pub(super) fn does(&self, case: &str, action: Value) -> anyhow::Result<String> {
        let done = self.records(&actions(case), json!({ "actor": self.actor(), "action": action }))?;
        text(&done, "/event")
    }

    /// Takes a step as soon as the node has heard enough to allow it.
    pub(super) fn comes_to_do(&self, case: &str, action: Value) -> anyhow::Result<String> {
        let began = Instant::now();
        loop {
            match self.does(case, action.clone()) {
                Err(problem) if began.elapsed() > SOON => return Err(problem),
                Err(_) => std::thread::sleep(LOOK),
                done => return done,
            }
        }
    }

    /// Tries a step of a case in vain.
    pub(super) fn cannot(&self, case: &str, action: Value, expected: &Refusal) -> anyhow::Result<()> {
        self.is_refused(&actions(case), json!({ "actor": self.actor(), "action": action }), expected)
    }

    /// A case as this node shows it.
    pub(super) fn case(&self, case: &str) -> anyhow::Result<Value> {
        self.sees(&format!("/v1/cases/{case}"))
    }

    /// Looks at a case until it stands so.
    pub(super) fn comes_to_see_case(&self, case: &str, state: &str) -> anyhow::Result<Value> {
        self.comes_to_see(&format!("/v1/cases/{case}"), "/state", json!(state))
    }

    /// Runs a command at the own node to its end: its exit code, what it printed as JSON, and the message of its failure.
    fn command(&self, arguments: &[&str]) -> anyhow::Result<(i32, Value, Value)> {
        let data_dir = self.data_dir.display().to_string();
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--data-dir", &data_dir, "--json"]).collect();
        let output = run_to_end(&arguments, SOON)?;
        let code = output.status.code().with_context(|| said(&output))?;
        let read = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or_default();
        Ok((code, read(&output.stdout), read(&output.stderr)))
    }

    /// Runs a command that succeeds; what it printed.
    pub(super) fn runs(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        self.runs_with(0, arguments)
    }

    /// Runs a command that ends with a code; what it printed.
    pub(super) fn runs_with(&self, code: i32, arguments: &[&str]) -> anyhow::Result<Value> {
        let (came, printed, message) = self.command(arguments)?;
        let words = arguments.join(" ");
        ensure!(came == code, "`townmesh {words}`: expected exit code {code}, came {came}: {printed} {message}");
        Ok(printed)
    }

    /// Runs a command that fails as a request does.
    pub(super) fn runs_in_vain(&self, arguments: &[&str], expected: &Refusal) -> anyhow::Result<()> {
        let (code, printed, message) = self.command(arguments)?;
        let words = arguments.join(" ");
        ensure!(code == 1, "`townmesh {words}`: expected exit code 1, came {code}: {printed} {message}");
        let message = serde_json::from_value(message).with_context(|| format!("`townmesh {words}` said no message"))?;
        same(&format!("the refusal of `townmesh {words}`"), &as_came(expected.status, message), expected)
    }
}

fn actions(case: &str) -> String {
    format!("/v1/cases/{case}/actions")
}

fn as_came(status: u16, Message { code, zh, en, .. }: Message) -> Refusal {
    Refusal { status, code: code.into_owned(), zh, en }
}

fn refused(answer: Result<Value, ApiError>, expected: &Refusal) -> anyhow::Result<()> {
    match answer {
        Err(ApiError::Refused { call, status, message: Some(message), .. }) => {
            same(&format!("the refusal of {call}"), &as_came(status, *message), expected)
        }
        Err(other) => Err(anyhow::Error::from(other).context(format!("expected {expected:?}"))),
        Ok(done) => bail!("expected {expected:?}, but it was done: {done}"),
    }
}

/// That two are the same.
pub(super) fn same<T: PartialEq + Debug>(what: &str, came: &T, expected: &T) -> anyhow::Result<()> {
    ensure!(came == expected, "{what}: expected {expected:?}, came {came:?}");
    Ok(())
}

/// That a value holds this at a place (a JSON pointer); what is not there is null.
pub(super) fn says(value: &Value, pointer: &str, expected: Value) -> anyhow::Result<()> {
    let came = value.pointer(pointer).cloned().unwrap_or_default();
    ensure!(came == expected, "{pointer}: expected {expected}, came {came}, in {value}");
    Ok(())
}

/// The text at a place of a value.
pub(super) fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("expected a text at {pointer}, came {value}"))
}

/// The rows of a list.
pub(super) fn rows(listed: &Value) -> anyhow::Result<&[Value]> {
    let rows = listed.get("rows").and_then(Value::as_array);
    rows.map(Vec::as_slice).with_context(|| format!("expected a list, came {listed}"))
}

/// The row of a list in which a field says this.
pub(super) fn row<'v>(listed: &'v Value, field: &str, expected: &Value) -> anyhow::Result<&'v Value> {
    let found = rows(listed)?.iter().find(|row| row.get(field) == Some(expected));
    found.with_context(|| format!("expected a row whose {field} is {expected}, came {listed}"))
}

/// How many rows a list has.
pub(super) fn has(listed: &Value, count: usize) -> anyhow::Result<()> {
    let came = rows(listed)?.len();
    ensure!(came == count, "expected {count} rows, came {came}: {listed}");
    Ok(())
}

/// Words as they stand in an address.
pub(super) fn quoted(words: &str) -> String {
    let as_is = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    words.bytes().map(|byte| if as_is(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
