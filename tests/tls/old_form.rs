//! Certificates as `openssl x509 -req` makes them unless told otherwise: X.509 version 1, RSA. There are
//! many of them, and rustls alone takes none.

use testkit::{Identity, Proxy, ProxyOptions};

use crate::psql::{psql, said, succeeded};
use crate::scene::PGWEIR;
use crate::way::{ground, start};

/// Of version 1, signed by itself, for 127.0.0.1, from 2020 to 2126.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIICsTCCAZkCFFk0Ffm/lVTk9qt1fUZ1T1hjO26YMA0GCSqGSIb3DQEBCwUAMBQx
EjAQBgNVBAMMCTEyNy4wLjAuMTAgFw0yMDAxMDEwMDAwMDBaGA8yMTI2MTAzMTAw
NTMwNFowFDESMBAGA1UEAwwJMTI3LjAuMC4xMIIBIjANBgkqhkiG9w0BAQEFAAOC
AQ8AMIIBCgKCAQEAq9W0Y0lCATMgzNB+LYTVC4Hcw7Q3g8nfm5pULgWGaik6V0Yc
2bowSKCZAXRTyc2Vjtaq4INzcPIx2TBKB+q1clfQQQlBKX6433/aq/2WcRv4VaIL
GzmeUzd3GQ8mpqqgVCpNl6reld+EGQaK5TtTYGggF6jhLSYqgop9KO0FU6Tyg2a6
im9r5MIB7XX1o/symNAotOwzLpp7mv6sZ0tG5FYOlGTEYNsa6YKAMooQ5Kpwww2l
lLs/1kysYrH2MoNeS2i079M4hgdp2pRJjkOC49SBkAcz0vl3Nia+Zl+2aRpbtTAD
jLPhmSG5R+xkSEzpYW4pTKWsFlF86Jz9w7EmHQIDAQABMA0GCSqGSIb3DQEBCwUA
A4IBAQCgdlvR5EMMxBkUyIkKsqDTJ1TB7DyOW2ZSd38zzGGeh1uDWbXA66Tlv3je
SKaBBvqD96Gpsv5UFQTRrc096S4uw72DiK9JZ+xeIitUGlsrvKEG/K/tjQIwjzoD
MLS6r66Qahs5t0P8oJfTQHPZkssbCgq/JLBmOtoUph7l04Gw+hCRuWJkCWpoIiqx
FF4VtuuR68PwM8eb3QBrJsqusJCFSM9MvrJ0XqXYCtjPCgfxPA+rnDcx2Z6ky7YT
9yseH+lODe6gifPQfj00JRidpmIlVMMUHBgMPzi9j7RyU3wEhy/hZGbD49sjjBvw
dcLtW8v5RrfH65TvmZTkCduMKBt4
-----END CERTIFICATE-----
";

/// Its key, which protects nothing.
const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQCr1bRjSUIBMyDM
0H4thNULgdzDtDeDyd+bmlQuBYZqKTpXRhzZujBIoJkBdFPJzZWO1qrgg3Nw8jHZ
MEoH6rVyV9BBCUEpfrjff9qr/ZZxG/hVogsbOZ5TN3cZDyamqqBUKk2Xqt6V34QZ
BorlO1NgaCAXqOEtJiqCin0o7QVTpPKDZrqKb2vkwgHtdfWj+zKY0Ci07DMumnua
/qxnS0bkVg6UZMRg2xrpgoAyihDkqnDDDaWUuz/WTKxisfYyg15LaLTv0ziGB2na
lEmOQ4Lj1IGQBzPS+Xc2Jr5mX7ZpGlu1MAOMs+GZIblH7GRITOlhbilMpawWUXzo
nP3DsSYdAgMBAAECggEADnpcjwsCmoWbdgumaKEVruOxB/TnbTK1T5p9Yj1JRH5B
x02wgPB3lf72Cqcpp3SrbRQNj19z+r26pnveQ57VIpO0h8OcWmnYxiKzIs+kfSuS
omsbTXQZhhXDx/g8qklGZfZZ1aAUzgLoUeV5Dsm6A4Lyb/E6O8Ad+nlprz49Nyf+
KyMqJN+X2yAW/BtlS3vXcSa+rcvmKabfEJHZqzXfdQ7EOUTVALTFFfcBMmrOSnaz
aXSS0u82s9M4XMhNr/dRxaTSql96PZ0xGkMBW79/kve5PAn4i9Iw7JnBbQ+KMZCO
iGFwk5SeaX9CSoyY/uxgRXC0mbPg4bcut/FTr0UhnwKBgQDZbzR/uXHd2uOK04zC
oTBpHRKMv/oIdKncknMxiY15vLekIGWNZQie2tbQcYH9PkwkcqRYg+5/t/3lkuIF
w4vtJK1tFT3P0f9Yp4X5HON9GR0BQv8kbTNLGUG0IjNfu0HHpzZciAQWSn7H3zSu
Ahjq+K2POmdsH1euR45lTVVt6wKBgQDKUAKagSsULtJSOCTk5cN5Hb3xDSCnYdAi
kD2sp9A826sfC20aF01ITp1CuSxUV6uUo24KRh8U/Se5UBA8dCSuAJpFwDKFxnyK
SjVcRMwpQI+6qlzpvRHCzgqBsbArwk+JhpXwUJQ5lIS1sGHPWNipFur1disfMsV1
30OihK1SFwKBgQCV8e2HY1CWCVw/oZIBqn0jD+x56e44pJN7S/dqowxQdodCBSFj
N9iRDCN1zcEx7iM+Q1z4ucrggvbxubBq/yZg3JlIj4x3476u2aA3Yeeznnz1IMmo
yjHESV+ZJLi+/PjpAXQorZf781Wo6lF+6m1apTGzgzhNRPQHeMtHKuSODwKBgQCl
rqajL5s++SVHLjGQv1W5D5FpIo4WZfVVCPlpNzlDTcazMuFTl7ezuqXxacKTBAVB
QiIxCcIUp0nr6lSRnbAYS+gLrV3yzl1Zx3IxsSndssDCZxiWVz9/YMub8Q/MlmIa
x3xthSAOk8GnJd7ENwegWmNrSC4Ca8roQEKcirmCWwKBgQCAokewg8OedRPmwGlD
jbkx4dFtou8M9o1FbvOoid1+HyQgCko3PhhwohPviNek790L/B2jCgLxJzw/4CFs
i4IIg2j+yJqdZAGZErOV2FWsGYGev3IB0PhsMdshxV7kC0FvvJEHfBq4CzN1KsBR
x8VWXRONMEC/Hb4TP8+b/3xCnA==
-----END PRIVATE KEY-----
";

fn identity() -> Identity {
    Identity { certificate: CERTIFICATE.to_owned(), key: KEY.to_owned() }
}

#[tokio::test]
async fn a_servers_certificate_of_the_old_form() {
    let ground = ground().await;
    let server = start(&identity(), &ground.authority, &[]).await;
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("own.crt");
    std::fs::write(&own, CERTIFICATE).unwrap();
    let (own, authority) = (own.display().to_string(), ground.authority_file.display().to_string());
    let scram = server.url("web_scram:scram-secret", "postgres");
    let trust = server.url("postgres", "postgres");
    let unknown =
        Err("the server's certificate is of X.509 version 1, for which no authority can vouch");
    for (url, user, parameters, expected) in [
        (&trust, "postgres", "sslmode=prefer".to_owned(), Ok(())),
        (&scram, "web_scram", "sslmode=prefer&channel_binding=require".to_owned(), Ok(())),
        (&scram, "web_scram", format!("sslmode=verify-full&sslrootcert={own}"), Ok(())),
        (&trust, "postgres", format!("sslmode=verify-ca&sslrootcert={authority}"), unknown),
    ] {
        let settings =
            format!("upstream = {:?}\nauth_type = \"trust\"", format!("{url}?{parameters}"));
        let proxy = Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await;
        match (proxy.try_connect(user, "postgres").await, expected) {
            (Ok(client), Ok(())) => {
                let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
                assert!(
                    client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0),
                    "{parameters}"
                );
            }
            (Err(error), Err(expected)) => {
                let told = error.as_db_error().unwrap().message().to_owned();
                assert!(told.ends_with(expected), "{parameters}: {told}");
            }
            (came, _) => panic!("{parameters}: {:?}", came.err()),
        }
    }
}

#[tokio::test]
async fn pgweirs_own_and_a_clients_certificate_of_the_old_form() {
    let ground = ground().await;
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = identity().write(directory.path(), "old");
    let (certificate, key) = (certificate.display(), key.display());
    let upstream = ground.url("web_scram:scram-secret", "sslmode=require");
    let settings = format!(
        "upstream = {upstream:?}\nclient_tls_sslmode = 'require'\nclient_tls_cert_file = \
         '{certificate}'\nclient_tls_key_file = '{key}'\nclient_tls_ca_file = {:?}",
        ground.authority_file
    );
    let proxy = Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await;
    let (certificate, key) = (certificate.to_string(), key.to_string());
    let variables = [
        ("PGHOST", "127.0.0.1"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", &*certificate),
        ("PGSSLCERT", &*certificate),
        ("PGSSLKEY", &*key),
        ("PGCHANNELBINDING", "require"),
    ];
    let output = psql(ground, &proxy, &variables).await;
    assert!(succeeded(&output), "{}", said(&output));
}
