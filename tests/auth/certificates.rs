//! Clients that show a certificate instead of a password.

use testkit::{Authority, ClientEncryption, ErrorFields, Identity, ScriptedClient};

use crate::scene::Scene;

/// pgweir that asks for certificates of this authority.
async fn scene(authority: &Authority, settings: &str, files: &[(&str, &str)]) -> Scene {
    let Identity { certificate, key } = authority.local();
    let own = [("own.crt", &*certificate), ("own.key", &*key), ("root.crt", &*authority.pem())]
        .map(|(name, text)| (name.to_owned(), text.to_owned()));
    let own: Vec<_> = own.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let settings = format!(
        "client_tls_sslmode = \"prefer\"\nclient_tls_cert_file = \"@/own.crt\"\n\
         client_tls_key_file = \"@/own.key\"\nclient_tls_ca_file = \"@/root.crt\"\n{settings}"
    );
    Scene::open("", &settings, &[&own[..], files].concat()).await
}

/// Who the server says a client with this certificate is, or why it is refused.
async fn who(scene: &Scene, how: &ClientEncryption, user: &str) -> String {
    let mut client = ScriptedClient::connect(scene.proxy.address()).await;
    client.encrypt(how).await;
    client.startup(user, "postgres", &[]).await;
    match client.expect_frame().await {
        (b'E', body) => ErrorFields::read(&body).to_string(),
        (_, body) if body == [0; 4] => {
            client.expect_until(b'Z').await;
            client.value("SELECT session_user").await
        }
        (_, body) => format!("asked for {}", body[3]),
    }
}

#[tokio::test]
async fn the_common_name_is_the_user_or_is_mapped_to_it() {
    let authority = Authority::new("the staff's authority");
    let hba = "hostssl all web_trust all cert\n\
               hostssl all limited,web_plain all cert map=machines\n\
               hostssl all postgres all scram-sha-256 clientcert=verify-ca\n\
               hostssl all web_scram all trust clientcert=verify-full\n";
    let ident = "machines app-7 limited\nmachines \"app 8\" all\n";
    let settings = "auth_type = \"hba\"\nauth_hba_file = \"@/hba\"\nauth_ident_file = \"@/ident\"";
    let scene = scene(&authority, settings, &[("hba", hba), ("ident", ident)]).await;
    let trusting = ClientEncryption::trusting(authority.pem());
    let showing = |name: &str| ClientEncryption {
        identity: Some(authority.client(name)),
        ..trusting.clone()
    };
    let failed =
        |user: &str| format!("FATAL 28000: certificate authentication failed for user \"{user}\"");
    let needed = "FATAL 28000: connection requires a valid client certificate";
    for (name, user, expected) in [
        ("web_trust", "web_trust", "web_trust".to_owned()),
        ("somebody", "web_trust", failed("web_trust")),
        ("WEB_TRUST", "web_trust", failed("web_trust")),
        ("app-7", "limited", "limited".to_owned()),
        ("app 8", "limited", "limited".to_owned()),
        ("app-7", "web_plain", failed("web_plain")),
        // With a map, only the map counts.
        ("limited", "limited", failed("limited")),
        // The certificate comes on top of the password.
        ("somebody", "postgres", "asked for 10".to_owned()),
        ("somebody", "web_scram", failed("web_scram")),
    ] {
        assert_eq!(who(&scene, &showing(name), user).await, expected, "{name} as {user}");
    }
    let stranger = Authority::new("the staff's authority").client("web_trust");
    let strange = ClientEncryption { identity: Some(stranger), ..trusting.clone() };
    for user in ["web_trust", "limited", "postgres", "web_scram"] {
        assert_eq!(who(&scene, &trusting, user).await, needed, "no certificate, as {user}");
        assert_eq!(who(&scene, &strange, user).await, needed, "a stranger's, as {user}");
    }
    let unencrypted = scene.refusal("web_trust").await;
    assert!(unencrypted.contains("no pg_hba.conf entry"), "{unencrypted}");
    until_logged(&scene, "CN=somebody").await;
}

/// Why is in the log, with the certificate's whole name.
async fn until_logged(scene: &Scene, what: &str) {
    testkit::until("it is in the log", async || scene.proxy.log().contains(what)).await;
}

#[tokio::test]
async fn all_may_have_to_show_one() {
    let authority = Authority::new("the staff's authority");
    let scene = scene(&authority, "auth_type = \"cert\"", &[]).await;
    let trusting = ClientEncryption::trusting(authority.pem());
    let showing = ClientEncryption { identity: Some(authority.client("limited")), ..trusting };
    assert_eq!(who(&scene, &showing, "limited").await, "limited");
    assert_eq!(
        who(&scene, &showing, "web_trust").await,
        "FATAL 28000: certificate authentication failed for user \"web_trust\""
    );
    assert_eq!(
        scene.refusal("limited").await,
        "FATAL 28000: connection requires a valid client certificate"
    );
}
