/** Whoever answers SQL in a database. */
export interface Asked {
  ask(url: string, sql: string): Promise<readonly string[]>
}

/** A database with some of everything that a dump has to carry. */
export const SHOP = `
do $$ begin create role shop_keeper; create role shop_reader; exception when duplicate_object then null; end $$;
create schema stock;
create extension if not exists pgcrypto;
create type stock.state as enum ('new', 'sold');
create table stock.item (
  id bigint generated always as identity primary key,
  name text not null,
  price numeric(10, 2) not null check (price >= 0),
  gross numeric(10, 2) generated always as (price * 1.19) stored,
  state stock.state not null default 'new',
  notes jsonb
);
create index item_by_name on stock.item (lower(name));
create table public."order list" (id int primary key, item bigint references stock.item, at timestamptz)
  partition by range (id);
create table public.orders_low partition of public."order list" for values from (0) to (500);
create table public.orders_high partition of public."order list" default;
create table public.letters (id serial primary key, body bytea, text text);
create view stock.cheap as select id, name from stock.item where price < 50;
create function stock.total() returns numeric language sql as 'select sum(price) from stock.item';
insert into stock.item (name, price, notes)
  select 'item ' || n || E' \\\\ "quoted" ''text''\\n', n % 100, jsonb_build_object('n', n) from generate_series(1, 1000) n;
insert into public."order list" select n, 1 + n % 1000, '2026-01-01'::timestamptz + n * interval '1 hour' from generate_series(1, 999) n;
insert into public.letters (body, text) select decode(md5(n::text), 'hex'), repeat('ä', n % 50) from generate_series(1, 300) n;
select lo_from_bytea(4711, decode(repeat('ab', 5000), 'hex'));
comment on table stock.item is 'What there is';
alter table public.letters owner to shop_keeper;
alter view stock.cheap owner to shop_keeper;
alter function stock.total() owner to shop_keeper;
alter large object 4711 owner to shop_keeper;
grant usage on schema stock to shop_reader;
grant select, insert on stock.item to shop_reader with grant option;
grant update (price) on stock.item to shop_keeper;
grant usage on sequence stock.item_id_seq to shop_reader;
revoke execute on function stock.total() from public;
grant select on large object 4711 to shop_reader;
alter default privileges in schema stock grant select on tables to shop_reader;
alter default privileges for role shop_keeper revoke execute on functions from public;
alter table public.letters enable row level security;
create policy own on public.letters for select to shop_reader using (id < 10);
`

/** What of a database a restore has to bring back: every table's checksum, and what is around them. */
export async function digestOf(server: Asked, url: string): Promise<readonly string[]> {
  const tables = await server.ask(
    url,
    `select format('%I.%I', schemaname, tablename) from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
  )
  const sums = tables.map((table) => {
    const sum = `coalesce(md5(string_agg(t::text, '|' order by t::text)), '')`
    return `select '${table.replaceAll("'", "''")} ' || count(*) || ' ' || ${sum} from ${table} t`
  })
  // All at once: each question costs the start of a program.
  return await server.ask(url, [...sums, ...AROUND].join(';\n'))
}

/** In an order of their own: a dump grants what it finds in another. */
function rights(acl: string): string {
  return `coalesce((select string_agg(a::text, ',' order by a::text) from unnest(${acl}) a), '')`
}

const AROUND = [
  `select loid || ' ' || md5(string_agg(data, '' order by pageno)) from pg_largeobject group by loid order by 1`,
  `select indexdef from pg_indexes where schemaname <> 'pg_catalog' order by 1`,
  `select conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace >= 2200 order by 1`,
  `select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname = 'stock' order by 1`,
  `select viewname || definition from pg_views where schemaname = 'stock' order by 1`,
  'select extname from pg_extension order by 1',
  `select relname || ' ' || relowner::regrole from pg_class c join pg_namespace n on n.oid = relnamespace
    where nspname in ('public', 'stock') and relkind in ('r', 'p', 'v') order by 1`,
  `select c.oid::regclass || ' ' || ${rights(`coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner))`)} from pg_class c
    where relnamespace in ('public'::regnamespace, 'stock'::regnamespace) and relkind in ('r', 'p', 'v', 'S') order by 1`,
  `select attrelid::regclass || '.' || attname || ' ' || ${rights('attacl')} from pg_attribute where attacl is not null and attrelid >= 16384 order by 1`,
  `select nspname || ' ' || nspowner::regrole || ' ' || ${rights(`coalesce(nspacl, acldefault('n', nspowner))`)} from pg_namespace where nspname in ('public', 'stock') order by 1`,
  `select p.oid::regprocedure || ' ' || proowner::regrole || ' ' || ${rights(`coalesce(proacl, acldefault('f', proowner))`)} from pg_proc p where pronamespace = 'stock'::regnamespace order by 1`,
  `select oid || ' ' || lomowner::regrole || ' ' || ${rights(`coalesce(lomacl, acldefault('L', lomowner))`)} from pg_largeobject_metadata order by 1`,
  `select defaclrole::regrole || ' ' || coalesce(nullif(defaclnamespace, 0)::regnamespace::text, '*') || defaclobjtype::text || ' ' || ${rights('defaclacl')} from pg_default_acl order by 1`,
  `select polname || ' ' || polrelid::regclass || ' ' || polroles::regrole[]::text || ' ' || pg_get_expr(polqual, polrelid) from pg_policy order by 1`,
  `select sequencename || ' ' || coalesce(last_value, 0) from pg_sequences order by 1`,
  `select obj_description('stock.item'::regclass)`,
  `select pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit,
     ${rights('datacl')},
     coalesce(shobj_description(oid, 'pg_database'), ''),
     (select string_agg(coalesce(nullif(setrole, 0)::regrole::text, '*') || array_to_string(setconfig, ';'), ' ' order by setrole)
       from pg_db_role_setting s where s.setdatabase = d.oid)
   from pg_database d where datname = current_database()`,
]
