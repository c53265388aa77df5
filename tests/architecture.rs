//! Who imports whom: the `use crate::` and `crate::…` paths of the code against the table of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module → modules it may import. A module may always import itself.
fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let rules: [(&str, &[&str]); 17] = [
        ("domain", &[]),
        ("redact", &[]),
        ("config", &["domain"]),
        ("chain", &["domain"]),
        ("sign", &["domain", "chain"]),
        ("record", &["chain", "sign", "config", "domain"]),
        ("report", &["record", "config", "chain", "domain", "sign"]),
        ("package", &["chain", "sign", "record", "domain", "config"]),
        ("publish", &["report", "package", "sign", "record", "chain", "config", "domain"]),
        ("checks", &["domain", "pg"]),
        ("pg", &["config", "domain"]),
        ("migrate", &["pg", "config", "domain", "checks"]),
        ("steps", &["checks", "migrate", "pg", "config", "domain", "redact"]),
        ("run", &["steps", "checks", "record", "chain", "pg", "config", "domain", "redact"]),
        (
            "demo",
            &["run", "steps", "migrate", "pg", "publish", "record", "chain", "sign", "config", "domain", "redact", "package", "checks"],
        ),
        (
            "cli",
            &[
                "run", "steps", "checks", "migrate", "pg", "publish", "package", "report", "sign", "record", "chain", "config", "domain",
                "redact", "demo",
            ],
        ),
        ("main", &["cli"]),
    ];
    rules.into_iter().map(|(module, may)| (module, may.iter().copied().collect())).collect()
}

#[test]
fn imports_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed = allowed();
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 40, "only {} files found: the walk is broken", files.len());
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files {
        let relative = file.strip_prefix(&root).expect("below src");
        let module = relative.components().next().expect("a first part").as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
        if module == "lib" || module == "main" {
            continue;
        }
        let may =
            allowed.get(module.as_str()).unwrap_or_else(|| panic!("src/{module} is not in the table: add it here and to ARCHITECTURE.md"));
        let text = std::fs::read_to_string(&file).expect("readable");
        // Unit tests may reach further; what ships may not.
        let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in shipped.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                let imported: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                if imported.is_empty() {
                    continue;
                }
                seen += 1;
                if imported != module && !may.contains(imported.as_str()) {
                    wrong.push(format!("{}:{}: {module} → {imported}", relative.display(), number + 1));
                }
            }
        }
    }
    assert!(seen > 100, "only {seen} imports seen: the reader is broken");
    assert!(wrong.is_empty(), "imports against the design:\n{}", wrong.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("readable folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
