//! Connection strings: both of libpq's forms, into keywords (PostgreSQL manual, libpq, "Connection Strings").

use std::collections::BTreeMap;

/// Keyword → value, as libpq names them.
pub type Keywords = BTreeMap<String, String>;

/// Keywords that are understood, or may be there without changing anything here.
const KNOWN: [&str; 30] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "passfile",
    "options",
    "sslmode",
    "sslrootcert",
    "connect_timeout",
    "service",
    "channel_binding",
    "target_session_attrs",
    "sslnegotiation",
    "application_name",
    "fallback_application_name",
    "client_encoding",
    "gssencmode",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "sslcompression",
    "sslsni",
    "krbsrvname",
    "load_balance_hosts",
    "ssl_min_protocol_version",
    "pgbouncer",
];

/// Reads either form. Errors name the keyword at fault and never a value.
pub fn parse(text: &str) -> Result<Keywords, String> {
    let text = text.trim();
    let keywords = match text.split_once("://") {
        Some(("postgresql" | "postgres", rest)) => url(rest)?,
        Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+') => {
            return Err("the connection URL must begin with postgresql://".into());
        }
        _ => pairs(text)?,
    };
    match keywords.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        Some(key) if key.starts_with("sslcert") || key.starts_with("sslkey") => {
            Err(format!("`{key}`: client certificates are not supported"))
        }
        Some(key) => Err(format!("the connection string has an unknown keyword `{key}`")),
        None => Ok(keywords),
    }
}

fn url(rest: &str) -> Result<Keywords, String> {
    let mut keywords = Keywords::new();
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = before.split_once('/').unwrap_or((before, ""));
    // A password may hold an @ that somebody forgot to encode; hosts never do.
    let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = credentials.split_once(':').map_or((credentials, None), |(user, password)| (user, Some(password)));
    let mut set = |key: &str, value: &str| -> Result<(), String> {
        if !value.is_empty() {
            keywords.insert(key.to_owned(), decoded(value).ok_or_else(|| format!("`{key}` is not percent-encoded properly"))?);
        }
        Ok(())
    };
    set("user", user)?;
    set("password", password.unwrap_or_default())?;
    set("dbname", database)?;
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => {
                let (name, port) = rest.split_once(']').ok_or("an IPv6 address lacks its closing bracket")?;
                (name, port.strip_prefix(':').unwrap_or(port))
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        names.push(name);
        ports.push(port);
    }
    set("host", &names.join(","))?;
    if ports.iter().any(|port| !port.is_empty()) {
        set("port", &ports.join(","))?;
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or("the connection URL's query lacks a `=`")?;
        match key {
            // JDBC's spelling, which libpq understands too.
            "ssl" if value == "true" => set("sslmode", "require")?,
            _ => set(key, value)?,
        }
    }
    Ok(keywords)
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = match first {
            b'%' => {
                bytes.push(*hex::decode(tail.get(..2)?).ok()?.first()?);
                tail.get(2..)?
            }
            _ => {
                bytes.push(first);
                tail
            }
        };
    }
    String::from_utf8(bytes).ok()
}

/// `key = value key='va l\'ue'`.
fn pairs(text: &str) -> Result<Keywords, String> {
    let mut keywords = Keywords::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut key = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && !c.is_whitespace()) {
            key.push(c);
        }
        if key.is_empty() && chars.peek().is_none() {
            return Ok(keywords);
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if key.is_empty() || chars.next() != Some('=') {
            // Not even the key is repeated: this may be a password that somebody put there.
            return Err("the connection string is neither a URL nor key=value pairs".into());
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let quoted = chars.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match chars.next() {
                Some('\\') => value.extend(chars.next()),
                Some('\'') if quoted => break,
                Some(c) if !quoted && c.is_whitespace() => break,
                Some(c) => value.push(c),
                None if quoted => return Err(format!("the value of `{key}` lacks its closing quote")),
                None => break,
            }
        }
        if !value.is_empty() {
            keywords.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match parse(text) {
            Ok(keywords) => keywords.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" "),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn both_forms_are_read() {
        for (text, expected) in [
            ("postgresql://u:p%40s@h:6000/d?sslmode=verify-full", "dbname=d host=h password=p@s port=6000 sslmode=verify-full user=u"),
            ("postgres://u@/d?host=/tmp/x&port=1", "dbname=d host=/tmp/x port=1 user=u"),
            ("postgresql://%2Fvar%2Frun/d", "dbname=d host=/var/run"),
            ("postgresql://[::1]:7,b/d", "dbname=d host=::1,b port=7,"),
            ("host=h password='it\\'s a \\\\ b' user = u", "host=h password=it's a \\ b user=u"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn errors_name_keywords_and_no_values() {
        for text in
            ["mysql://canary@h/d", "host=h passwort=canary", "canary", "host='canary", "postgresql://u:%zzcanary@h", "sslkey=canary"]
        {
            let said = shown(text);
            assert!(said.starts_with("error: ") && !said.contains("canary"), "{said}");
        }
    }
}
