use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Rules, Vec<LineError>> {
    Rules::parse(text, &|name| match name {
        "users" => Ok("amy bob\neve".to_owned()),
        _ => Err("no such file".to_owned()),
    })
}

fn rules(text: &str) -> Rules {
    parse(text).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn interfaces() -> Vec<Interface> {
    let interface = |address: &str, mask: &str| Interface {
        address: address.parse().unwrap(),
        mask: mask.parse().ok(),
    };
    vec![
        interface("127.0.0.1", "255.0.0.0"),
        interface("10.1.2.3", "255.255.0.0"),
        interface("fe80::1", ""),
    ]
}

/// `database user from`: the line that decides, 0 if none does. An address with `+tls` is encrypted.
fn line(rules: &Rules, asked: &str) -> usize {
    let words: Vec<&str> = asked.split(' ').collect();
    let [database, user, from] = words[..] else { panic!("{asked}") };
    let (from, encrypted) = match from.strip_suffix("+tls") {
        Some(from) => (from, true),
        None => (from, false),
    };
    let address = (from != "local").then(|| from.parse().unwrap());
    let connection = Connection { database, user, address, encrypted, replication: false };
    rules.find(connection, &interfaces).map_or(0, |rule| rule.line)
}

#[test]
fn the_first_line_that_fits_decides() {
    let rules = rules(
        "# TYPE DATABASE USER ADDRESS METHOD\n\
         local all all peer map=ops\n\
         host shop,stock amy 192.0.2.0/24 scram-sha-256\n\
         hostssl all all 198.51.100.7/32 cert\n\
         hostnossl all all 198.51.100.0 255.255.255.0 reject\n\
         host sameuser all all md5\n\
         host all \"all\" ::/0 trust\n\
         host all @users 203.0.113.0/24 trust\n\
         host replication all all trust\n",
    );
    for (asked, expected) in [
        ("x y local", 2),
        ("shop amy 192.0.2.200", 3),
        ("stock amy 192.0.2.200+tls", 3),
        ("stock amy ::ffff:192.0.2.200", 3),
        ("shop bob 192.0.2.200", 0),
        ("shop amy 192.0.3.1", 0),
        ("shop amy 198.51.100.7+tls", 4),
        ("shop amy 198.51.100.8+tls", 0),
        ("shop amy 198.51.100.7", 5),
        ("amy amy 203.0.113.9", 6),
        ("shop all 2001:db8::1", 7),
        ("shop amy 2001:db8::1", 0),
        ("shop eve 203.0.113.9", 8),
        ("replication zoe 203.0.113.9", 0),
    ] {
        assert_eq!(line(&rules, asked), expected, "{asked}");
    }
}

#[test]
fn only_its_own_word_stands_for_physical_replication() {
    let rules = rules(
        "host all,sameuser,shop all all trust\n\
         host \"replication\" all all md5\n\
         host replication rep 192.0.2.0/24 scram-sha-256\n",
    );
    let line = |user, address: &str, replication| {
        let address = address.parse().ok();
        let connection =
            Connection { database: "shop", user, address, encrypted: false, replication };
        rules.find(connection, &interfaces).map_or(0, |rule| rule.line)
    };
    assert_eq!(line("rep", "192.0.2.1", true), 3);
    assert_eq!(line("rep", "198.51.100.1", true), 0);
    assert_eq!(line("amy", "192.0.2.1", true), 0);
    assert_eq!(line("rep", "192.0.2.1", false), 1);
}

#[test]
fn this_machine_and_its_networks() {
    let rules = rules("host all all samehost trust\nhost all all samenet md5\n");
    for (address, expected) in [
        ("127.0.0.1", 1),
        ("10.1.2.3", 1),
        ("fe80::1", 1),
        ("10.1.9.9", 2),
        ("127.9.9.9", 2),
        ("10.2.0.1", 0),
        ("fe80::2", 0),
    ] {
        assert_eq!(line(&rules, &format!("x y {address}")), expected, "{address}");
    }
}

#[test]
fn who_bars_the_console_by_one_name_bars_both() {
    let rules = rules("host pgbouncer all all reject\nhost all all all trust");
    assert_eq!(line(&rules, "pgbouncer amy 192.0.2.1"), 1);
    assert_eq!(line(&rules, "pgweir amy 192.0.2.1"), 1);
    assert_eq!(line(&rules, "pgw amy 192.0.2.1"), 2);
}

#[test]
fn masks_of_every_length() {
    for (network, inside, outside) in [
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("::/0", "::1", "1.2.3.4"),
        ("128.0.0.0/1", "255.0.0.1", "127.255.255.255"),
        ("192.0.2.1/32", "192.0.2.1", "192.0.2.0"),
        ("2001:db8::/127", "2001:db8::1", "2001:db8::2"),
        ("2001:db8::5/128", "2001:db8::5", "2001:db8::4"),
    ] {
        let rules = rules(&format!("host all all {network} trust"));
        assert_eq!(line(&rules, &format!("x y {inside}")), 1, "{network}");
        assert_eq!(line(&rules, &format!("x y {outside}")), 0, "{network}");
    }
}

#[test]
fn options_are_kept() {
    let rules = rules(
        "hostssl all all all scram-sha-256 clientcert=verify-ca\n\
         hostssl all all all md5 clientcert=verify-full map=cn\n\
         hostssl all all all cert map=cn clientname=CN\n",
    );
    let kept: Vec<_> =
        rules.rules().iter().map(|rule| (rule.client_cert, rule.map.as_deref())).collect();
    assert_eq!(
        kept,
        [
            (Some(ClientCert::VerifyCa), None),
            (Some(ClientCert::VerifyFull), Some("cn")),
            (None, Some("cn")),
        ]
    );
}

#[test]
fn every_fault_is_named_by_its_line() {
    for (text, says) in [
        ("hots all all all trust", "`hots` is not a type of connection"),
        ("host all all", "ends before its address"),
        ("host all all all", "ends before its method"),
        ("host all", "ends before its user"),
        ("local all all 127.0.0.1/32 trust", "`127.0.0.1/32` is not a method"),
        ("host all all 127.0.0.1 trust", "`trust` is not a mask"),
        ("host all all 127.0.0.1 ffff:: trust", "different families"),
        ("host all all 127.0.0.1/33 trust", "a length from 0 to 32"),
        ("host all all 127.0.0.1/+8 trust", "a length from 0 to 32"),
        ("host all all ::1/129 trust", "a length from 0 to 128"),
        ("host all all db.example.com trust", "host names are not supported"),
        ("host all all .example.com trust", "host names are not supported"),
        ("host all all all,all trust", "address: one word, not a list"),
        ("hostgssenc all all all trust", "GSSAPI encryption is not supported"),
        ("include other.conf", "include is not supported"),
        ("host samerole all all trust", "samerole is not supported"),
        ("host /^x all all trust", "regular expressions"),
        ("host all /^x all trust", "regular expressions"),
        ("host all +staff all trust", "`+staff` is not supported"),
        ("host all @none all trust", "`@none` cannot be read: no such file"),
        ("host all all all ldap ldapserver=x", "the method ldap is not supported"),
        ("host all all all secret", "`secret` is not a method"),
        ("host all all all peer", "peer works on Unix sockets only"),
        ("host all all all cert", "cert works over TLS only"),
        ("host all all all md5 clientcert=verify-ca", "clientcert works over TLS only"),
        ("hostssl all all all md5 clientcert=1", "it may be verify-ca or verify-full"),
        ("hostssl all all all cert clientcert=verify-ca", "leave clientcert out"),
        ("hostssl all all all cert clientname=DN", "only CN"),
        ("host all all all md5 map=x", "map goes with"),
        ("local all all peer map=", "the name of a map follows"),
        ("local all all peer nonsense", "`nonsense` is not an option"),
        ("local all all peer krb_realm=X", "the option `krb_realm` is not supported"),
        ("local all \"all peer", "does not end on its line"),
    ] {
        let errors = parse(&format!("# one\n{text}\n")).expect_err(text);
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert_eq!(errors[0].line, 2, "{text}");
        assert!(errors[0].message.contains(says), "{text}: {}", errors[0].message);
    }
    assert_eq!(parse("x\n\ny\n").unwrap_err().len(), 2, "all of them");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = parse(&text);
    }

    #[test]
    fn what_looks_like_lines_is_read_or_refused(
        words in prop::collection::vec(
            prop_oneof![
                Just("host"), Just("local"), Just("hostssl"), Just("all"), Just("sameuser"),
                Just("@users"), Just("10.0.0.0/8"), Just("::1/128"), Just("255.0.0.0"),
                Just("10.0.0.1"), Just("samenet"), Just("trust"), Just("peer"), Just("cert"),
                Just("map=m"), Just("clientcert=verify-full"), Just("\n"), Just(","), Just("\""),
                Just("\\\n"), Just("#"), Just("+x"), Just("/0"), Just("é"),
            ],
            0..40,
        ),
    ) {
        if let Ok(rules) = parse(&words.join(" ")) {
            let connection = Connection {
                database: "x",
                user: "y",
                address: "10.0.0.1".parse().ok(),
                encrypted: true,
                replication: false,
            };
            let found = rules.find(connection, &interfaces).map(|rule| rule.line);
            let first = rules.rules().iter().find(|rule| rule.fits(connection, &interfaces));
            prop_assert_eq!(found, first.map(|rule| rule.line));
        }
    }
}
