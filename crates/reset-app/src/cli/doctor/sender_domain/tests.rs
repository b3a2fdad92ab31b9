//! The records of a sender's domain, from a DNS server of the test.

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::{Arc, Mutex},
    thread,
};

use hickory_resolver::proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{Name, Record, rdata::TXT},
};

use super::*;

/// How the server answers for a name that it does not have.
#[derive(Clone, Copy)]
enum Other {
    /// The name does not exist.
    NxDomain,
    /// The name exists without a TXT record.
    NoData,
    /// The server fails.
    ServFail,
}

/// Starts a DNS server on a free UDP port that has these TXT records; a record of more than one string is split at `|`.
fn server(records: &[(&str, &str)], other: Other) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let records: Vec<(Name, Vec<String>)> = records
        .iter()
        .map(|(name, text)| {
            (Name::from_ascii(name).unwrap(), text.split('|').map(ToOwned::to_owned).collect())
        })
        .collect();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let mut message = Message::from_vec(&buffer[..length]).unwrap();
            message.metadata.message_type = MessageType::Response;
            message.metadata.recursion_available = true;
            let name = message.queries[0].name().clone();
            let known = records.iter().filter(|(known, _)| *known == name);
            for (_, texts) in known {
                message.add_answer(Record::from_rdata(name.clone(), 60, RData::TXT(TXT::new(texts.clone()))));
            }
            if message.answers.is_empty() {
                message.metadata.response_code = match other {
                    Other::NxDomain => ResponseCode::NXDomain,
                    Other::NoData => ResponseCode::NoError,
                    Other::ServFail => ResponseCode::ServFail,
                };
            }
            socket.send_to(&message.to_vec().unwrap(), peer).unwrap();
        }
    });
    address
}

/// Returns the lines about `mail.example.com`.
async fn lines(server: SocketAddr, selector: Option<&str>) -> Vec<String> {
    let printed = Arc::new(Mutex::new(Vec::new()));
    let mut report = Report::to({
        let printed = printed.clone();
        move |line| printed.lock().unwrap().push(line.trim_end().to_owned())
    });
    check(&Lookup::new(Some(server)).unwrap(), "mail.example.com", selector, &mut report).await;
    assert!(report.healthy(), "records of the domain never fail the command");
    let lines = printed.lock().unwrap().clone();
    assert_eq!(lines.len(), 3, "one line each: {lines:?}");
    lines
}

#[tokio::test]
async fn records_of_a_complete_domain_are_printed() {
    let records = [
        ("mail.example.com.", "google-site-verification=1"),
        ("mail.example.com.", "v=spf1 include:_spf.example.net| -all"),
        ("s1._domainkey.mail.example.com.", "v=DKIM1; k=rsa; p=MIIB"),
        ("_dmarc.example.com.", "v=DMARC1; p=reject"),
    ];
    let lines = lines(server(&records, Other::NxDomain), Some("s1")).await;
    assert!(
        lines[0].starts_with("ok    spf: mail.example.com has `v=spf1 include:_spf.example.net -all`;"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("ok    dkim: s1._domainkey.mail.example.com has a key"), "{lines:?}");
    assert_eq!(
        lines[2], "ok    dmarc: example.com has `v=DMARC1; p=reject`",
        "the policy of the domain above"
    );
}

#[tokio::test]
async fn missing_records_are_warnings_that_name_what_to_publish() {
    for other in [Other::NxDomain, Other::NoData] {
        let lines = lines(server(&[], other), Some("s1")).await;
        assert!(lines.iter().all(|line| line.starts_with("WARN  ")), "{lines:?}");
        for (line, part) in lines.iter().zip(["v=spf1", "publish the key", "_dmarc.mail.example.com"]) {
            assert!(line.contains(part), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn dkim_without_a_selector_is_reported_as_unchecked_unless_there_is_no_key_at_all() {
    let none = lines(server(&[], Other::NxDomain), None).await;
    assert!(none[1].contains("no DKIM key at all"), "{none:?}");
    let some = lines(server(&[], Other::NoData), None).await;
    assert!(
        some[1].starts_with("WARN  dkim: not checked: name the selector with --dkim-selector"),
        "{some:?}"
    );
}

#[tokio::test]
async fn records_that_receivers_reject_are_warnings() {
    let records = [
        ("mail.example.com.", "v=spf1 +all"),
        ("s1._domainkey.mail.example.com.", "v=DKIM1; p="),
        ("_dmarc.mail.example.com.", "v=DMARC1; p=none"),
        ("_dmarc.mail.example.com.", "v=DMARC1; p=reject"),
    ];
    let open = lines(server(&records, Other::NxDomain), Some("s1")).await;
    for (line, part) in open.iter().zip(["every machine", "revoked", "2 DMARC records"]) {
        assert!(line.starts_with("WARN  ") && line.contains(part), "{open:?}");
    }
    let twice = [("mail.example.com.", "v=spf1 -all"), ("mail.example.com.", "v=spf1 mx -all")];
    let twice = lines(server(&twice, Other::NxDomain), None).await;
    assert!(twice[0].starts_with("WARN  spf: ") && twice[0].contains("2 SPF records"), "{twice:?}");
    let similar = lines(server(&[("mail.example.com.", "v=spf10 -all")], Other::NxDomain), None).await;
    assert!(similar[0].contains("has no SPF record"), "{similar:?}");
}

#[tokio::test]
async fn dns_that_does_not_answer_is_reported_as_unchecked() {
    let lines = lines(server(&[], Other::ServFail), Some("s1")).await;
    for (line, record) in lines.iter().zip(["spf", "dkim", "dmarc"]) {
        assert!(line.starts_with(&format!("WARN  {record}: not checked: DNS does not answer")), "{lines:?}");
    }
}
