//! TLS for PostgreSQL: which certificates are accepted.

use conformance::own_server::OwnServer;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::{error_chain, job};
use crate::Database;

/// Creates a certificate authority. Returns its certificate and its signer.
fn authority() -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, Issuer::new(params, key))
}

/// The server accepts only clients with a certificate of its own authority for the role.
#[tokio::test(flavor = "multi_thread")]
async fn client_certificate_is_presented_to_a_server_that_requires_one() {
    let Some(mut server) = OwnServer::start() else { return };
    let (root, signer) = authority();
    let issue = |names: Vec<String>, role: Option<&str>| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        if let Some(role) = role {
            params.distinguished_name.push(DnType::CommonName, role);
        }
        (params.signed_by(&key, &signer).unwrap().pem(), key.serialize_pem())
    };
    let (certificate, private) = issue(vec!["localhost".to_owned()], None);
    let (of_client, private_of_client) = issue(Vec::new(), Some("postgres"));
    let (of_other, private_of_other) = issue(Vec::new(), Some("another"));
    let [certificate, private, root, of_client, private_of_client, of_other, private_of_other] = [
        ("server.pem", certificate),
        ("server.key", private),
        ("root.pem", root),
        ("client.pem", of_client),
        ("client.key", private_of_client),
        ("other.pem", of_other),
        ("other.key", private_of_other),
    ]
    .map(|(name, text)| server.file(name, &text).display().to_string());
    server.stop();
    let settings = format!(
        "ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{private}'\nssl_ca_file = '{root}'\n"
    );
    let path = server.data().join("postgresql.conf");
    let content = std::fs::read_to_string(&path).unwrap() + &settings;
    std::fs::write(&path, content).unwrap();
    std::fs::write(server.data().join("pg_hba.conf"), "hostssl all all all cert\n").unwrap();
    // Without a client certificate, the check whether the server is ready reports a rejection, which is an answer.
    server.run();

    let open = |options: String| {
        let url = format!("postgres://postgres@localhost:{}/postgres?{options}", server.port);
        async move {
            let database = Database::at(&url).unwrap();
            database.migrate().await?;
            database.open().await
        }
    };
    let roots = format!("sslrootcert={root}");
    for mode in ["sslmode=verify-full&", "sslmode=verify-ca&"] {
        let options = format!("{mode}{roots}&sslcert={of_client}&sslkey={private_of_client}");
        open(options).await.unwrap_or_else(|error| panic!("{mode}: {error}")).ready().await.unwrap();
    }
    for (options, expected) in [
        (roots.clone(), "certificate"),
        (format!("{roots}&sslcert={of_other}&sslkey={private_of_other}"), "authentication failed"),
        (format!("{roots}&sslcert={of_client}&sslkey=/nowhere.key"), "/nowhere.key"),
        (
            format!("{roots}&sslcert={private_of_client}&sslkey={private_of_client}"),
            "contains no certificate",
        ),
    ] {
        let error = error_chain(&open(options.clone()).await.err().expect(&options));
        assert!(error.contains(expected), "{options}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_with_the_right_ca_and_name_is_accepted() {
    let Some(mut server) = OwnServer::start() else { return };
    let ((right, signer), (wrong, _)) = (authority(), authority());
    let key = KeyPair::generate().unwrap();
    // Valid for `localhost` but not for 127.0.0.1.
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &signer).unwrap();
    let certificate = server.file("server.pem", &certificate.pem());
    let private = server.file("server.key", &key.serialize_pem());
    let (right, wrong) = (server.file("right.pem", &right), server.file("wrong.pem", &wrong));
    server.stop();
    let settings = format!(
        "ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\n",
        certificate.display(),
        private.display()
    );
    let path = server.data().join("postgresql.conf");
    let content = std::fs::read_to_string(&path).unwrap() + &settings;
    std::fs::write(&path, content).unwrap();
    // The server accepts only encrypted connections.
    std::fs::write(server.data().join("pg_hba.conf"), "hostssl all all all trust\n").unwrap();
    server.run();

    let open = |host: &str, options: String| {
        let url = format!("postgres://postgres@{host}:{}/postgres?{options}", server.port);
        async move {
            let database = Database::at(&url).unwrap();
            database.migrate().await?;
            database.open().await
        }
    };
    let roots = |path: &std::path::Path| format!("sslrootcert={}", path.display());
    for (host, options) in [
        ("localhost", format!("sslmode=verify-full&{}", roots(&right))),
        ("localhost", format!("sslmode=require&{}", roots(&right))),
        ("127.0.0.1", format!("sslmode=verify-ca&{}", roots(&right))),
        ("127.0.0.1", "sslmode=prefer".to_owned()),
    ] {
        let store = open(host, options.clone()).await.unwrap_or_else(|error| panic!("{options}: {error}"));
        store.ready().await.unwrap();
        store.push(&job(&format!("{host}{}", options.len()))).await.unwrap();
    }
    for (host, options, expected) in [
        ("localhost", format!("sslmode=verify-full&{}", roots(&wrong)), "certificate"),
        ("localhost", format!("sslmode=verify-ca&{}", roots(&wrong)), "certificate"),
        ("127.0.0.1", format!("sslmode=verify-full&{}", roots(&right)), "certificate"),
        ("localhost", "sslmode=require".to_owned(), "certificate"),
        ("localhost", "sslmode=disable".to_owned(), "pg_hba.conf"),
        ("localhost", "sslmode=verify-full&sslrootcert=/nowhere.pem".to_owned(), "/nowhere.pem"),
    ] {
        let error = error_chain(&open(host, options.clone()).await.err().expect(&options));
        assert!(error.contains(expected), "{options}: {error}");
    }
}
