//! The checks. Each is a function of the input alone, and each fails when it had nothing to check.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::input::{Access, Acknowledgement, DocumentDump, Input, NamespaceDump};
use super::report::Check;

/// All of them, in the order in which they are shown.
pub(super) fn all(input: &Input) -> Vec<Check> {
    vec![
        every_node_answered(input),
        digests_are_equal(input),
        documents_are_equal(input),
        nothing_acknowledged_is_missing(input),
        carriers_read_nothing(input),
    ]
}

/// Each node of the plan exported itself, once.
fn every_node_answered(input: &Input) -> Check {
    let mut check = Check::new("every node answered");
    let mut answered = BTreeSet::new();
    for dump in &input.dumps {
        if !answered.insert(&dump.node) {
            check.problem(format!("{} has two dumps", dump.node));
        }
        if !dump.stable {
            check.problem(format!("{} changed while it exported itself: wait until it is idle", dump.node));
        }
    }
    for node in &input.plan.nodes {
        check.expect(answered.contains(node), || format!("{node} has no dump"));
    }
    check.finish("no node is in the plan")
}

/// The nodes that have a namespace, by the namespace's name.
fn by_namespace(input: &Input) -> BTreeMap<&str, Vec<(&str, &NamespaceDump)>> {
    let mut namespaces: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for dump in &input.dumps {
        for namespace in &dump.namespaces {
            namespaces.entry(&namespace.name).or_default().push((dump.node.as_str(), namespace));
        }
    }
    namespaces
}

/// Every namespace has the same digest on every node that holds or carries it.
fn digests_are_equal(input: &Input) -> Check {
    let mut check = Check::new("equal digests");
    for (name, copies) in by_namespace(input) {
        let Some(((first, one), others)) = copies.split_first() else { continue };
        for (node, other) in others {
            check.expect(one.digest == other.digest && !one.digest.is_empty(), || {
                format!("{name}: {first} has {}, {node} has {}", short(&one.digest), short(&other.digest))
            });
        }
    }
    check.finish("no namespace is on two nodes")
}

fn short(digest: &str) -> &str {
    digest.get(..8).unwrap_or(if digest.is_empty() { "none" } else { digest })
}

/// Every document is the same on all nodes that read its namespace.
fn documents_are_equal(input: &Input) -> Check {
    let mut check = Check::new("equal documents");
    for (name, copies) in by_namespace(input) {
        let readers: Vec<_> = copies.into_iter().filter(|(_, namespace)| namespace.access == Access::Hold).collect();
        for (node, _) in readers.iter().filter(|(_, namespace)| !namespace.readable) {
            check.problem(format!("{name}: {node} holds it and cannot read it: its key has not arrived"));
        }
        let Some(((first, one), others)) = readers.split_first() else { continue };
        let known = Documents::of(one, first, &mut check);
        for (node, other) in others {
            known.compare(name, &Documents::of(other, node, &mut check), &mut check);
        }
    }
    check.finish("no document is read by two nodes")
}

/// The documents of one copy of a namespace.
struct Documents<'a> {
    node: &'a str,
    by_id: BTreeMap<&'a str, &'a DocumentDump>,
}

impl<'a> Documents<'a> {
    fn of(namespace: &'a NamespaceDump, node: &'a str, check: &mut Check) -> Self {
        let by_id: BTreeMap<_, _> =
            namespace.documents.iter().map(|document| (document.id.as_str(), document)).collect();
        if by_id.len() != namespace.documents.len() {
            check.problem(format!("{}: {node} lists a document twice", namespace.name));
        }
        Self { node, by_id }
    }

    fn compare(&self, namespace: &str, other: &Self, check: &mut Check) {
        let ids: BTreeSet<&str> = self.by_id.keys().chain(other.by_id.keys()).copied().collect();
        for id in ids {
            match (self.by_id.get(id), other.by_id.get(id)) {
                (Some(one), Some(two)) => check.expect(one == two, || {
                    format!("{namespace}: document {id} differs between {} and {}", self.node, other.node)
                }),
                (one, _) => {
                    let lacking = if one.is_none() { self.node } else { other.node };
                    check.expect(false, || format!("{namespace}: {lacking} lacks document {id}"));
                }
            }
        }
    }
}

/// One readable copy of a namespace.
struct Copy<'a> {
    node: &'a str,
    documents: BTreeMap<&'a str, &'a DocumentDump>,
}

/// Whatever was acknowledged anywhere is on every node that reads its namespace.
fn nothing_acknowledged_is_missing(input: &Input) -> Check {
    let mut check = Check::new("nothing acknowledged is missing");
    let mut readers: BTreeMap<&str, Vec<Copy<'_>>> = BTreeMap::new();
    for (name, copies) in by_namespace(input) {
        let copies =
            copies.into_iter().filter(|(_, namespace)| namespace.access == Access::Hold).map(|(node, namespace)| {
                Copy { node, documents: namespace.documents.iter().map(|one| (one.id.as_str(), one)).collect() }
            });
        readers.insert(name, copies.collect());
    }
    let replaced = replaced_values(&input.acknowledged);
    for (place, acknowledged) in input.acknowledged.iter().enumerate() {
        let told = || describe(acknowledged);
        let copies = readers.get(acknowledged.namespace.as_str()).map(Vec::as_slice).unwrap_or_default();
        if copies.is_empty() {
            check.expect(false, || format!("{}: no node reads {}", told(), acknowledged.namespace));
        }
        for copy in copies {
            let missing = what_is_missing(acknowledged, copy, replaced.contains(&place));
            check.expect(missing.is_none(), || format!("{}: {} on {}", told(), missing.unwrap_or_default(), copy.node));
        }
    }
    check.finish("nothing was acknowledged")
}

/// Places of the acknowledgements whose value the same node replaced later.
fn replaced_values(acknowledged: &[Acknowledgement]) -> BTreeSet<usize> {
    let mut last = BTreeMap::new();
    let mut replaced = BTreeSet::new();
    for (place, one) in acknowledged.iter().enumerate() {
        if let (Some(document), Some(field)) = (&one.document, &one.field) {
            replaced.extend(last.insert((&one.node, &one.namespace, document, field), place));
        }
    }
    replaced
}

fn describe(acknowledged: &Acknowledgement) -> String {
    let Acknowledgement { node, kind, document, record, field, .. } = acknowledged;
    let details: Vec<&str> = [document, record, field].into_iter().flatten().map(String::as_str).collect();
    format!("{kind} {} acknowledged by {node} at {}", details.join(" "), acknowledged.time)
}

fn what_is_missing(acknowledged: &Acknowledgement, copy: &Copy<'_>, replaced: bool) -> Option<String> {
    let count = copy.documents.len();
    if let Some(expected) = acknowledged.documents.filter(|expected| count < *expected) {
        return Some(format!("{count} of {expected} documents"));
    }
    let documents: Vec<&DocumentDump> = match &acknowledged.document {
        Some(id) => copy.documents.get(id.as_str()).copied().into_iter().collect(),
        None => copy.documents.values().copied().collect(),
    };
    if acknowledged.document.is_some() && documents.is_empty() {
        return Some("the document is missing".to_owned());
    }
    let anywhere =
        |wanted: &dyn Fn(&str, &Value) -> bool| documents.iter().any(|document| found("", &document.content, wanted));
    if let Some(record) = &acknowledged.record
        && !anywhere(&|key, value| key == record || value.as_str() == Some(record))
    {
        return Some("the record is missing".to_owned());
    }
    if let Some(wanted) = &acknowledged.contains
        && !anywhere(&|_, value| wanted.iter().all(|(key, wanted)| value.get(key) == Some(wanted)))
    {
        return Some(format!("{} is missing", Value::Object(wanted.clone())));
    }
    if let (Some(field), Some(wanted), false) = (&acknowledged.field, &acknowledged.value, replaced)
        && !anywhere(&|key, value| (key == field || is_conflict_of(value, field)) && holds(value, wanted))
    {
        return Some(format!("{field} is not {wanted}"));
    }
    None
}

/// Whether a value, or one somewhere in it, is wanted; parts of a list go by the list's key.
fn found(key: &str, value: &Value, wanted: &dyn Fn(&str, &Value) -> bool) -> bool {
    wanted(key, value)
        || match value {
            Value::Array(values) => values.iter().any(|value| found(key, value, wanted)),
            Value::Object(fields) => fields.iter().any(|(key, value)| found(key, value, wanted)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
}

/// Whether an object lists the values that were set for a field at the same time: `{"field": …, "values": […]}`.
fn is_conflict_of(value: &Value, field: &str) -> bool {
    value.get("field").and_then(Value::as_str) == Some(field) && value.get("values").is_some()
}

/// Whether a value is the wanted one, in text form at least, or lists it among others.
fn holds(value: &Value, wanted: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| holds(value, wanted)),
        Value::Object(fields) => fields.values().any(|value| holds(value, wanted)),
        // Conflicts show numbers as texts.
        Value::String(text) => {
            wanted.as_str() == Some(text) || serde_json::from_str::<Value>(text).is_ok_and(|value| value == *wanted)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value == wanted,
    }
}

/// A node that only carries a namespace exports no document of it; and those that the plan names do carry it.
fn carriers_read_nothing(input: &Input) -> Check {
    let mut check = Check::new("carriers read nothing");
    for dump in &input.dumps {
        for namespace in dump.namespaces.iter().filter(|namespace| namespace.access == Access::Carry) {
            let count = namespace.documents.len();
            let blind = count == 0 && !namespace.readable;
            check.expect(blind, || {
                format!("{} carries {} and reads {count} documents of it", dump.node, namespace.name)
            });
        }
    }
    for (node, names) in &input.plan.carried {
        let own = input.dumps.iter().find(|dump| dump.node == *node);
        for name in names {
            let carried = own.into_iter().flat_map(|dump| &dump.namespaces).find(|namespace| namespace.name == *name);
            let carries = carried.is_some_and(|namespace| namespace.access == Access::Carry && namespace.entries > 0);
            check.expect(carries, || format!("{node} does not carry {name}, or nothing of it"));
        }
    }
    check.finish_even_if_empty()
}
