use std::collections::BTreeSet;

use super::*;
use crate::{ReportOptions, example};

fn pages() -> Vec<String> {
    let options = ReportOptions::default();
    let mut pages: Vec<_> =
        [example::busy(), example::healthy(), example::silent(), example::hostile()]
            .iter()
            .map(|published| html(&example::report(published, &options)))
            .collect();
    pages.push(html(&example::report(&example::deployed(), &example::since_the_deploy())));
    let shown = ReportOptions { show_values: true, ..options };
    pages.push(html(&example::report(&example::hostile(), &shown)));
    pages
}

#[test]
fn a_database_in_trouble() {
    let report = example::report(&example::busy(), &ReportOptions::default());
    insta::assert_snapshot!("trouble", html(&report).replace(STYLE, "…").replace("><", ">\n<"));
}

#[test]
fn after_a_deploy() {
    let report = example::report(&example::deployed(), &example::since_the_deploy());
    insta::assert_snapshot!("deployed", html(&report).replace(STYLE, "…").replace("><", ">\n<"));
}

/// A tag of a page: its name, its attributes, whether it closes an element.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
    closes: bool,
}

/// The tags of a page. Panics where it is not as the templates write it: every attribute quoted or
/// bare, every `<` a tag.
fn tags(page: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    while let Some(start) = rest.find('<') {
        let body = &rest[start + 1..];
        let closes = body.starts_with('/');
        let body = body.trim_start_matches('/');
        let end_of_name = body.find([' ', '>']).expect("a tag ends");
        let name = body[..end_of_name].to_owned();
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "<{name}");
        let mut attributes = Vec::new();
        let mut left = &body[end_of_name..];
        while let Some(attribute) = left.strip_prefix(' ') {
            let end = attribute.find(['=', ' ', '>']).expect("an attribute ends");
            let key = attribute[..end].to_owned();
            left = &attribute[end..];
            let mut value = String::new();
            if let Some(quoted) = left.strip_prefix("=\"") {
                let end = quoted.find('"').expect("a value ends");
                quoted[..end].clone_into(&mut value);
                left = &quoted[end + 1..];
            }
            attributes.push((key, value));
        }
        rest = left.strip_prefix('>').unwrap_or_else(|| panic!("<{name} ends with >: {left:.60}"));
        if name == "style" && !closes {
            rest = &rest[rest.find("</style>").expect("a style sheet ends")..];
        }
        tags.push(Tag { name, attributes, closes });
    }
    tags
}

#[test]
fn every_element_is_closed_where_it_belongs() {
    const VOID: [&str; 3] = ["meta", "link", "br"];
    for page in pages() {
        let mut open: Vec<String> = Vec::new();
        for tag in tags(&page) {
            if tag.closes {
                assert_eq!(open.pop().as_deref(), Some(tag.name.as_str()));
            } else if !VOID.contains(&tag.name.as_str()) {
                open.push(tag.name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}

#[test]
fn a_page_loads_nothing_and_runs_nothing() {
    for page in pages() {
        for tag in tags(&page) {
            assert!(
                !["script", "iframe", "object", "embed", "img", "base", "form"]
                    .contains(&&*tag.name),
                "<{}>",
                tag.name
            );
            for (key, value) in &tag.attributes {
                assert!(!key.starts_with("on"), "{key}");
                assert!(!["src", "srcset", "action", "style"].contains(&&**key), "{key}");
                let within = value.starts_with('#') || value == "data:,";
                assert!(key != "href" || within, "{value}");
            }
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains('<'));
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn ids_are_unique_and_links_lead_somewhere() {
    for page in pages() {
        let tags = tags(&page);
        let attributes = || tags.iter().flat_map(|tag| &tag.attributes);
        let ids: Vec<_> = attributes().filter(|(key, _)| key == "id").map(|(_, id)| id).collect();
        let unique: BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), unique.len(), "{ids:?}");
        for (_, link) in attributes().filter(|(key, value)| key == "href" && value.starts_with('#'))
        {
            assert!(ids.iter().any(|id| **id == link[1..]), "{link} leads nowhere");
        }
    }
}

#[test]
fn what_clients_send_is_text() {
    let page = html(&example::report(&example::hostile(), &ReportOptions::default()));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "the statement is shown");
    assert!(page.contains("&lt;img src=x onerror=alert(2)&gt;"), "the application is shown");
    assert!(!page.contains("<script") && !page.contains("<img"));
    assert!(!page.contains('\0') && !page.contains('\x1b'), "control characters are taken out");
}

#[test]
fn values_are_shown_only_where_asked_for() {
    let hidden = html(&example::report(&example::hostile(), &ReportOptions::default()));
    assert!(!hidden.contains("4242424242"));
    let options = ReportOptions { show_values: true, ..ReportOptions::default() };
    let shown = html(&example::report(&example::hostile(), &options));
    assert!(shown.contains("4242424242"));
}
