//! The server's own flaws: the list against what this very server does.

use migration_ledger::pg::Access;
use migration_ledger::steps::row_security::server;

use super::support::TestDb;

#[tokio::test(flavor = "current_thread")]
async fn the_servers_own_flaws_are_named_by_its_version() {
    let db = TestDb::empty().await;
    let session = db.target("postgres").await.session(Access::ReadOnly).await.unwrap();
    let evidence = server::evidence(&session, "target").await.unwrap();
    let is: i32 = session.one("SELECT pg_catalog.current_setting('server_version_num')::int4", &[]).await.unwrap().get(0);
    assert_eq!(evidence.parameters["server_version_num"], is);
    assert!(evidence.rows.len() >= 11);

    // Two of the flaws, tried: what the list says of this version must be what this version does.
    let hands = db.admin().await;
    hands
        .batch(
            "CREATE TABLE public.t (id int PRIMARY KEY, tenant int, v int); INSERT INTO public.t VALUES (1, 2, 0);
             CREATE VIEW public.v AS SELECT * FROM public.t WHERE tenant = 1",
        )
        .await
        .unwrap();
    let refused = hands.batch("INSERT INTO public.v VALUES (1, 1, 5) ON CONFLICT (id) DO UPDATE SET v = 99").await.is_err();
    hands
        .batch(
            "CREATE TABLE public.s (id int); ALTER TABLE public.s ENABLE ROW LEVEL SECURITY; GRANT SELECT ON public.s TO app_user;
             INSERT INTO public.s VALUES (1), (2); CREATE ROLE cve_group; GRANT cve_group TO app_user;
             CREATE POLICY one ON public.s USING (id = 1); CREATE POLICY two ON public.s TO cve_group USING (id = 2);
             SET plan_cache_mode = force_generic_plan; SET ROLE app_user; PREPARE q AS SELECT count(*) FROM public.s",
        )
        .await
        .unwrap();
    let rows = |answer: Vec<tokio_postgres::SimpleQueryMessage>| {
        answer.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
    };
    assert_eq!(rows(hands.simple("EXECUTE q").await.unwrap()).as_deref(), Some("2"));
    let after = hands.simple("RESET ROLE; REVOKE cve_group FROM app_user; SET ROLE app_user; EXECUTE q").await.unwrap();
    let forgotten = rows(after).as_deref() == Some("1");
    hands.batch("RESET ROLE; DROP POLICY two ON public.s; DROP ROLE cve_group").await.unwrap();
    for (cve, does) in [("CVE-2026-16237", refused), ("CVE-2026-14666", forgotten)] {
        let row = evidence.rows.iter().find(|row| row.subject == cve).unwrap();
        assert!(row.ok.is_none_or(|says| says == does), "{cve} on {is}: the list says {:?}, the server does otherwise", row.ok);
    }
}
