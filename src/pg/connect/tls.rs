//! TLS by rustls in libpq's modes (PostgreSQL manual, libpq, "SSL Support").

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::pg::{PgError, PgErrorKind};

/// How much of TLS is asked for. `allow` is taken as `prefer`: it asks for nothing either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Mode {
    /// libpq's word.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "disable" => Self::Disable,
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }

    /// libpq's word, for the tools that we start.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// Whose signature a server's certificate must carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    File(PathBuf),
    System,
}

/// Bundles of the system's roots, for libpq before 16, which knows no `sslrootcert=system`.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/opt/homebrew/etc/ca-certificates/cert.pem",
];

impl Roots {
    /// What `PGSSLROOTCERT` must say.
    pub fn for_libpq(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::System => BUNDLES.iter().find(|path| Path::new(path).exists()).map_or("system".into(), |path| (*path).to_owned()),
        }
    }

    fn store(&self) -> Result<RootCertStore, PgError> {
        let mut store = RootCertStore::empty();
        let bad = |what: String| PgError::of_kind(PgErrorKind::Setting, what);
        match self {
            Self::File(path) => {
                let certificates = CertificateDer::pem_file_iter(path)
                    .map_err(|error| bad(format!("cannot read sslrootcert {}: {error}", path.display())))?;
                for certificate in certificates {
                    let certificate = certificate.map_err(|error| bad(format!("sslrootcert {}: {error}", path.display())))?;
                    store.add(certificate).map_err(|error| bad(format!("sslrootcert {}: {error}", path.display())))?;
                }
            }
            Self::System => {
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        match store.is_empty() {
            true => Err(bad("there are no root certificates to verify the server by: set sslrootcert".into())),
            false => Ok(store),
        }
    }
}

/// The connector of a mode; with [`Mode::Disable`] it is never asked. As with libpq, `require` verifies the authority where a file names one.
pub fn connector(mode: Mode, roots: &Roots) -> Result<MakeRustlsConnect, PgError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |error: &dyn std::fmt::Display| PgError::of_kind(PgErrorKind::Setting, format!("TLS cannot be set up: {error}"));
    let verifies_authority = matches!(mode, Mode::VerifyCa) || (mode == Mode::Require && matches!(roots, Roots::File(_)));
    let webpki = match verifies_authority || mode == Mode::VerifyFull {
        true => Some(
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots.store()?), Arc::clone(&provider))
                .build()
                .map_err(|error| failed(&error))?,
        ),
        false => None,
    };
    let verifier: Arc<dyn ServerCertVerifier> = match webpki {
        Some(webpki) if mode == Mode::VerifyFull => webpki,
        webpki => Arc::new(Lenient { webpki, provider: Arc::clone(&provider) }),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// `verify-ca` (the authority, not the name) and below (nothing but that the server holds its own key).
#[derive(Debug)]
struct Lenient {
    webpki: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(webpki) = &self.webpki else { return Ok(ServerCertVerified::assertion()) };
        match webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last: all else holds.
            Err(Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
