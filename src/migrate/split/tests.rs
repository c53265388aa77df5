use super::*;

fn texts(text: &str) -> Vec<&str> {
    split(text).statements.into_iter().map(|s| s.text).collect()
}

fn refusal(text: &str) -> String {
    let split = split(text);
    assert_eq!(split.refusals.len(), 1, "{:?}", split.refusals);
    let refusal = &split.refusals[0];
    format!("{}:{} #{} {}", refusal.place.line, refusal.place.column, refusal.number, refusal.message)
}

#[test]
fn semicolons_count_only_outside_of_literals_comments_and_bodies() {
    assert_eq!(
        texts("select ';'; -- ; no\nselect /* ; /* ; */ */ 2;;\n;select \"a;b\""),
        ["select ';'", "select /* ; /* ; */ */ 2", "select \"a;b\""]
    );
    assert_eq!(texts("do $a$ begin; $b$;$b$; end $a$; select 1"), ["do $a$ begin; $b$;$b$; end $a$", "select 1"]);
    assert_eq!(texts("create rule r as on insert to t do (select 1; select 2); select 3").len(), 2);
    let atomic = "create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3";
    assert_eq!(texts(atomic).len(), 2);
    assert_eq!(texts("select e'it\\'s; one'; select 'a''b;'").len(), 2);
    assert_eq!(texts("-- nothing\n/* here */ ;"), Vec::<&str>::new());
}

#[test]
fn statements_know_their_places() {
    let text = "-- first\n\nselect 1;\r\n  /* ü */ select 2;\nselect 3";
    let places: Vec<(u64, u64, u64)> = split(text).statements.iter().map(|s| (s.number, s.place.line, s.place.column)).collect();
    assert_eq!(places, [(1, 3, 1), (2, 4, 11), (3, 5, 1)]);
}

#[test]
fn descriptions_never_hold_literals() {
    let what = |text: &str| split(text).statements[0].what.clone();
    assert_eq!(what("create index concurrently if not exists i on public.t (a)"), "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON public.t");
    assert_eq!(what("insert into public.users values ('s3cret')"), "INSERT INTO public.users");
    assert_eq!(what("alter role app password 's3cret'"), "ALTER ROLE app PASSWORD");
    assert_eq!(what("update t set a = 's3cret'"), "UPDATE t");
    assert_eq!(what("do $$ begin perform 1; end $$"), "DO");
    assert_eq!(what("select 's3cret'"), "SELECT");
    assert_eq!(what("alter table public.\"T x\" enable row level security"), "ALTER TABLE public.\"T x\" ENABLE ROW LEVEL SECURITY");
    assert_eq!(what("select 42 as s3cret"), "SELECT");
}

#[test]
fn transaction_control_is_refused_and_savepoints_are_not() {
    for text in ["commit", "BEGIN", "start transaction", "rollback", "end", "abort", "prepare transaction 'x'", "commit and chain"] {
        let refused = refusal(&format!("select 1;\n{text};"));
        assert!(refused.starts_with("2:1 #2 ") && refused.contains("inside a migration"), "{refused}");
    }
    let free = "savepoint a; rollback to savepoint a; rollback to a; release a; set transaction read only; create function f() returns void language plpgsql as $$ begin commit; end $$";
    assert_eq!(split(free).refusals, []);
}

#[test]
fn what_psql_is_told_is_passed_over_filled_in_or_refused() {
    let text =
        "\\set ON_ERROR_STOP on\n\\restrict x1\nselect 1;\n\\echo 'a; b'\n  \\timing\nselect 2\\g\nselect\n\\echo in the middle\n3;\n";
    let read = split(text);
    assert_eq!(read.refusals, []);
    assert_eq!(
        read.statements.iter().map(|s| (s.number, s.place.line, s.text)).collect::<Vec<_>>(),
        [(1, 3, "select 1"), (2, 6, "select 2"), (3, 7, "select\n\\echo in the middle\n3"),]
    );
    assert_eq!(read.statements[2].sql(), "select\n\n3");
    assert_eq!(
        refusal("select 1;\n\\i other.sql\nselect 2;"),
        "2:1 #2 the psql command \\i reads another file: put its text here, or make it a migration of its own"
    );
    assert!(refusal("select 'x' as y \\gset\n;").starts_with("1:17 #1 the psql command \\gset keeps a result"));
    assert_eq!(split("select '\\d', e'\\\\x'; -- \\d\n").refusals, []);
    assert_eq!(split("copy t from program 'x'; copy t to stdout").refusals, []);
}

#[test]
fn variables_stand_in_statements_as_psql_puts_them() {
    let text = "\\set t 'public.t'\n\\set v 'it''s'\n\\set c 'A b'\ninsert into :t (:\"c\") values (:'v'::text, a[1:2]);\nselect :t.x from :t where y = nothing;";
    let read = split(text);
    assert_eq!(read.refusals, []);
    assert_eq!(read.statements[0].sql(), "insert into public.t (\"A b\") values ('it''s'::text, a[1:2])");
    let second = &read.statements[1];
    assert_eq!(second.sql(), "select public.t.x from public.t where y = nothing");
    // Where the server points in what was sent is where the file has it.
    let at = u32::try_from(second.sql().find("nothing").unwrap() + 1).unwrap();
    assert!(text[second.offset_of(at)..].starts_with("nothing"));
    let inside = u32::try_from(second.sql().find("public.t where").unwrap() + 3).unwrap();
    assert!(text[second.offset_of(inside)..].starts_with(":t where"));
    assert!(refusal("select :'who';").contains("the psql variable who is not set"));
    assert!(refusal("\\set x '1; drop table t'\nselect :x;").contains("more than a part of a statement"));
    assert_eq!(
        split("\\set x 1\n\\unset x\nselect a[1:x], b::int, ':x', $$:x$$;").statements[0].sql(),
        "select a[1:x], b::int, ':x', $$:x$$"
    );
}

#[test]
fn rows_below_a_copy_are_its_data() {
    let text = "create table t ();\ncopy public.t (a, b) from stdin with (format text); -- two\n1\tit's; \\N\n\\\\.\n\\.\nselect 1;\r\nCOPY t FROM STDIN;\r\nx\r\n\\.\r\nselect 2; copy t from stdin;\nlast";
    let read = split(text);
    assert_eq!(read.refusals, []);
    let told = read.statements.iter().map(|s| (s.place.line, s.text, s.data.map(|data| (data.text, data.line))));
    let told = told.collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            (1, "create table t ()", None),
            (2, "copy public.t (a, b) from stdin with (format text)", Some(("1\tit's; \\N\n\\\\.\n", 3))),
            (6, "select 1", None),
            (7, "COPY t FROM STDIN", Some(("x\r\n", 8))),
            (10, "select 2", None),
            (10, "copy t from stdin", Some(("last", 11))),
        ]
    );
    let client = split("\\copy t (a) from stdin csv\n1\n\\.\nselect 1;");
    assert_eq!(client.refusals, []);
    assert_eq!((client.statements[0].text, client.statements[0].data.unwrap().text), ("copy t (a) from stdin csv", "1\n"));
    assert!(refusal("copy t from stdin; select 1;\n\\.\n").starts_with("1:19 #1 after COPY"));
    assert_eq!(split("copy t from stdin;").statements[0].data.unwrap().text, "");
}

#[test]
fn an_unterminated_literal_is_named_where_it_begins() {
    assert_eq!(refusal("select 1;\n  select 'abc;\n"), "2:10 #2 the string that begins here has no end");
    assert_eq!(refusal("do $x$ begin $y$ end"), "1:4 #1 the dollar-quoted string that begins here has no end");
    assert_eq!(refusal("select 1 /* open"), "1:10 #1 the comment that begins here has no end");
}

#[test]
fn statements_that_cannot_share_a_transaction_are_known() {
    for text in [
        "create unique index concurrently i on t (a)",
        "drop index concurrently i",
        "reindex (verbose) table concurrently t",
        "reindex index concurrently i",
        "alter table p detach partition c concurrently",
    ] {
        assert_eq!(split(text).statements[0].kind, StatementKind::Concurrently, "{text}");
    }
    for text in [
        "vacuum t",
        "alter system set a = 1",
        "create database d",
        "drop database d",
        "create tablespace x location 'y'",
        "reindex schema s",
    ] {
        assert_eq!(split(text).statements[0].kind, StatementKind::Alone, "{text}");
    }
    for text in
        ["create index i on t (concurrently)", "create table concurrently ()", "refresh materialized view concurrently v", "analyze t"]
    {
        assert_eq!(split(text).statements[0].kind, StatementKind::Plain, "{text}");
    }
    assert!(!split("-- no-transaction\nselect 1").transactional());
    assert!(split("select 1; -- no-transaction\n").transactional());
}

#[test]
fn bytes_are_decoded_or_refused_with_the_place() {
    let split = split_bytes(b"\xef\xbb\xbfselect 1;\r\n");
    assert!(split.bom);
    assert_eq!(split.statements[0].place, Place { line: 1, column: 1 });
    let refused = decode(b"select 1;\nselect '\xff'").unwrap_err();
    assert_eq!((refused.place.line, refused.place.column), (2, 9));
    assert_eq!(refused.message, "not UTF-8: the byte 0xff here; save the file as UTF-8");
    assert_eq!(decode(b"a\0b").unwrap_err().reason, RefusalReason::NulByte);
}
