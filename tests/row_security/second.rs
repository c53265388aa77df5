//! A person who is a member of two tenants: each defect that shows with the second membership alone, and its repair.

use migration_ledger::domain::CheckOutcome;

use super::Examined;
use super::schemas::Schema;

const CHECK: &str = "rls-second-membership";

/// Teams with members, who are plain ones or admins; projects and their notes.
pub const TEAMS: &str = "-- roles: second_app
create schema app;
create function app.me() returns uuid language sql stable as $$ select nullif(current_setting('app.user_id', true), '')::uuid $$;
create table public.people (id uuid primary key, name text not null);
create table public.teams (id uuid primary key, name text not null);
create table public.team_members (team_id uuid not null references public.teams, person_id uuid not null references public.people,
  role text not null default 'member' check (role in ('member', 'admin')), primary key (team_id, person_id));
create table public.projects (id uuid primary key, team_id uuid not null references public.teams, title text not null);
create table public.notes (id bigint generated always as identity primary key, project_id uuid not null references public.projects, body text not null);
create function app.my_teams() returns setof uuid language sql stable security definer set search_path = '' as
  $$ select m.team_id from public.team_members as m where m.person_id = app.me() $$;
create function app.is_admin(team uuid) returns boolean language sql stable security definer set search_path = '' as
  $$ select exists (select from public.team_members as m where m.person_id = app.me() and m.team_id = team and m.role = 'admin') $$;
alter table public.people enable row level security; alter table public.teams enable row level security; alter table public.team_members enable row level security;
alter table public.projects enable row level security; alter table public.notes enable row level security;
create policy own on public.people using (id = app.me());
create policy own on public.teams for select using (id in (select app.my_teams()));
create policy admins on public.teams for update using (app.is_admin(id));
create policy own on public.team_members for select using (team_id in (select app.my_teams()));
create policy admins on public.team_members for all using (app.is_admin(team_id));
create policy own on public.projects for select using (team_id in (select app.my_teams()));
create policy admins_in on public.projects for insert with check (app.is_admin(team_id));
create policy admins_up on public.projects for update using (app.is_admin(team_id));
create policy admins_del on public.projects for delete using (app.is_admin(team_id));
create policy own on public.notes using (project_id in (select p.id from public.projects as p));
grant usage on schema app to second_app;
grant select, insert, update, delete on public.people, public.teams, public.team_members, public.projects, public.notes to second_app;";

async fn examined(more: &str) -> Examined {
    Schema { sql: TEAMS.to_owned(), path: "teams".into() }.examined(more).await
}

fn bad(examined: &Examined) -> Vec<(String, String)> {
    examined.check(CHECK).findings().map(|finding| (finding.subject, finding.observed)).collect()
}

/// What stands in the head of each test: no leak, nothing undecided, both tenants' rows.
fn assert_clean(examined: &Examined) {
    assert_eq!(examined.leaks(), Vec::<String>::new());
    assert_eq!(examined.undecided(), Vec::<String>::new());
    let check = examined.check(CHECK);
    assert_eq!(check.outcome, CheckOutcome::Pass, "{:?} {:?}", check.rows, examined.isolation.lines);
    let seen = |table: &str| check.rows.iter().find(|row| row.subject == table).map(|row| row.observed.as_str());
    assert_eq!(seen("public.projects"), Some("rows of both tenants"), "{:?}", check.rows);
    // Members of a third tenant were asked, with a role there and without, and the role's refusal has its positive control.
    let has = |command: &str, context: &str| {
        examined.isolation.cells.iter().any(|cell| {
            cell.cell.table == "public.projects" && cell.cell.command == command && cell.cell.context == format!("second_app, {context}")
        })
    };
    assert!(has("SELECT", "member of A and C"));
    assert!(has("UPDATE in A", "member of A and C, there public.team_members.role = admin"));
}

#[tokio::test(flavor = "current_thread")]
async fn a_scalar_subquery_over_memberships_raises_for_a_member_of_two_tenants() {
    let defect = "alter policy own on public.projects using (team_id = (select m.team_id from public.team_members as m where m.person_id = app.me()));";
    let found = examined(defect).await;
    let bad = bad(&found);
    let projects = bad.iter().find(|(table, _)| table == "public.projects").map(|(_, observed)| observed.as_str());
    assert_eq!(projects, Some("SELECT raises 21000 to a member of A and B as second_app"), "{bad:?}");
    assert!(bad.iter().all(|(table, _)| ["public.projects", "public.notes"].contains(&table.as_str())), "{bad:?}");
    // An account that stops working is no leak, and nothing is left open by it.
    assert_eq!((found.leaks(), found.undecided()), (Vec::new(), Vec::new()));
    assert_clean(&examined("").await);
}

#[tokio::test(flavor = "current_thread")]
async fn a_policy_that_picks_one_of_the_memberships_loses_the_others_rows() {
    let first = |order: &str| {
        format!(
            "create or replace function app.my_teams() returns setof uuid language sql stable security definer set search_path = '' as
             $$ select m.team_id from public.team_members as m where m.person_id = app.me() order by m.team_id {order} limit 1 $$;"
        )
    };
    for (order, whose) in [("", "B's"), ("desc", "A's")] {
        let found = examined(&first(order)).await;
        let expected = format!("{whose} row is not shown to a member of A and B as second_app");
        let bad = bad(&found);
        assert!(bad.contains(&("public.projects".to_owned(), expected)), "{bad:?}");
        assert_eq!(found.leaks(), Vec::<String>::new());
    }
    // A session that names the tenant it works in loses nothing.
    let active = "create or replace function app.my_teams() returns setof uuid language sql stable security definer set search_path = '' as
        $$ select m.team_id from public.team_members as m where m.person_id = app.me() and m.team_id = nullif(current_setting('app.team_id', true), '')::uuid $$;";
    let found = examined(active).await;
    let check = found.check(CHECK);
    assert_eq!(check.outcome, CheckOutcome::Pass, "{:?}", check.rows);
    assert!(
        check.rows.iter().any(|row| row.subject == "public.projects" && row.observed == "one tenant's rows at a time"),
        "{:?}",
        check.rows
    );
}

#[tokio::test(flavor = "current_thread")]
async fn an_admin_of_another_tenant_has_no_powers_in_this_one() {
    let defect = "alter policy admins_up on public.projects using (team_id in (select app.my_teams())
        and exists (select from public.team_members as m where m.person_id = app.me() and m.role = 'admin'));";
    let found = examined(defect).await;
    let context = "second_app, member of A and C, there public.team_members.role = admin";
    assert_eq!(found.leaks(), [format!("public.projects UPDATE in A ({context})")]);
    let findings: Vec<_> = found.findings().into_iter().filter(|(check, _)| check.starts_with("rls-isolation")).collect();
    assert_eq!(findings, [("rls-isolation".to_owned(), "public.projects".to_owned())]);
    assert_clean(&examined("").await);
}

#[tokio::test(flavor = "current_thread")]
async fn a_member_of_two_tenants_does_not_reach_a_third_one() {
    let defect = "create policy consultants on public.projects for select using ((select count(*) from app.my_teams()) > 1);";
    let found = examined(defect).await;
    let leaks = found.leaks();
    assert!(leaks.contains(&"public.projects SELECT (second_app, member of A and C)".to_owned()), "{leaks:?}");
    assert!(leaks.iter().all(|leak| leak.contains("member of A and C")), "{leaks:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn where_a_person_has_one_membership_there_is_nothing_to_ask() {
    let found = examined("alter table public.team_members add unique (person_id);").await;
    assert!(matches!(found.check(CHECK).outcome, CheckOutcome::NotApplicable(_)), "{:?}", found.check(CHECK).rows);
    assert!(found.isolation.lines.iter().any(|line| line.starts_with("no second membership")), "{:?}", found.isolation.lines);
}

#[tokio::test(flavor = "current_thread")]
async fn a_claim_that_lists_tenants_lists_two() {
    let schema = |text: &str| {
        Schema {
        sql: format!(
            "-- roles: second_app
             create table public.tenants (id uuid primary key, name text not null);
             create table public.files (id uuid primary key, tenant_id uuid not null references public.tenants, name text not null);
             alter table public.tenants enable row level security; alter table public.files enable row level security;
             create policy own on public.tenants using (id::text in (select jsonb_array_elements_text(current_setting('request.jwt.claims', true)::jsonb -> 'tenant_ids')));
             create policy own on public.files using ({text});
             grant select, insert, update, delete on public.tenants, public.files to second_app;"
        ),
        path: "claims".into(),
    }
    };
    let among = "tenant_id::text in (select jsonb_array_elements_text(current_setting('request.jwt.claims', true)::jsonb -> 'tenant_ids'))";
    let found = schema(among).examined("").await;
    assert_eq!((found.leaks(), found.undecided()), (Vec::new(), Vec::new()));
    assert_eq!(found.check(CHECK).outcome, CheckOutcome::Pass, "{:?} {:?}", found.check(CHECK).rows, found.isolation.lines);
    let first = "tenant_id::text = (select e from jsonb_array_elements_text(current_setting('request.jwt.claims', true)::jsonb -> 'tenant_ids') as e limit 1)";
    let found = schema(first).examined("").await;
    assert_eq!(bad(&found), [("public.files".to_owned(), "B's row is not shown to a member of A and B as second_app".to_owned())]);
}
