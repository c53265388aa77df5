use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use migration_ledger::config::Backup;
use migration_ledger::pg::dump::Tools;
use migration_ledger::pg::{Access, Cluster, ClusterOptions, ConnectSpec, PgErrorKind, Session, SessionOptions, Target, programs};

use crate::support::{blocking, cluster_options, connect};

/// A server on TCP that wants passwords, does TLS with a certificate for `localhost` alone, and its authority's certificate.
struct Guarded {
    cluster: Cluster,
    authority: tempfile::TempDir,
    port: u16,
}

static GUARDED: OnceLock<Option<Guarded>> = OnceLock::new();

/// Programs that were built with TLS: those under test, else an installed server's. Some builds (PyPI's) have none.
fn with_tls() -> Option<ClusterOptions> {
    [cluster_options(), ClusterOptions::default()].into_iter().find(|options| {
        let bin = options.bin.clone().or_else(|| programs::folders().into_iter().find(|folder| folder.join("initdb").is_file()));
        let linked = bin.and_then(|bin| Command::new("ldd").arg(bin.join("postgres")).output().ok());
        linked.is_some_and(|output| String::from_utf8_lossy(&output.stdout).contains("libssl"))
    })
}

/// `None`, said loudly: no server here was built with TLS.
fn guarded() -> Option<&'static Guarded> {
    let made = GUARDED.get_or_init(|| {
        let Some(mut options) = with_tls() else {
            crate::support::not_tested("no PostgreSQL here was built with TLS");
            return None;
        };
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        options.settings.push(("listen_addresses".into(), "127.0.0.1".into()));
        options.settings.push(("port".into(), port.to_string()));
        options.hba = Some(
            "local all postgres trust\nhostssl all only_tls 127.0.0.1/32 scram-sha-256\nhost all guarded 127.0.0.1/32 scram-sha-256\n"
                .into(),
        );
        let cluster = Cluster::start(&options).unwrap();
        let authority = certificates(&cluster.folder().join("data"));
        let url = cluster.url("postgres");
        blocking(async move {
            let session = connect(&url).await;
            session
                .batch("CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'canary-pa:ss'; CREATE ROLE only_tls LOGIN PASSWORD 'canary-pa:ss'")
                .await
                .unwrap();
            session.batch("ALTER SYSTEM SET ssl = on").await.unwrap();
            session.batch("SELECT pg_reload_conf()").await.unwrap();
            for _ in 0..100 {
                if connect(&url).await.one("SHOW ssl", &[]).await.unwrap().get::<_, String>(0) == "on" {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            panic!("TLS did not come on");
        });
        Some(Guarded { cluster, authority, port })
    });
    made.as_ref()
}

fn openssl(folder: &Path, args: &[&str]) {
    let status = Command::new("openssl").args(args).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "openssl {args:?}");
}

/// An authority of our own, and a server certificate for the name `localhost`, put into the data folder.
fn certificates(data: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    for name in ["ca", "other"] {
        let (out, keyout, subject) = (format!("{name}.crt"), format!("{name}.key"), format!("/CN=test {name}"));
        openssl(path, &[&["req", "-x509"][..], &key, &["-subj", &subject, "-keyout", &keyout, "-out", &out]].concat());
    }
    openssl(path, &[&["req"][..], &key[..5], &["-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"]].concat());
    std::fs::write(path.join("ext"), "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n").unwrap();
    openssl(
        path,
        &[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "ext",
            "-out",
            "server.crt",
        ],
    );
    let owner = std::fs::metadata(data).unwrap();
    for name in ["server.crt", "server.key"] {
        let target = data.join(name);
        std::fs::copy(path.join(name), &target).unwrap();
        chown(&target, Some(owner.uid()), Some(owner.gid())).unwrap();
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

fn options() -> SessionOptions {
    SessionOptions {
        application_name: "ledger/test".into(),
        access: Access::ReadOnly,
        statement_timeout_ms: 30_000,
        lock_timeout_ms: 5_000,
    }
}

impl Guarded {
    fn certificate(&self, name: &str) -> PathBuf {
        self.authority.path().join(format!("{name}.crt"))
    }

    fn spec(&self, host: &str, role: &str, password: &str, query: &str) -> ConnectSpec {
        ConnectSpec::parse(&format!("postgresql://{role}{password}@{host}:{}/postgres?{query}", self.port)).unwrap()
    }

    async fn refused(&self, spec: &ConnectSpec) -> PgErrorKind {
        let error = match spec.session(&options()).await {
            Ok(_) => panic!("{spec:?} connected"),
            Err(error) => error,
        };
        assert!(!format!("{error} {error:?} {spec:?}").contains("canary"), "{error}");
        error.kind
    }
}

async fn is_encrypted(session: &Session) -> bool {
    session.one("SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()", &[]).await.unwrap().get(0)
}

async fn guarded_async() -> Option<&'static Guarded> {
    tokio::task::spawn_blocking(guarded).await.unwrap()
}

const RIGHT: &str = ":canary-pa%3Ass";

#[tokio::test]
async fn every_refusal_has_its_kind() {
    let Some(server) = guarded_async().await else { return };
    let kind = async |role: &str, password: &str, query: &str| server.refused(&server.spec("localhost", role, password, query)).await;
    assert_eq!(kind("guarded", ":canary-wrong", "sslmode=disable").await, PgErrorKind::Password);
    assert_eq!(kind("guarded", "", "sslmode=disable").await, PgErrorKind::Password);
    assert_eq!(kind("only_tls", RIGHT, "sslmode=disable").await, PgErrorKind::TlsRefused);
    let missing = ConnectSpec::parse(&format!("postgresql://guarded{RIGHT}@localhost:{}/nowhere", server.port)).unwrap();
    assert_eq!(server.refused(&missing).await, PgErrorKind::NoDatabase);
    let closed = ConnectSpec::parse(&format!("postgresql://guarded{RIGHT}@localhost:1/postgres")).unwrap();
    assert_eq!(server.refused(&closed).await, PgErrorKind::NoServer);
    let nobody = ConnectSpec::parse("postgresql://u@/d?host=/nonexistent").unwrap();
    assert_eq!(server.refused(&nobody).await, PgErrorKind::NoServer);
}

#[tokio::test]
async fn tls_modes_mean_what_libpq_means_by_them() {
    let Some(server) = guarded_async().await else { return };
    let (ca, other) = (server.certificate("ca"), server.certificate("other"));
    let (ca, other) = (ca.display(), other.display());
    for (host, query, encrypted) in [
        ("localhost", "sslmode=disable".to_owned(), Ok(false)),
        ("localhost", "sslmode=prefer".into(), Ok(true)),
        ("localhost", "sslmode=require".into(), Ok(true)),
        ("localhost", format!("sslmode=require&sslrootcert={other}"), Err(PgErrorKind::Certificate)),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ca}"), Ok(true)),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={other}"), Err(PgErrorKind::Certificate)),
        ("localhost", format!("sslmode=verify-full&sslrootcert={ca}"), Ok(true)),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ca}"), Err(PgErrorKind::Certificate)),
        ("localhost", "sslmode=verify-full&sslrootcert=system".into(), Err(PgErrorKind::Certificate)),
        ("localhost", "sslmode=verify-full&sslrootcert=/nonexistent".into(), Err(PgErrorKind::Setting)),
    ] {
        let spec = server.spec(host, "guarded", RIGHT, &query);
        match encrypted {
            Ok(encrypted) => assert_eq!(is_encrypted(&spec.session(&options()).await.unwrap()).await, encrypted, "{query}"),
            Err(kind) => assert_eq!(server.refused(&spec).await, kind, "{query}"),
        }
    }
}

#[tokio::test]
async fn a_statement_is_cancelled_over_tls() {
    let Some(server) = guarded_async().await else { return };
    let spec =
        server.spec("localhost", "guarded", RIGHT, &format!("sslmode=verify-full&sslrootcert={}", server.certificate("ca").display()));
    let target = Target::open(spec, "ledger/test").await.unwrap();
    let session = target.session(Access::ReadOnly).await.unwrap();
    let start = std::time::Instant::now();
    let (slept, ()) = tokio::join!(session.query("SELECT pg_catalog.pg_sleep(20)", &[]), async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        target.cancel_all().await;
    });
    assert!(slept.unwrap_err().is("57014"));
    assert!(start.elapsed().as_secs() < 10);
}

#[tokio::test]
async fn the_tools_get_the_password_and_tls_by_their_environment() {
    let Some(server) = guarded_async().await else { return };
    let config = Backup { pg_dump: Some(server.cluster.bin().join("pg_dump")), ..Backup::default() };
    let spec =
        server.spec("localhost", "guarded", RIGHT, &format!("sslmode=verify-full&sslrootcert={}", server.certificate("ca").display()));
    let target = Target::open(spec, "ledger/test").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let tools = Tools::find(target.major(), &config).unwrap();
    let facts = tools.dump(&target, &folder.path().join("x.dump"), "x.dump", &config).await.unwrap();
    assert!(facts.bytes > 0);
}
