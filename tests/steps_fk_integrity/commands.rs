//! Tasks that run a command, and suites.

use migration_ledger::domain::Product;

use crate::support::TestDb;
use crate::world::{Given, World, here};

const TWO: &str = r#"<testsuites><testsuite name="s"><testcase name="a"/><testcase name="b"/></testsuite></testsuites>"#;

async fn ran(world: &World) -> Given {
    world.run(&TestDb::empty().await.target("postgres").await).await
}

#[test]
fn a_command_is_judged_by_its_exit_code() {
    here(async {
        for (command, outcome, observed) in [
            (r#"["true"]"#, "pass", "exit code 0"),
            (r#"["sh", "-c", "exit 3"]"#, "fail", "exit code 3"),
            (r#"["sh", "-c", "kill -9 $$"]"#, "unknown: 0 of 1 decided; sh: ended by signal 9", "ended by signal 9"),
            (
                r#"["/no/such/program"]"#,
                "unknown: 0 of 1 decided; /no/such/program: /no/such/program could not be started: No such file or directory (os error 2)",
                "/no/such/program could not be started: No such file or directory (os error 2)",
            ),
        ] {
            let given = ran(&World::new("command", &format!("command = {command}\n"))).await;
            given.result.as_ref().unwrap();
            assert_eq!(given.outcome("command-succeeded"), outcome);
            assert_eq!(given.report.headline, observed);
        }
    });
}

#[test]
fn a_command_runs_in_the_project_without_a_shell_and_its_output_holds_no_secret() {
    here(async {
        let world = World::new("command", r#"command = ["sh", "print.sh", "a;b  c$HOME"]"#);
        world.file(
            "print.sh",
            "echo \"got $1\"\necho 'url postgres://app:canary-secret@db/x' >&2\necho 'PGPASSWORD=canary-secret'\nprintf 'no line end'\n",
        );
        let given = ran(&world).await;
        assert_eq!(given.outcome("command-succeeded"), "pass");
        assert!(given.log.contains("got a;b  c$HOME") && given.log.contains("no line end"), "{}", given.log);
        assert!(given.log.contains("postgres://app:[redacted]@db/x") && !given.log.contains("canary-secret"), "{}", given.log);
    });
}

#[test]
fn a_suite_is_run_and_counted() {
    here(async {
        let suite =
            "command = [\"true\"]\n[[plan.task.suite]]\nname = \"smoke tests\"\njunit = \"out/j.xml\"\ncommand = [\"sh\", \"suite.sh\"]\n";
        let script = |xml: &str, code: u8| format!("mkdir -p out\ncat > out/j.xml <<'X'\n{xml}\nX\nexit {code}\n");
        let world = World::new("command", suite);
        world.file("suite.sh", &script(TWO, 0));
        let given = ran(&world).await;
        assert_eq!(given.outcome("suite-passed"), "pass");
        assert_eq!(given.check("suite-passed").rows[0].observed, "2 of 2 passed");
        assert_eq!(given.files(), ["junit-smoke-tests.xml"]);
        let Some(Product::Command(product)) = &given.report.product else { panic!("no product") };
        assert_eq!((product.suites[0].total, product.suites[0].passed), (2, 2));

        // A failed test under exit code 0, with a secret in its message.
        let failed = TWO.replace(r#"<testcase name="b"/>"#, r#"<testcase name="b"><failure message="password=canary-secret"/></testcase>"#);
        world.file("suite.sh", &script(&failed, 0));
        let given = ran(&world).await;
        assert_eq!(given.found("suite-passed"), [("smoke tests".into(), "1 of 2 passed".into())]);
        assert!(!given.file("junit-smoke-tests.xml").contains("canary-secret"));

        // The file of the run before proves nothing about this one.
        world.file("suite.sh", "exit 0\n");
        assert!(ran(&world).await.outcome("suite-passed").contains("out/j.xml is from an earlier run"));
        world.file("suite.sh", &script("<testsuites tests=\"0\"/>", 0));
        assert!(ran(&world).await.outcome("suite-passed").contains("ran 0 of at least 1 tests"));
        world.file("suite.sh", "rm -r out\n");
        assert!(ran(&world).await.outcome("suite-passed").contains("out/j.xml was not written (exit code 0)"));
    });
}

#[test]
fn a_suite_that_cannot_be_counted_is_unknown() {
    here(async {
        for (suite, says) in [
            ("command = [\"true\"]\n", "declares no `junit` file"),
            ("junit = \"j.xml\"\n", "`ledger exec`"),
            ("command = [\"/no/such\"]\njunit = \"j.xml\"\n", "could not be started"),
        ] {
            let given = ran(&World::new("command", &format!("command = [\"true\"]\n[[plan.task.suite]]\nname = \"s\"\n{suite}"))).await;
            let outcome = given.outcome("suite-passed");
            assert!(outcome.starts_with("unknown") && outcome.contains(says), "{outcome}");
        }
    });
}

#[test]
fn a_program_that_prints_without_end_of_line_or_leaves_children_behind_is_read_to_its_end() {
    here(async {
        let started = std::time::Instant::now();
        let world = World::new(
            "command",
            r#"command = ["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last; sleep 30 & exit 0"]"#,
        );
        let given = ran(&world).await;
        assert_eq!(given.outcome("command-succeeded"), "pass");
        assert!(given.log.len() < 40_000 && given.log.contains("last"), "{}", given.log.len());
        assert!(started.elapsed().as_secs() < 20);
    });
}
