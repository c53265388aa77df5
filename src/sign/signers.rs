//! allowed_signers in one form only, a part of what `ssh-keygen` reads.
//!
//! `principal namespaces="a@ledger,b@ledger"[,valid-after="YYYYMMDDhhmmssZ"][,valid-before="…Z"] ssh-ed25519 BASE64[ comment]`.
//! Stock tools accept a line without namespaces for every role, and wildcards for every principal; here both are errors.

use super::keys::PublicKey;
use super::{Namespace, SignError};

/// One line: who may sign for what, with which key, when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    pub principal: String,
    pub namespaces: Vec<Namespace>,
    /// `YYYYMMDDhhmmss` in UTC; valid from this second on.
    pub valid_after: Option<String>,
    /// `YYYYMMDDhhmmss` in UTC; valid to this second.
    pub valid_before: Option<String>,
    pub key: PublicKey,
}

/// What a trusted file says about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// May sign under the namespace at the time.
    Holds(&'a Signer),
    /// Known, but not for this namespace.
    WrongRole(&'a Signer),
    /// Known, but before or after its time.
    Expired(&'a Signer),
    /// Not in the file.
    Unknown,
}

/// A trusted file, read as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedSigners {
    signers: Vec<Signer>,
}

/// Longest file, bytes.
const LONGEST: usize = 1024 * 1024;

impl AllowedSigners {
    /// Reads a file; any line of another form is an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignError> {
        let mut signers: Vec<Signer> = Vec::new();
        let whole = |why| SignError::Signers { line: 1, why };
        if bytes.len() > LONGEST {
            return Err(whole("too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| whole("not UTF-8"))?;
        for (number, line) in text.split('\n').enumerate() {
            let fail = |why| SignError::Signers { line: number + 1, why };
            if line.chars().any(char::is_control) {
                return Err(fail("control character"));
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let signer = parse_line(line).map_err(fail)?;
            if signers.iter().any(|known| known.key == signer.key) {
                return Err(fail("a key that another line has"));
            }
            signers.push(signer);
        }
        Ok(Self { signers })
    }

    /// The lines, in file order.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// What the file says about a key for a namespace at a time (`YYYY-MM-DDTHH:MM:SS…Z`).
    pub fn standing(&self, key: &PublicKey, namespace: Namespace, at: &str) -> Standing<'_> {
        let Some(signer) = self.signers.iter().find(|signer| &signer.key == key) else { return Standing::Unknown };
        if !signer.namespaces.contains(&namespace) {
            return Standing::WrongRole(signer);
        }
        let at: String = at.bytes().take(19).filter(u8::is_ascii_digit).map(char::from).collect();
        let early = signer.valid_after.as_ref().is_some_and(|from| at < *from);
        let late = signer.valid_before.as_ref().is_some_and(|to| at > *to);
        if early || late { Standing::Expired(signer) } else { Standing::Holds(signer) }
    }
}

/// Reads a list of revoked keys: `ssh-ed25519 BASE64[ comment]` a line, as `ssh-keygen -Y verify -r` reads it.
pub fn parse_revoked(bytes: &[u8]) -> Result<Vec<PublicKey>, SignError> {
    let fail = |line, why| SignError::Revoked { line, why };
    if bytes.starts_with(b"SSHKRL\n\0") {
        return Err(fail(1, "a binary key revocation list; give the list of public keys that it was made from"));
    }
    if bytes.len() > LONGEST {
        return Err(fail(1, "too long"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| fail(1, "not UTF-8"))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(n, line)| PublicKey::from_line(line).ok_or(fail(n + 1, "not a line `ssh-ed25519 BASE64`"))).collect()
}

impl Signer {
    /// The line of the one form, without newline.
    pub fn line(&self) -> String {
        let namespaces: Vec<&str> = self.namespaces.iter().map(|n| n.as_str()).collect();
        let mut options = format!("namespaces=\"{}\"", namespaces.join(","));
        for (name, value) in [("valid-after", &self.valid_after), ("valid-before", &self.valid_before)] {
            if let Some(value) = value {
                options.push_str(&format!(",{name}=\"{value}Z\""));
            }
        }
        format!("{} {options} ssh-ed25519 {}", self.principal, self.key.to_base64())
    }
}

fn parse_line(line: &str) -> Result<Signer, &'static str> {
    let mut fields = line.splitn(5, ' ');
    let (Some(principal), Some(options), Some(algorithm), Some(key)) = (fields.next(), fields.next(), fields.next(), fields.next()) else {
        return Err("not: principal options ssh-ed25519 key");
    };
    if !is_principal(principal) {
        return Err("a principal is name@host, lower case, without wildcards");
    }
    if algorithm != "ssh-ed25519" {
        return Err("only ssh-ed25519 keys are accepted");
    }
    let key = PublicKey::from_base64(key).ok_or("not an ssh-ed25519 key")?;
    let mut rest = options.strip_prefix("namespaces=\"").ok_or("the options begin with namespaces=\"…\"")?;
    let end = rest.find('"').ok_or("an open quote")?;
    let mut namespaces = Vec::new();
    for name in rest[..end].split(',') {
        let namespace = Namespace::from_name(name).ok_or("an unknown namespace")?;
        if namespaces.contains(&namespace) {
            return Err("a namespace twice");
        }
        namespaces.push(namespace);
    }
    rest = &rest[end + 1..];
    let valid_after = time_option(&mut rest, ",valid-after=\"")?;
    let valid_before = time_option(&mut rest, ",valid-before=\"")?;
    if !rest.is_empty() {
        return Err("an option that is not accepted");
    }
    Ok(Signer { principal: principal.to_owned(), namespaces, valid_after, valid_before, key })
}

fn time_option(rest: &mut &str, name: &str) -> Result<Option<String>, &'static str> {
    let Some(value) = rest.strip_prefix(name) else { return Ok(None) };
    let (time, after) = value.split_once("Z\"").ok_or("a time is YYYYMMDDhhmmssZ")?;
    let real = chrono::NaiveDateTime::parse_from_str(time, "%Y%m%d%H%M%S").is_ok_and(|t| t.format("%Y%m%d%H%M%S").to_string() == time);
    // chrono reads a leap second and the year 0; the format knows neither.
    if time.len() != 14 || !real || time.ends_with("60") || time.starts_with("0000") {
        return Err("a time is YYYYMMDDhhmmssZ");
    }
    *rest = after;
    Ok(Some(time.to_owned()))
}

/// `[a-z0-9._-]+@[a-z0-9.-]+`.
pub fn is_principal(text: &str) -> bool {
    let low = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    let Some((name, host)) = text.split_once('@') else { return false };
    !name.is_empty() && !host.is_empty() && name.bytes().all(|b| low(b) || b == b'_') && host.bytes().all(low)
}
