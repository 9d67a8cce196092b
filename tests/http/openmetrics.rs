//! A reader of OpenMetrics that is strict about what the specification says MUST (1.0, sections 4
//! and 5), written down from it and not from the code that writes.

use std::collections::{BTreeMap, BTreeSet};

/// A scrape.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// By family: type and unit.
    pub(crate) families: BTreeMap<String, (String, String)>,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) family: String,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Served {
    /// The value of the sample with this name and at least these labels, if there is one.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &Sample| {
            labels
                .iter()
                .all(|(label, value)| sample.labels.get(*label).is_some_and(|v| v == value))
        };
        self.samples.iter().find(|sample| sample.name == name && has(sample)).map(|one| one.value)
    }

    /// The sum of all samples of this name.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.samples.iter().filter(|sample| sample.name == name).map(|one| one.value).sum()
    }

    /// The labels that samples of this name have.
    pub(crate) fn labels(&self, name: &str) -> Option<BTreeSet<&str>> {
        let mut samples = self.samples.iter().filter(|sample| sample.name == name).peekable();
        samples.peek()?;
        Some(samples.flat_map(|sample| sample.labels.keys()).map(String::as_str).collect())
    }
}

/// Reads a scrape.
///
/// # Panics
/// Where it is not as the specification says.
pub(crate) fn read(text: &str) -> Served {
    let body = text.strip_suffix("# EOF\n").expect("ends with EOF");
    let mut served = Served::default();
    let mut family = String::new();
    for line in body.lines() {
        match line.strip_prefix("# ") {
            Some(description) => describe(description, &mut family, &mut served),
            None => {
                let sample = sample(line, &family, &served);
                served.samples.push(sample);
            }
        }
    }
    let names: BTreeSet<_> =
        served.samples.iter().map(|sample| (&sample.name, &sample.labels)).collect();
    assert_eq!(names.len(), served.samples.len(), "each sample once");
    histograms(&served);
    served
}

fn describe(description: &str, family: &mut String, served: &mut Served) {
    let (kind, rest) = description.split_once(' ').expect("a description");
    let (name, said) = rest.split_once(' ').expect("a name");
    match kind {
        "TYPE" => {
            let kinds = ["gauge", "counter", "histogram", "info"];
            assert!(kinds.contains(&said), "{said} is a type");
            let before = served.families.insert(name.to_owned(), (said.to_owned(), String::new()));
            assert_eq!(before, None, "the samples of {name} stand together");
            name.clone_into(family);
        }
        "UNIT" => {
            assert!(name == family && name.ends_with(&format!("_{said}")), "{name} {said}");
            let described = served.families.get_mut(name).expect("TYPE comes first");
            said.clone_into(&mut described.1);
        }
        "HELP" => assert!(name == family && !said.is_empty(), "{name} {said}"),
        other => panic!("{other} describes nothing"),
    }
}

fn sample(line: &str, family: &str, served: &Served) -> Sample {
    let name_end = line.find(['{', ' ']).expect("a name");
    let name = &line[..name_end];
    let (labels, rest) = match line[name_end..].strip_prefix('{') {
        Some(inside) => read_labels(inside),
        None => (BTreeMap::new(), &line[name_end..]),
    };
    let value = rest.strip_prefix(' ').expect("one space").parse().expect("a number");
    let (kind, _) = &served.families[family];
    let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{name} is not of {family}"));
    let allowed: &[&str] = match kind.as_str() {
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        _ => &[""],
    };
    assert!(allowed.contains(&suffix), "{name} is no name for a {kind}");
    let limited = matches!(kind.as_str(), "counter" | "histogram");
    assert!(!limited || (value >= 0.0 && f64::is_finite(value)), "{line}");
    assert!(kind != "info" || value == 1.0, "{line}");
    Sample { family: family.to_owned(), name: name.to_owned(), labels, value }
}

/// `name="value",…}`; what follows is given back.
fn read_labels(mut text: &str) -> (BTreeMap<String, String>, &str) {
    let mut labels = BTreeMap::new();
    loop {
        let (name, rest) = text.split_once("=\"").expect("a label");
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(!name.is_empty() && name.chars().all(is_name), "{name}");
        let mut value = String::new();
        let mut characters = rest.char_indices();
        let end = loop {
            match characters.next().expect("a closing quotation mark") {
                (at, '"') => break at,
                (_, '\\') => match characters.next().expect("an escaped character").1 {
                    'n' => value.push('\n'),
                    escaped @ ('"' | '\\') => value.push(escaped),
                    other => panic!("\\{other} is no escape"),
                },
                (_, other) => value.push(other),
            }
        };
        assert_eq!(labels.insert(name.to_owned(), value), None, "{name} once");
        text = &rest[end + 1..];
        match text.split_at_checked(1).expect("a brace") {
            (",", more) => text = more,
            ("}", more) => return (labels, more),
            (other, _) => panic!("{other} behind a label"),
        }
    }
}

/// Buckets grow with their bounds, and the last has all.
fn histograms(served: &Served) {
    let mut buckets: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in served.samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
        let mut labels = sample.labels.clone();
        let bound = labels.remove("le").expect("a bound").parse().expect("a number");
        buckets.entry((&sample.family, labels)).or_default().push((bound, sample.value));
    }
    for ((family, labels), buckets) in buckets {
        assert!(buckets.is_sorted(), "{family}{labels:?}: {buckets:?}");
        let counts: Vec<_> = buckets.iter().map(|(_, count)| *count).collect();
        assert!(counts.is_sorted(), "{family}{labels:?}: {counts:?}");
        let (bound, all) = *buckets.last().expect("a bucket");
        assert_eq!(bound, f64::INFINITY, "{family}");
        let labels: Vec<_> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(served.value(&format!("{family}_count"), &labels), Some(all), "{family}");
        assert!(served.value(&format!("{family}_sum"), &labels).is_some(), "{family}");
    }
}
