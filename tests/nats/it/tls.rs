//! Encrypted connections, with certificates that are made for the test.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use slotcast::{
    Bus,
    nats::{Bridge, BridgeBuilder, StartError},
};
use slotcast_nats::{Server, scratch};

use crate::common::{LONG, TICK, Told, emit, listening};

/// A folder with a root, and what it has signed: `server` and `client`. Nothing without the program `openssl`.
struct Certificates(PathBuf);

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Certificates {
    fn make() -> Option<Certificates> {
        let folder = scratch();
        let openssl = |line: &str| {
            let made = Command::new("openssl")
                .args(line.split(' '))
                .current_dir(&folder)
                .output();
            made.is_ok_and(|made| made.status.success())
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        let mut made = openssl(&format!(
            "req -x509 {key} -keyout root.key -out root.pem -days 2 -subj /CN=root"
        ));
        for name in ["server", "client"] {
            std::fs::write(
                folder.join("names"),
                "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
            )
            .ok()?;
            made = made
                && openssl(&format!(
                    "req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"
                ))
                && openssl(&format!(
                    "x509 -req -in {name}.csr -CA root.pem -CAkey root.key -CAcreateserial -out {name}.pem -days 2 -extfile names"
                ));
        }
        if !made {
            use std::io::Write;
            let _ = writeln!(
                std::io::stderr(),
                "\nskipped: `openssl` makes no certificates here"
            );
            let _ = std::fs::remove_dir_all(&folder);
            return None;
        }
        Some(Certificates(folder))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A server that wants encrypted connections, and with `verify`, a certificate of its clients.
    fn server(&self, verify: bool) -> Server {
        let path = |name: &str| format!("{:?}", self.file(name));
        let (certificate, key, root) = (path("server.pem"), path("server.key"), path("root.pem"));
        Server::builder()
            .config(&format!(
                "tls {{ cert_file: {certificate}, key_file: {key}, ca_file: {root}, verify: {verify}, timeout: 5 }}"
            ))
            .start()
    }
}

/// Something crosses by these.
fn crosses(builder: impl Fn() -> BridgeBuilder) {
    let (there, seen) = listening();
    let _receiver = builder().receive(&TICK).start(&there).unwrap();
    let here = Bus::new();
    let sender = builder().send(&TICK).start(&here).unwrap();
    emit(&here, 0..100);
    sender.flush(LONG).unwrap();
    seen.wait_in_order(100);
}

#[track_caller]
fn is_refused(builder: BridgeBuilder) {
    let error = builder
        .connect_timeout(Duration::from_secs(1))
        .send(&TICK)
        .start(&Bus::new())
        .err()
        .unwrap();
    assert!(
        matches!(
            error,
            StartError::NoServer { .. } | StartError::Refused { .. }
        ),
        "{error:?}"
    );
}

#[test]
fn an_encrypted_connection_needs_the_root_of_the_server() {
    let Some(certificates) = Certificates::make() else {
        return;
    };
    let server = certificates.server(false);
    let secure = server.url().replace("nats://", "tls://");
    let root = certificates.file("root.pem");
    for url in [&secure, &server.url()] {
        crosses(|| Bridge::to(url.as_str()).root_certificates(&root));
        is_refused(Bridge::to(url.as_str()));
    }
}

#[test]
fn a_server_can_want_a_certificate_of_its_clients() {
    let Some(certificates) = Certificates::make() else {
        return;
    };
    let server = certificates.server(true);
    let root = certificates.file("root.pem");
    let own = (
        certificates.file("client.pem"),
        certificates.file("client.key"),
    );
    crosses(|| {
        Bridge::to(server.url())
            .root_certificates(&root)
            .client_certificate(&own.0, &own.1)
    });
    is_refused(Bridge::to(server.url()).root_certificates(&root));
}

#[test]
fn an_encrypted_connection_is_made_again_after_a_restart() {
    let Some(certificates) = Certificates::make() else {
        return;
    };
    let mut server = certificates.server(false);
    let root = certificates.file("root.pem");
    let bus = Bus::new();
    let told = Told::by(&bus);
    let bridge = Bridge::to(server.url())
        .root_certificates(&root)
        .send(&TICK)
        .start(&bus)
        .unwrap();
    server.kill();
    slotcast_nats::until("it is disconnected", || !bridge.state().is_connected());
    server.up();
    slotcast_nats::until("it is connected", || bridge.state().is_connected());
    emit(&bus, 0..10);
    bridge.flush(LONG).unwrap();
    assert_eq!(told.count("Credentials"), 0, "{:?}", told.all());
}

#[test]
fn a_server_without_encryption_is_not_taken_where_it_was_wanted() {
    let Some(certificates) = Certificates::make() else {
        return;
    };
    let server = Server::start();
    is_refused(Bridge::to(server.url().replace("nats://", "tls://")));
    is_refused(Bridge::to(server.url()).root_certificates(certificates.file("root.pem")));
}

#[test]
fn certificates_that_cannot_be_read_are_refused() {
    let server = Server::start();
    let nowhere = Path::new("/nowhere/root.pem");
    for builder in [
        Bridge::to(server.url()).root_certificates(nowhere),
        Bridge::to(server.url()).client_certificate(nowhere, nowhere),
    ] {
        let error = builder
            .connect_timeout(Duration::from_secs(1))
            .send(&TICK)
            .start(&Bus::new())
            .err()
            .unwrap();
        assert!(
            matches!(
                error,
                StartError::Credentials { .. } | StartError::NoServer { .. }
            ),
            "{error:?}"
        );
    }
}
