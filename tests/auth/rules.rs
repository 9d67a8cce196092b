//! HBA rules from outside.

use crate::scene::Scene;

const SETTINGS: &str = "auth_type = \"hba\"\nauth_hba_file = \"@/hba.conf\"\n\
                        [users.web_plain]\npassword = \"plain-secret\"\n";

#[tokio::test]
async fn the_first_line_decides_and_a_reload_changes_the_lines() {
    let rules = "host all web_trust 127.0.0.1/32 trust\n\
                 host all web_md5 all reject\n\
                 host all web_plain samehost password\n\
                 host postgres,pgweir postgres,web_scram 127.0.0.0 255.0.0.0 scram-sha-256\n";
    let scene = Scene::open("", SETTINGS, &[("hba.conf", rules)]).await;
    for login in ["web_trust", "web_plain:plain-secret", "web_scram:scram-secret"] {
        let user = login.split(':').next().unwrap();
        assert_eq!(scene.who(login).await.unwrap(), user);
    }
    assert_eq!(
        scene.refusal("web_md5:md5-secret").await,
        "FATAL 28000: pg_hba.conf rejects connection for host \"127.0.0.1\", user \"web_md5\", \
         database \"postgres\", no encryption"
    );
    assert_eq!(
        scene.refusal("limited").await,
        "FATAL 28000: no pg_hba.conf entry for host \"127.0.0.1\", user \"limited\", database \
         \"postgres\", no encryption"
    );
    let console = scene.console().await;
    scene.write("hba.conf", "host all all all trust\nhost all all all kerberos\n");
    let error = console.batch_execute("RELOAD").await.unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("hba.conf:2"), "{error:?}");
    assert!(scene.refusal("limited").await.starts_with("FATAL 28000"), "the old lines hold");
    scene.write("hba.conf", "host all limited all trust\n");
    console.batch_execute("RELOAD").await.unwrap();
    assert_eq!(scene.who("limited").await.unwrap(), "limited");
    assert!(scene.refusal("web_trust").await.starts_with("FATAL 28000"));
}
