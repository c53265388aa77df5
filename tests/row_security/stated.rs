//! What ledger.toml states, each on its own: it changes what is asked, and hides nothing else.

use migration_ledger::config::Tenancy;
use migration_ledger::domain::product::CellVerdict;

use super::Examined;
use super::schemas::{Schema, found};

async fn examined(sql: &str, more: &str, stated: &Tenancy) -> Examined {
    let schema = Schema { sql: sql.to_owned(), path: "stated".into() };
    let db = schema.database(more).await;
    Examined::of(&db, "postgres", stated).await
}

/// Auditors, whose role no policy writes out.
const AUDITED: &str = "-- roles: stated_app
create function public.me() returns int language sql stable as $$ select nullif(current_setting('app.user_id', true), '')::int $$;
create table public.users (id int primary key, name text not null);
create table public.tenants (id int primary key, name text not null);
create table public.members (tenant_id int not null references public.tenants, user_id int not null references public.users, role text not null, primary key (tenant_id, user_id));
create table public.books (id int primary key, tenant_id int not null references public.tenants, total int not null);
create function public.mine() returns setof int language sql stable security definer set search_path = '' as $$ select m.tenant_id from public.members as m where m.user_id = public.me() $$;
create function public.audits(tenant int) returns boolean language sql stable security definer set search_path = '' as
  $$ select exists (select from public.members as m where m.user_id = public.me() and left(m.role, 3) = 'aud') $$;
alter table public.users enable row level security; alter table public.tenants enable row level security;
alter table public.members enable row level security; alter table public.books enable row level security;
create policy own on public.users using (id = public.me());
create policy own on public.tenants for select using (id in (select public.mine()));
create policy own on public.members for select using (tenant_id in (select public.mine()));
create policy own on public.books using (tenant_id in (select public.mine()));
create policy audit on public.books for select using (public.audits(tenant_id));
grant select, insert, update, delete on public.users, public.tenants, public.members, public.books to stated_app;";

#[tokio::test(flavor = "current_thread")]
async fn a_stated_label_is_a_context() {
    let stated = Tenancy { labels: vec!["public.members.role = auditor".into()], ..Tenancy::default() };
    // Nothing in the texts says that there are auditors.
    let unstated = examined(AUDITED, "", &Tenancy::default()).await;
    assert_eq!(unstated.leaks(), Vec::<String>::new());
    let open = examined(AUDITED, "", &stated).await;
    let leaks = open.leaks();
    assert!(leaks.contains(&"public.books SELECT (stated_app, member of A, public.members.role = auditor)".to_owned()), "{leaks:?}");
    assert!(leaks.iter().all(|leak| leak.starts_with("public.books ")), "{leaks:?}");
    let repair = "create or replace function public.audits(tenant int) returns boolean language sql stable security definer set search_path = '' as
        $$ select exists (select from public.members as m where m.user_id = public.me() and m.tenant_id = tenant and left(m.role, 3) = 'aud') $$;";
    let closed = examined(AUDITED, repair, &stated).await;
    assert_eq!((closed.leaks(), closed.undecided()), (Vec::new(), Vec::new()));
    assert!(closed.isolation.cells.iter().any(|cell| cell.cell.context.ends_with("role = auditor")));
}

/// Tenants that are roles, which a function finds by a part of their names.
const ROLES: &str = "-- roles: of_north, of_south, of_nobody
create table public.regions (code text primary key, name text not null);
create table public.stock (id int primary key, region text not null references public.regions, amount int not null);
insert into public.regions values ('of_north', 'North'), ('of_south', 'South');
alter table public.regions enable row level security; alter table public.stock enable row level security;
create policy own on public.regions using (code = current_user);
create policy own on public.stock using (region = current_user);
grant select, insert, update, delete on public.regions, public.stock to of_north, of_south, of_nobody;";

#[tokio::test(flavor = "current_thread")]
async fn stated_roles_of_tenants_are_a_b_and_nobody() {
    let stated = Tenancy { tenant_roles: ["of_south", "of_north", "of_nobody"].map(str::to_owned).to_vec(), ..Tenancy::default() };
    let closed = examined(ROLES, "", &stated).await;
    let model = &closed.isolation.grounds.as_ref().unwrap().model;
    assert_eq!((model.tenant_roles.clone(), model.roles.clone()), (stated.tenant_roles.clone(), vec!["of_south".to_owned()]));
    assert!(model.stated.contains(&"tenant-roles"));
    assert_eq!((closed.leaks(), closed.undecided()), (Vec::new(), Vec::new()));
    let isolated = |context: &str| {
        let is = |verdict| verdict == CellVerdict::Isolated;
        closed.isolation.cells.iter().any(|c| c.cell.table == "public.stock" && c.cell.context == context && is(c.cell.verdict))
    };
    assert!(isolated("of_south, member of A") && isolated("of_south, non-member"), "{:?}", closed.isolation.cells);
    let open = examined(ROLES, "create policy north on public.stock for select to of_south using (region = 'of_north');", &stated).await;
    assert!(open.leaks().contains(&"public.stock SELECT (of_south, member of A)".to_owned()), "{:?}", open.leaks());
}

/// Articles that everybody may read once they are published, if that is meant.
const PUBLISHED: &str = "-- roles: stated_app
create table public.tenants (id int primary key, name text not null);
create table public.articles (id int primary key, tenant_id int not null references public.tenants, published boolean not null default false, body text not null);
create table public.ledgers (id int primary key, tenant_id int not null references public.tenants, body text not null);
alter table public.tenants enable row level security; alter table public.articles enable row level security; alter table public.ledgers enable row level security;
create policy own on public.tenants using (id = nullif(current_setting('app.tenant_id', true), '')::int);
create policy own on public.articles using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::int);
create policy shown on public.articles for select using (published);
create policy own on public.ledgers using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::int);
grant select, insert, update, delete on public.tenants, public.articles, public.ledgers to stated_app;";

#[tokio::test(flavor = "current_thread")]
async fn a_table_that_is_stated_to_be_everybodys_may_be_read_and_not_written() {
    let subjects = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<std::collections::BTreeSet<_>>();
    let stated = Tenancy { everybodys: vec!["public.articles".into()], ..Tenancy::default() };
    let asked = found(&examined(PUBLISHED, "", &Tenancy::default()).await);
    assert_eq!((asked.leaks, asked.undecided), (subjects(&[]), subjects(&["public.articles"])));
    let meant = found(&examined(PUBLISHED, "", &stated).await);
    assert_eq!((meant.leaks, meant.undecided), (subjects(&[]), subjects(&[])));
    // Neither another table nor a write to this one is meant with it.
    let open = "create policy shown on public.ledgers for select using (body is not null); create policy put on public.articles for insert with check (true);";
    let open = examined(PUBLISHED, open, &stated).await;
    assert_eq!(found(&open).leaks, subjects(&["public.articles", "public.ledgers"]), "{:?}", open.leaks());
    assert!(open.leaks().iter().all(|leak| !leak.starts_with("public.articles SELECT")), "{:?}", open.leaks());
}
