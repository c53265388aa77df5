//! The report as a reader meets it: in a real browser and on paper. Without Chromium these tests say that they did nothing.

#[path = "report_snapshots/fixture.rs"]
mod fixture;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use migration_ledger::record::Run;
use migration_ledger::report::{self, Source};

/// Chromium on the path, or the reason why nothing was tried, said aloud.
fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|dir| ["chromium", "chromium-browser", "google-chrome"].map(|name| dir.join(name)))
        .find(|program| program.is_file());
    if found.is_none() {
        // Past the test runner, which would keep it to itself.
        std::io::stderr().write_all(b"NOT TESTED: there is no Chromium here; Debian's package is called chromium\n").expect("said");
    }
    found
}

/// Runs Chromium without a screen on one page; its profile lies in a folder of its own and goes with it.
fn show(program: &Path, args: &[&str], page: &Path) -> Output {
    let profile = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(program);
    command
        .args([
            "--headless",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
        ])
        .args(["--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--allow-file-access-from-files"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .env("HOME", profile.path())
        .stdin(Stdio::null());
    if nix::unistd::geteuid().is_root() {
        command.arg("--no-sandbox");
    }
    let out = command.args(args).arg(format!("file://{}", page.display())).output().expect("Chromium starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out
}

/// What pages said on the browser's console: refused by their policy, failed to load, thrown.
fn console(out: &Output) -> Vec<String> {
    String::from_utf8_lossy(&out.stderr).lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect()
}

fn readiness(run: &Run) -> String {
    let (root, head) = ("0123456789abcdef".repeat(4), "fedcba9876543210".repeat(4));
    let built = report::build(&Source { ledger_id: &"a1".repeat(16), size: run.cut, root: &root, head: &head, run, earlier: &[] });
    String::from_utf8(report::render_one(&built, report::READINESS_HTML).expect("rendered")).expect("UTF-8")
}

fn written(folder: &Path, name: &str, html: &str) -> PathBuf {
    let page = folder.join(name);
    std::fs::write(&page, html).expect("written");
    page
}

/// Pages of a PDF that Chromium prints of the page. Its page objects stand uncompressed in the file.
fn printed_pages(program: &Path, page: &Path) -> usize {
    let pdf = page.with_extension("pdf");
    show(program, &[&format!("--print-to-pdf={}", pdf.display()), "--no-pdf-header-footer"], page);
    let bytes = std::fs::read(&pdf).expect("a PDF");
    let text = String::from_utf8_lossy(&bytes);
    text.matches("/Type /Page\n").count()
}

#[test]
fn what_decides_fits_on_two_sheets_and_charts_begin_a_third() {
    let Some(program) = browser() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let html = readiness(&fixture::run(false));
    let charts = html.find("<h2 class=\"page\">").expect("a part that begins on a sheet of its own");
    let first = printed_pages(&program, &written(folder.path(), "first.html", &html[..charts]));
    assert!((1..=2).contains(&first), "{first} sheets");
    let with_charts = html[charts..].find("</h2>").map(|end| charts + end).expect("its end");
    let next = printed_pages(&program, &written(folder.path(), "next.html", &html[..with_charts]));
    assert_eq!(next, first + 1);
}

#[test]
fn nothing_is_refused_and_nothing_runs() {
    let Some(program) = browser() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let html = readiness(&fixture::run(true));
    let quiet = show(&program, &["--dump-dom"], &written(folder.path(), "report.html", &html));
    assert_eq!(console(&quiet), Vec::<String>::new());
    assert!(String::from_utf8_lossy(&quiet.stdout).contains("NO-GO"), "the page was not shown");

    // What the page's own policy refuses is heard: a script and a picture from elsewhere, had they come in with the evidence.
    for planted in ["<script>document.title = 'ran'</script>", "<img src=\"http://192.0.2.1/pixel.png\">"] {
        let loud =
            show(&program, &["--dump-dom"], &written(folder.path(), "planted.html", &html.replacen("<h1>", &format!("{planted}<h1>"), 1)));
        assert!(!console(&loud).is_empty(), "{planted} was not refused");
        assert!(!String::from_utf8_lossy(&loud.stdout).contains("<title>ran"), "{planted} ran");
    }
}

#[test]
fn the_page_is_no_wider_than_the_screen() {
    let Some(program) = browser() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for (name, run) in [("go", fixture::run(false)), ("no-go", fixture::run(true))] {
        written(folder.path(), "report.html", &readiness(&run));
        for width in [390, 1280] {
            let frame = format!(
                "<iframe src=\"report.html\" width=\"{width}\" height=\"900\" style=\"border:0\" onload=\"document.title = 'wide ' + \
                 this.contentDocument.documentElement.scrollWidth\"></iframe>"
            );
            let page = written(folder.path(), "frame.html", &format!("<!doctype html><title>not shown</title>{frame}"));
            let shown = show(&program, &["--window-size=1400,1000", "--dump-dom"], &page);
            let dom = String::from_utf8_lossy(&shown.stdout).into_owned();
            let wide: u32 = dom
                .split_once("<title>wide ")
                .and_then(|(_, rest)| rest.split_once('<'))
                .and_then(|(number, _)| number.parse().ok())
                .unwrap_or_else(|| panic!("not measured: {dom:.300}"));
            assert!(wide <= width, "{name} is {wide} pixels wide on a screen of {width}");
        }
    }
}
