//! Checks a pack, on a machine that has neither a node nor a key.
//!
//! Nothing is believed because the pack says so: files against the manifest, the manifest against the exporting node's
//! signature and certificate, each entry against its author's, each event against the entry that carries it, and all that
//! is shown of the case against what follows from the events. What only the exporting node vouches for is counted apart.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek};
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use townmesh_crdt::certificate::{Access, CertificateKind, Statement};
use townmesh_crdt::change::record_id;
use townmesh_crdt::codec::BodyCodec;
use townmesh_crdt::command::case::why_void;
use townmesh_crdt::domain::case::VoidReason;
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::entry::{Header, SIGNATURE_LEN};
use townmesh_crdt::evidence::{self, ProofError};
use townmesh_crdt::id::{CertificateId, EntryId, RecordId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::{self, DocumentKind};
use townmesh_crdt::trust::Trust;

use super::archive::{Archive, Part, Unread};
use super::{
    CASE, CaseFile, EntryLine, FORMAT, Fact, MANIFEST, MAX_FILE_BYTES, Manifest, PROOF, Problem, Proofs, REPORT,
    RulesFact, SIGNATURE, report, unbase64,
};

/// Problems that are listed; beyond it they are counted.
const LISTED: usize = 100;
/// Most bytes of a manifest.
const MAX_MANIFEST: u64 = 4 << 20;
/// Most events, entries and certificates that are looked at.
const MAX_LINES: usize = 16_384;
/// Most editions of the rules that are looked at.
const MAX_RULES: usize = 1_024;
/// Fewest digits by which a town may be named: as hard to imitate as to forge a signature.
const FEWEST_DIGITS: usize = 32;

/// What a town is known by: its root public key in hexadecimal, or the first half of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TownName(String);

impl FromStr for TownName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim().to_ascii_lowercase();
        let fits = (FEWEST_DIGITS..=64).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then_some(Self(digits)).ok_or_else(|| {
            format!("写本镇公钥的 {FEWEST_DIGITS} 至 64 位十六进制数字 / write {FEWEST_DIGITS} to 64 hexadecimal digits of the town's public key")
        })
    }
}

impl TownName {
    /// The name of the town of this root key.
    pub fn of_key(key: [u8; 32]) -> Self {
        Self(townmesh_crdt::id::NodeId(key).to_string())
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Nothing is wrong.
    pub sound: bool,
    /// Root public key of the town that the pack is of.
    pub town: Option<String>,
    /// Whether that was compared with a town that the reader named.
    pub town_compared: bool,
    /// Number of the case.
    pub number: Option<String>,
    /// Name of the node that made the pack.
    pub exporter: Option<String>,
    /// When, in milliseconds since 1970.
    pub exported_ms: Option<u64>,
    /// Whether personal data is masked.
    pub masked: bool,
    /// Files that were checked.
    pub files: usize,
    /// Events in the pack.
    pub events: usize,
    /// Those that their authors' signatures prove.
    pub proved: usize,
    /// Those that only the exporting node vouches for.
    pub unproved: Vec<RecordId>,
    /// Whether what follows from the events was derived anew: another version of the program may derive otherwise.
    pub derived: bool,
    /// How many problems there are.
    pub problem_count: usize,
    /// The first hundred of them.
    pub problems: Vec<Problem>,
}

impl Outcome {
    fn wrong(&mut self, code: &'static str, place: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) {
        self.note(Problem::new(code, place, zh, en));
    }

    fn note(&mut self, problem: Problem) {
        self.problem_count += 1;
        if self.problems.len() < LISTED {
            self.problems.push(problem);
        }
    }
}

/// Checks a pack; with `town`, also that it is of that town.
///
/// # Errors
/// That the file cannot be read. Whatever is wrong in it is a problem of the outcome.
pub fn verify(file: impl Read + Seek, town: Option<&TownName>) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    match Archive::open(file) {
        Ok(archive) => check(&mut Checking { archive, outcome: &mut outcome }, town)?,
        Err(Unread::Io(error)) => return Err(error),
        Err(Unread::Altered(problem)) => outcome.note(problem),
    }
    outcome.sound = outcome.problem_count == 0;
    Ok(outcome)
}

struct Checking<'a, F> {
    archive: Archive<F>,
    outcome: &'a mut Outcome,
}

fn check<F: Read + Seek>(checking: &mut Checking<'_, F>, town: Option<&TownName>) -> io::Result<()> {
    let Some(bytes) = checking.bytes(MANIFEST, MAX_MANIFEST)? else { return Ok(()) };
    let Some(manifest) = checking.parse::<Manifest>(MANIFEST, &bytes) else { return Ok(()) };
    let outcome = &mut *checking.outcome;
    outcome.town = Some(manifest.town.to_string());
    outcome.town_compared = town.is_some();
    outcome.number = Some(manifest.number.clone());
    outcome.exporter = Some(manifest.exporter.name.clone());
    outcome.exported_ms = Some(manifest.exported_ms);
    if manifest.format != FORMAT {
        let (zh, en) = ("证据包由更新的版本制作，请升级程序", "the pack is of a newer version; upgrade the program");
        outcome.wrong("newer", MANIFEST, zh, en);
        return Ok(());
    }
    if let Some(TownName(expected)) = town.filter(|town| !manifest.town.to_string().starts_with(&town.0)) {
        let zh = format!("证据包属于另一个镇：其根公钥为 {}，应为 {expected}…", manifest.town);
        let en = format!("the pack is of another town: its root key is {}, expected {expected}…", manifest.town);
        outcome.wrong("other_town", MANIFEST, zh, en);
        return Ok(());
    }
    // What is printed of it is what people compare with the paper in their hands.
    if manifest.number != SpokenNumber::of_case(manifest.case).to_string() {
        let (zh, en) = ("编号不是本案卷的", "the number is not that of the case");
        outcome.wrong("number", MANIFEST, zh, en);
        return Ok(());
    }
    let mut trust = Trust::new(manifest.town.0);
    trust_all(&mut trust, &manifest.exporter.chain, MANIFEST, outcome);
    checking.check_signature(&manifest, &trust, &bytes)?;
    checking.check_files(&manifest)?;
    // Of a pack that nobody of the town made nothing more is unpacked.
    if checking.outcome.problem_count > 0
        && checking.outcome.problems.iter().any(|problem| ["exporter", "signature"].contains(&problem.code))
    {
        return Ok(());
    }
    let Some(bytes) = checking.bytes(CASE, MAX_FILE_BYTES)? else { return Ok(()) };
    let Some(case) = checking.parse::<CaseFile>(CASE, &bytes) else { return Ok(()) };
    let proofs = checking.bytes(PROOF, MAX_FILE_BYTES)?;
    let Some(proofs) = proofs.and_then(|bytes| checking.parse::<Proofs>(PROOF, &bytes)) else { return Ok(()) };
    check_events(&manifest, &case, &proofs, trust, checking.outcome);
    checking.check_photos(&case);
    if manifest.exporter.version == env!("CARGO_PKG_VERSION") {
        let shown = checking.bytes(REPORT, MAX_FILE_BYTES)?;
        check_derived(&case, &bytes, shown.as_deref(), checking.outcome);
    }
    Ok(())
}

impl<F: Read + Seek> Checking<'_, F> {
    fn part(&mut self, name: &str) -> Option<Part> {
        self.archive.parts.iter().find(|part| part.name == name).cloned()
    }

    /// The bytes of a file, within a bound.
    fn bytes(&mut self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(part) = self.part(name) else {
            self.outcome.wrong("file_missing", name, "文件缺失", "the file is missing");
            return Ok(None);
        };
        if part.length > limit {
            self.outcome.wrong("file_large", name, "文件过大", format!("the file has more than {limit} bytes"));
            return Ok(None);
        }
        let bytes = self.archive.read(&part)?;
        if bytes.is_none() {
            self.outcome.wrong(
                "container",
                name,
                "文件内容与校验和不符",
                "the file is not what its sum says: it was altered",
            );
        }
        Ok(bytes)
    }

    fn parse<T: DeserializeOwned>(&mut self, name: &str, bytes: &[u8]) -> Option<T> {
        match serde_json::from_slice(bytes) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let en = format!("the file has not the form of one: {error}");
                self.outcome.wrong("file_form", name, format!("文件格式不正确：{error}"), en);
                None
            }
        }
    }

    /// The exporting node's certificate leads to the root, and its key signed the manifest.
    fn check_signature(&mut self, manifest: &Manifest, trust: &Trust, bytes: &[u8]) -> io::Result<()> {
        let exporter = &manifest.exporter;
        let certificate = trust.certificate(&exporter.certificate);
        let is_node = certificate.is_some_and(|one| {
            one.key == exporter.node && one.kind == CertificateKind::Node && one.name == exporter.name
        });
        if !is_node {
            let (zh, en) = (
                "导出节点的证书不能上溯至本镇根密钥",
                "the exporting node's certificate does not lead to the town's root key",
            );
            self.outcome.wrong("exporter", MANIFEST, zh, en);
        }
        let Some(signature) = self.bytes(SIGNATURE, 1024)? else { return Ok(()) };
        let is_signed =
            signature_of(&signature).is_some_and(|signed| evidence::is_signed(bytes, &exporter.node, &signed));
        if !is_signed {
            let (zh, en) = (
                "清单的签名不是导出节点的：清单或签名被改动",
                "the manifest is not signed by the exporting node: it, or the signature, was altered",
            );
            self.outcome.wrong("signature", SIGNATURE, zh, en);
        }
        Ok(())
    }

    /// Every file against the manifest.
    fn check_files(&mut self, manifest: &Manifest) -> io::Result<()> {
        let beside = [MANIFEST, SIGNATURE];
        for part in self.archive.parts.clone() {
            if beside.contains(&part.name.as_str()) {
                continue;
            }
            self.outcome.files += 1;
            let is_known = [CASE, REPORT, PROOF].contains(&part.name.as_str()) || part.name.starts_with("photos/");
            let Some(listed) = manifest.files.get(&part.name).filter(|_| is_known) else {
                self.outcome.wrong(
                    "file_added",
                    part.name,
                    "清单中没有此文件",
                    "the manifest has no such file: it was added",
                );
                continue;
            };
            let hash = blake3::Hash::from_bytes(self.archive.hash(&part)?).to_hex();
            if listed.bytes != part.length || listed.blake3 != hash.as_str() {
                self.outcome.wrong(
                    "file_altered",
                    part.name,
                    "文件与清单不符，已被改动",
                    "the file is not that of the manifest: it was altered",
                );
            }
        }
        for name in manifest.files.keys() {
            if self.part(name).is_none() && ![CASE, PROOF].contains(&name.as_str()) {
                self.outcome.wrong("file_missing", name.as_str(), "文件缺失", "the file is missing");
            }
        }
        Ok(())
    }

    /// Photos carry the hash by which events name them, and the case names each of them.
    fn check_photos(&mut self, case: &CaseFile) {
        let by_events = case.named_photos();
        let told: BTreeSet<String> = case.photos.iter().map(|photo| photo.hash.clone()).collect();
        for hash in told.symmetric_difference(&by_events) {
            self.outcome.wrong(
                "photo",
                hash.as_str(),
                "照片清单与记录所引用的不同",
                "the photos are not those that the events name",
            );
        }
        let named: BTreeMap<&str, &str> =
            case.photos.iter().filter_map(|photo| Some((photo.file.as_deref()?, photo.hash.as_str()))).collect();
        let mut there = BTreeSet::new();
        for part in self.archive.parts.clone() {
            if part.name.starts_with("photos/") {
                let hash = self.archive.hash(&part).map(|hash| blake3::Hash::from_bytes(hash).to_hex().to_string());
                if named.get(part.name.as_str()).map(|hash| (*hash).to_owned()) != hash.ok() {
                    self.outcome.wrong(
                        "photo",
                        part.name.as_str(),
                        "照片与记录所引用的不同",
                        "the photo is not the one that the events name",
                    );
                }
                there.insert(part.name);
            }
        }
        for name in named.keys().filter(|name| !there.contains(**name)) {
            self.outcome.wrong("photo", *name, "记录所引用的照片缺失", "a photo that the events name is missing");
        }
    }
}

/// 128 hexadecimal digits and the end of the line.
fn signature_of(text: &[u8]) -> Option<[u8; SIGNATURE_LEN]> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
    let (first, second) = text.split_at_checked(SIGNATURE_LEN)?;
    // Ids are 32 bytes in small hexadecimal digits.
    let half = |text: &str| text.parse::<EntryId>().ok().filter(|half| half.to_string() == text).map(|half| half.0);
    <[u8; SIGNATURE_LEN]>::try_from([half(first)?, half(second)?].concat()).ok()
}

/// Adds certificates, each of which must lead to the root.
fn trust_all(trust: &mut Trust, statements: &[String], place: &str, outcome: &mut Outcome) {
    for text in statements.iter().take(MAX_LINES) {
        let statement = unbase64(text).ok_or_else(|| "it is no base64".to_owned());
        let statement =
            statement.and_then(|bytes| Statement::from_bytes(&bytes, trust.town()).map_err(|error| error.to_string()));
        let added = statement.and_then(|statement| {
            let id = statement.id;
            trust.add(statement).map_err(|error| error.to_string())?;
            trust.certificate(&id).map(|_| ()).ok_or_else(|| "it does not lead to the town's root key".to_owned())
        });
        if let Err(error) = added {
            outcome.wrong(
                "certificate",
                place,
                format!("证书无效：{error}"),
                format!("a certificate is not valid: {error}"),
            );
        }
    }
}

/// What an entry was found to carry.
struct Proved {
    header: Header,
    /// Hashes of the records of the case.
    records: BTreeSet<RecordId>,
}

fn check_events(manifest: &Manifest, case: &CaseFile, proofs: &Proofs, mut trust: Trust, outcome: &mut Outcome) {
    outcome.masked = case.masked;
    outcome.events = case.events.len();
    let most = case.events.len() * 2 + 16;
    let is_large = case.events.len() > MAX_LINES
        || proofs.entries.len() > most
        || case.rules.len() > MAX_RULES
        || proofs.rules.len() > MAX_RULES;
    if case.format != FORMAT || case.case != manifest.case || is_large {
        outcome.wrong("case", CASE, "案卷与清单不符", "it is not the case of the manifest, or larger than any case");
        return;
    }
    let Ok(namespace) = case.namespace.parse::<Namespace>() else {
        outcome.wrong("case", CASE, "没有这样的数据区", "there is no such namespace");
        return;
    };
    trust_all(&mut trust, &proofs.certificates, PROOF, outcome);
    let mut proved = BTreeMap::new();
    let Ok(mut codec) = BodyCodec::new() else {
        outcome.wrong("memory", PROOF, "内存不足", "there is not enough memory");
        return;
    };
    for line in &proofs.entries {
        match check_entry(line, &trust, &namespace, case, &mut codec) {
            Ok(found) => _ = proved.insert(line.entry, found),
            Err(error) => outcome.wrong("entry", line.entry.to_string(), format!("日志条目不成立：{error}"), error),
        }
    }
    check_rules(case, proofs, &trust, &mut codec, outcome);
    check_exporter(manifest, &trust, &namespace, outcome);
    let mut shown = BTreeSet::new();
    for fact in &case.events {
        check_event(fact, (case, &namespace), &trust, &proved, outcome);
        if !shown.insert(fact.id()) {
            outcome.wrong("event_twice", fact.id().to_string(), "记录重复出现", "the event is shown twice");
        }
    }
    for (entry, found) in &proved {
        if found.records.iter().any(|record| !shown.contains(record)) {
            let en = "the entry carries an event of this case that the pack does not show";
            outcome.wrong("left_out", entry.to_string(), "条目中有本案卷的记录未列出", en);
        }
    }
    // An event that others build on was there when they were written.
    let folded = case.fold();
    for waiting in &folded.waiting {
        let en = "an event that this one builds on, or the rules that it names, are not in the pack: left out, or the exporting node did not have it";
        outcome.wrong("left_out", waiting.event.to_string(), "此记录所依据的记录或办理流程不在包中", en);
    }
}

/// Rules are those of the town where a center published them: whoever made a pack could have made up some.
fn check_rules(case: &CaseFile, proofs: &Proofs, trust: &Trust, codec: &mut BodyCodec, outcome: &mut Outcome) {
    for fact in &case.rules {
        let line = fact.proof.and_then(|entry| proofs.rules.iter().find(|line| line.entry == entry));
        let proved =
            line.ok_or_else(|| "no entry proves it".to_owned()).and_then(|line| prove_rules(fact, line, trust, codec));
        if let Err(error) = proved {
            let zh = format!("办理流程未证明为本镇所发布：{error}");
            let en = format!("the rules are not proved to be those of the town: {error}");
            outcome.wrong("rules", fact.id().to_string(), zh, en);
        }
    }
}

fn prove_rules(fact: &RulesFact, line: &EntryLine, trust: &Trust, codec: &mut BodyCodec) -> Result<(), String> {
    let proof = line.proof().ok_or("it has not the form of an entry")?;
    let header = proof.header;
    if header.id() != line.entry || header.log.author != fact.author || header.time.0.to_string() != fact.hybrid_time {
        return Err("author or time are not those of its entry".to_owned());
    }
    let mut carried = || -> Result<bool, ProofError> {
        let town = Namespace::town();
        let certificate = proof.check(trust, &town)?;
        evidence::may_record(certificate, &town, DocumentKind::LifeCycle)?;
        let records = proof.records(codec, DocumentKind::LifeCycle, fact.document)?;
        Ok(records.iter().any(|record| record_id(record) == fact.id()))
    };
    match carried() {
        Ok(true) => Ok(()),
        Ok(false) => Err("its entry does not carry it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The node that made the pack works with such cases: what it alone vouches for rests on that.
fn check_exporter(manifest: &Manifest, trust: &Trust, namespace: &Namespace, outcome: &mut Outcome) {
    let Some(certificate) = trust.certificate(&manifest.exporter.certificate) else { return };
    if policy::access(certificate, namespace) != Some(Access::Hold) {
        let zh = "导出节点的证书不包含此数据区";
        let en = "the exporting node's certificate does not cover these cases";
        outcome.wrong("exporter", MANIFEST, zh, en);
    }
}

fn check_entry(
    line: &EntryLine,
    trust: &Trust,
    namespace: &Namespace,
    case: &CaseFile,
    codec: &mut BodyCodec,
) -> Result<Proved, String> {
    let proof = line.proof().ok_or("it has not the form of an entry")?;
    if proof.header.id() != line.entry {
        return Err("its header has another hash".to_owned());
    }
    let mut check = || -> Result<BTreeSet<RecordId>, ProofError> {
        let certificate = proof.check(trust, namespace)?;
        evidence::may_record(certificate, namespace, DocumentKind::Case)?;
        let records = proof.records(codec, DocumentKind::Case, case.case)?;
        Ok(records.iter().map(|record| record_id(record)).collect())
    };
    let records = check().map_err(|error| error.to_string())?;
    Ok(Proved { header: proof.header, records })
}

/// An event against the entry that it says to be in, and against its author's rights.
fn check_event(
    fact: &Fact,
    (case, namespace): (&CaseFile, &Namespace),
    trust: &Trust,
    proved: &BTreeMap<EntryId, Proved>,
    outcome: &mut Outcome,
) {
    let place = fact.id().to_string();
    match fact.proof {
        None => outcome.unproved.push(fact.id()),
        Some(entry) => match proved.get(&entry).map(|found| differs(fact, found)) {
            None => outcome.wrong(
                "event",
                place.as_str(),
                "所引用的日志条目不在包中或不成立",
                "the entry that it names is not there, or not valid",
            ),
            Some(Some((zh, en))) => outcome.wrong("event", place.as_str(), zh, en),
            Some(None) => outcome.proved += 1,
        },
    }
    if let Some((zh, en)) = author_differs(fact, (case, namespace), trust) {
        outcome.wrong("author", place, zh, en);
    }
}

/// How an event differs from what its entry carries.
fn differs(fact: &Fact, found: &Proved) -> Option<(&'static str, &'static str)> {
    let carried = fact.bytes().is_some_and(|bytes| found.records.contains(&record_id(&bytes)));
    if !carried {
        return Some(("日志条目中没有这条记录：内容被改动", "its entry does not carry this event: it was altered"));
    }
    if found.header.log.author != fact.author || Some(found.header.certificate) != fact.certificate {
        return Some(("作者与日志条目不符", "its author is not that of its entry"));
    }
    let same_time = fact.time() == Some(found.header.time.0);
    (!same_time).then_some(("时间与日志条目不符", "its time is not that of its entry"))
}

/// How what is said of an author differs from the certificate.
fn author_differs(
    fact: &Fact,
    (case, namespace): (&CaseFile, &Namespace),
    trust: &Trust,
) -> Option<(&'static str, &'static str)> {
    let known = fact.certificate.and_then(|id: CertificateId| trust.certificate(&id));
    let Some(certificate) = known.filter(|certificate| certificate.key == fact.author) else {
        return Some(("作者的证书不在包中", "its author's certificate is not in the pack"));
    };
    if policy::may_write(certificate, namespace).is_err() {
        return Some(("作者无权在此数据区记录", "its author may not write where such cases lie"));
    }
    if certificate.name != fact.author_name {
        return Some(("节点名称与证书不符", "the node's name is not that of its certificate"));
    }
    let event = fact.event()?;
    let is_revoked = fact.void == Some(VoidReason::Revoked);
    let expected = why_void(is_revoked, &event, case.case, policy::may_act(certificate, event.role));
    (expected != fact.void)
        .then_some(("效力与证书所列角色不符", "whether it may count is not what its author's certificate says"))
}

/// What is shown of the case against what follows from its events.
fn check_derived(case: &CaseFile, bytes: &[u8], shown: Option<&[u8]>, outcome: &mut Outcome) {
    outcome.derived = true;
    let derived = case.to_json();
    if serde_json::from_slice::<Value>(bytes).ok().as_ref() != Some(&derived) {
        let en = "what is shown of the case does not follow from its events: an effect, a state, an order or their sequence was altered";
        outcome.wrong("derived", CASE, "所示案卷与记录推算的结果不符", en);
    }
    if shown.is_some_and(|shown| shown != report(&derived).as_bytes()) {
        outcome.wrong("derived", REPORT, "报告与案卷数据不符", "the report does not say what the case's data say");
    }
}
