use super::*;
use crate::{ReportOptions, example};

fn rendered(published: &model::Published) -> String {
    text(&example::report(published, &ReportOptions::default()), Style::default())
}

#[test]
fn a_database_in_trouble() {
    insta::assert_snapshot!("trouble", rendered(&example::busy()));
}

#[test]
fn a_healthy_database() {
    insta::assert_snapshot!("healthy", rendered(&example::healthy()));
}

#[test]
fn nothing_measured() {
    insta::assert_snapshot!("nothing", rendered(&example::silent()));
}

#[test]
fn after_a_deploy() {
    let report = example::report(&example::deployed(), &example::since_the_deploy());
    insta::assert_snapshot!("deployed", text(&report, Style::default()));
}

#[test]
fn only_sql_to_be_pasted_is_wider_than_asked() {
    for published in [example::busy(), example::deployed()] {
        let out = rendered(&published);
        let wide: Vec<_> = out.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(wide.iter().all(|line| line.contains(" CREATE INDEX ")), "{wide:#?}");
    }
}

#[test]
fn colour_adds_nothing_but_escapes() {
    let report = example::report(&example::deployed(), &example::since_the_deploy());
    let colourful = text(&report, Style { colour: true, width: 100 });
    assert!(colourful.contains("\x1b[1;31m"));
    let mut bare = String::new();
    let mut rest = colourful.as_str();
    while let Some(start) = rest.find('\x1b') {
        bare.push_str(&rest[..start]);
        let end = rest[start..].find('m').expect("an SGR sequence ends in m");
        rest = &rest[start + end + 1..];
    }
    bare.push_str(rest);
    assert_eq!(bare, text(&report, Style::default()));
}

#[test]
fn a_fix_that_made_it_worse_is_red() {
    let report = example::report(&example::deployed(), &ReportOptions::default());
    let colourful = text(&report, Style { colour: true, width: 100 });
    let line = colourful.lines().find(|line| line.contains("SLOWER")).expect("it is said");
    assert!(line.contains("\x1b[1;31m"), "{line}");
}
